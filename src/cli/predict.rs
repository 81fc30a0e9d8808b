//! `mlops predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::door::{Door, Records, refuse_overwriting};
use super::embedding_args::EmbeddingArgs;
use super::reading_args::ReadingArgs;
use super::ui::{error, print};
use crate::answers;
use crate::answers::format::plural;
use crate::data::Task;
use crate::data::sources::Memory;
use crate::error::{Error, Result};
use crate::fs::write_atomic;
use crate::report::Document;
use crate::workflows::answer_files::{classes as class_files, rankings as ranking_files};
use crate::workflows::predict::{Answer, Outcome, Request, predict};
use crate::workflows::predict_ranking;

const EXAMPLES: &str = "\
Examples:
  mlops predict reviews --input new.csv --output answers.csv
  echo '{\"text\": \"좋다\"}' | mlops predict reviews --input -
  mlops predict production/reviews/active --input new.ndjson | head
  mlops predict reviews --input today.csv --output answers.csv --log && mlops drift-check reviews --from-log
  mlops predict mq2008 --input test.txt --output ranks.run

A model trained with class weights decides its class from its score; the probability is calibrated to the base rate of
the training rows, so a row of the positive class may have a probability below 0.5. Both are written.

A ranking model reads LETOR files, or a table with its query column; no labels are needed. It writes qid, docid, score and
rank: queries in the order of the input, the documents of each by rank (from 1; equal scores in the order of the input).
`--format trec` (.run, .trec) is the run format of TREC: `qid Q0 docid rank score run_id`.

--log appends to data/predictions/MODEL/VERSION/YYYY-MM.ndjson: id, time, score, class, and numbers of the row (length of
the text, length of the vector and its cosine to the training centroid, numeric features); never the text itself. Ids are
logged as they are: where they are personal, so is the log. `mlops gc --predictions-older-than 400d` removes old months.";

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model: its version in production, `reviews/3`, `runs:/ID`, a folder
    model: String,
    /// A file of rows, or `-` for stdin (NDJSON, a JSON array, CSV, or LETOR)
    #[arg(long, short, value_name = "FILE")]
    input: String,
    /// The query, when the input is a database
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// A file to write (.csv, .ndjson, .parquet; .run for rankings), or `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The form of what is written [default: by the output's name, else as the input]
    #[arg(long, value_name = "FORM", value_parser = ["csv", "ndjson", "parquet", "trec"])]
    format: Option<String>,
    /// Append the predictions to the version's log, which `drift-check --from-log` reads
    #[arg(long)]
    log: bool,
    /// Leave no run in the tracking database
    #[arg(long)]
    no_record: bool,
    /// How text files are read
    #[command(flatten)]
    reading: ReadingArgs,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let rows = if args.input == "-" { Some(Memory::read("stdin", std::io::stdin().lock())?) } else { None };
    // A relative input is relative to where the user stands, not to the project's root.
    let input = if rows.is_some() { args.input.clone() } else { super::door::from_here(&args.input) };
    if rows.is_none() {
        refuse_overwriting(&input, &args.output)?;
    }
    let form = form(args, &rows.as_ref().map_or_else(|| input.clone(), |rows| format!("stdin.{}", rows.format())))?;
    let (model, query, record) = (args.model.clone(), args.query.clone(), !args.no_record);
    let task = (form == "trec").then_some(Task::Ranking);
    let reading = args.reading.reading()?;
    let request = Request { model, input, rows, query, reading, record, log: args.log, task };
    let records = if args.no_record { Records::Nothing } else { Records::Runs };
    let answer = door.work_with(&args.model, records, |session| predict(session, &request))?;
    match &answer {
        Answer::Classes(outcome) => classes(door, args, outcome, form),
        Answer::Ranking(outcome) => ranking(door, args, outcome, form),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a text where it is wanted.
fn put(args: &Args, text: &str) -> Result<()> {
    if args.output.as_os_str() == "-" {
        print(text);
        return Ok(());
    }
    write_atomic(&args.output, text.as_bytes())
}

fn ranking(door: &Door, args: &Args, outcome: &predict_ranking::Outcome, form: &str) -> Result<()> {
    let stdout = args.output.as_os_str() == "-";
    if door.global.json && stdout {
        return door.answer("predict", outcome, Document::default);
    }
    match form {
        "parquet" => ranking_files::parquet(&args.output, outcome)?,
        _ => put(args, &ranking_files::text(outcome, form)?)?,
    }
    if stdout || (door.global.quiet && !door.global.json) {
        return Ok(());
    }
    let (documents, queries) = (outcome.rows.len(), outcome.queries);
    let document = serde_json::json!({
        "model": outcome.model, "version": outcome.version, "task": outcome.task, "rows": documents, "queries": queries,
        "output": args.output, "form": form,
    });
    door.answer("predict", &document, || answers::predict::ranking(outcome, &args.output))
}

fn classes(door: &Door, args: &Args, outcome: &Outcome, form: &str) -> Result<()> {
    if let Some(failure) = outcome.logged.as_ref().and_then(|logged| logged.failure.as_deref()) {
        // Told even with --quiet: the predictions are there, and a later drift check would miss them.
        error::warning(&format!("the predictions are not all in the log: {failure}"));
    }
    let stdout = args.output.as_os_str() == "-";
    if door.global.json && stdout {
        return door.answer("predict", outcome, Document::default);
    }
    match form {
        "parquet" => class_files::parquet(&args.output, outcome)?,
        _ => put(args, &class_files::text(outcome, form)?)?,
    }
    if outcome.without_input > 0 && !door.global.quiet {
        let rows = plural(outcome.without_input, "row");
        error::warning(&format!("{rows} without a prediction: {}", outcome.input_missing));
    }
    if stdout || (door.global.quiet && !door.global.json) {
        return Ok(());
    }
    let rows = outcome.rows.len();
    let mut document = serde_json::json!({
        "model": outcome.model, "version": outcome.version, "rows": rows, "output": args.output,
        "without_input": outcome.without_input, "calibrated": outcome.calibrated,
    });
    if let Some(logged) = &outcome.logged {
        document["logged"] = serde_json::json!(logged);
    }
    door.answer("predict", &document, || answers::predict::classes(outcome, &args.output))
}

fn form(args: &Args, input: &str) -> Result<&'static str> {
    let of = |name: &str| match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("csv" | "tsv") => Some("csv"),
        Some("ndjson" | "jsonl") => Some("ndjson"),
        Some("parquet") => Some("parquet"),
        Some("run" | "trec") => Some("trec"),
        _ => None,
    };
    let letor = ["letor", "txt", "svm", "svmlight"].iter().any(|end| input.ends_with(&format!(".{end}")));
    let form = match args.format.as_deref() {
        Some("csv") => "csv",
        Some("parquet") => "parquet",
        Some("trec") => "trec",
        Some(_) => "ndjson",
        None if args.output.as_os_str() != "-" => of(&args.output.to_string_lossy()).ok_or_else(|| {
            Error::invalid(format!("cannot tell the form of `{}` from its name", args.output.display()))
                .hint("name it .csv, .ndjson or .parquet (.run for a ranking), or add `--format`")
        })?,
        None => match of(input) {
            Some("csv" | "parquet") => "csv",
            None if letor => "csv",
            _ => "ndjson",
        },
    };
    if form == "parquet" && args.output.as_os_str() == "-" {
        return Err(Error::invalid("Parquet is not written to stdout").hint("--output answers.parquet"));
    }
    Ok(form)
}
