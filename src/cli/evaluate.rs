//! `mlops evaluate`.

use std::process::ExitCode;

use super::door::{Door, Records, from_here, shown};
use super::embedding_args::EmbeddingArgs;
use super::reading_args::ReadingArgs;
use super::ui::format;
use super::ui::style::{bold, dim};
use super::{evaluation, evaluation_ranking};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::metrics::ranking::Empty;
use crate::metrics::{Average, ClassDetail, Detail, QueryDetail};
use crate::workflows::evaluate::{Outcome, Request, evaluate};
use crate::workflows::gate::{Verdict, overall};

const EXAMPLES: &str = "\
Examples:
  mlops evaluate reviews                    the production version on its test rows
  mlops evaluate reviews/2 --data june.csv  all rows of another file
  mlops evaluate reviews --by city --by age how it does for each city and each range of ages
  mlops evaluate reviews --pos-label 0      precision, recall and f1 of class 0
  mlops evaluate mq2008 --data S2.txt       a ranking model on all queries of a LETOR file
  mlops evaluate mq2008 --letor-compat      the numbers of LETOR 4.0's own script, too
  mlops evaluate reviews --gate             exit 3 when the config's gate is not met";

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model: `reviews` (in production, else the newest), `reviews/3`, `reviews@production`, `runs:/ID`, a folder
    model: String,
    /// Other data than those of its config
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// The query, when the data are a database
    #[arg(long, value_name = "SQL", requires = "data")]
    query: Option<String>,
    /// The part to use [default: test; with --data all rows]
    #[arg(long, value_name = "PART", value_parser = ["train", "validation", "test"])]
    split: Option<String>,
    /// Keep the rows of --data that the model was trained on; by default they are left out
    #[arg(long, requires = "data")]
    include_known: bool,
    /// Metrics for each value of this column too; may be given several times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// How precision, recall and f1 of several classes become one number [default: binary for two classes, else macro]
    #[arg(long, value_name = "HOW", value_parser = Average::ALL.map(Average::name))]
    average: Option<String>,
    /// The class that counts as positive [default: the model's]
    #[arg(long, value_name = "LABEL")]
    pos_label: Option<String>,
    /// Rankings: what a query without a relevant document counts [default: the config's]
    #[arg(long, value_name = "WORD", value_parser = Empty::ALL.map(Empty::name))]
    empty: Option<String>,
    /// Rankings: also the numbers of LETOR 4.0's own script
    #[arg(long)]
    letor_compat: bool,
    /// Exit with 3 when the config's gate is not met
    #[arg(long, conflicts_with_all = ["average", "pos_label", "empty"])]
    gate: bool,
    /// How text files are read
    #[command(flatten)]
    reading: ReadingArgs,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        ids: None,
        include_known: args.include_known,
        tags: Vec::new(),
        model: args.model.clone(),
        data: args.data.as_deref().map(from_here),
        query: args.query.clone(),
        reading: args.reading.reading()?,
        part: args.split.as_deref().and_then(Part::parse),
        by: args.by.clone(),
        average: args.average.as_deref().and_then(Average::parse),
        pos_label: args.pos_label.clone(),
        empty: args.empty.as_deref().and_then(|word| Empty::ALL.into_iter().find(|empty| empty.name() == word)),
        letor_compat: args.letor_compat,
    };
    let outcome = door.work(Records::Runs, |session| evaluate(session, &request))?;
    door.answer("evaluate", &outcome, || summary(&outcome, args.gate))?;
    if args.gate && outcome.gate.is_empty() {
        return Err(Error::invalid("the model's config has no gate").hint(if outcome.metrics.queries().is_some() {
            "promotion: {require: [{metric: ndcg@10, min: 0.4}]}"
        } else {
            "promotion: {require: [{metric: f1, min: 0.55}]}"
        }));
    }
    Ok(match (args.gate, overall(&outcome.gate)) {
        (true, Verdict::Fail) => ExitCode::from(3),
        (true, Verdict::Inconclusive) => ExitCode::from(5),
        _ => ExitCode::SUCCESS,
    })
}

fn summary(outcome: &Outcome, gate: bool) -> String {
    let part = outcome.part.map(crate::data::Part::name);
    let (rows, what, input) = match &outcome.metrics.detail {
        Detail::Classes(_) => (format::plural(outcome.metrics.rows, "row"), "rows", "text or vector"),
        Detail::Queries(QueryDetail { facts, .. }) => {
            let queries = if facts.queries == 1 { "query" } else { "queries" };
            let documents = format::plural(outcome.metrics.rows, "document");
            (format!("{documents} of {} {queries}", format::count(facts.queries)), "queries", "feature")
        }
    };
    let part = part.map_or_else(|| format!("all {what}"), |part| format!("{part} {what}"));
    let mut text = format!(
        "{} on {rows} {}\n\n",
        bold(&format!("{} {}", outcome.model, outcome.version)),
        dim(&format!("({part} of {})", outcome.source)),
    );
    text += &match &outcome.metrics.detail {
        Detail::Classes(detail) => classes(outcome, detail),
        Detail::Queries(detail) => {
            let mut text = evaluation_ranking::metrics(&outcome.metrics, &detail.facts, &outcome.shown) + "\n";
            text += &evaluation_ranking::conventions(detail);
            let script = outcome.letor_script.as_ref().map(evaluation_ranking::letor);
            text + &script.map_or_else(String::new, |script| format!("\n{script}"))
        }
    };
    text.push('\n');
    for (count, what) in [(outcome.skipped_without_label, "label"), (outcome.skipped_without_input, input)] {
        if count > 0 {
            text += &format!("skipped   {} without a {what}\n", format::plural(count, "row"));
        }
    }
    if gate {
        let mut document = crate::report::Document::default();
        crate::answers::promote::gate(&mut document, &outcome.gate);
        text += &super::ui::terminal(&document);
        text += &dim("          bounds only; `mlops promote --dry-run` asks the whole gate\n");
    }
    text + &format!("run       {}  {}\n", outcome.run_id.short(), dim(&shown(&outcome.run_folder)))
}

/// The metrics of classes, and what they rest on.
fn classes(outcome: &Outcome, detail: &ClassDetail) -> String {
    let mut text = evaluation::metrics(&outcome.metrics, detail, &outcome.shown) + "\n";
    text += &evaluation::confusion(detail);
    text += &evaluation::taken(detail, outcome.threshold_chosen_for.as_deref());
    text += &evaluation::calibration(detail);
    text + &evaluation::subgroups(detail, &outcome.shown)
}
