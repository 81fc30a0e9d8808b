//! `mlops export`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records, shown};
use super::embedding_args::EmbeddingArgs;
use super::ui::style::{bold, dim};
use super::ui::{Align, error, format, table};
use crate::error::Result;
use crate::onnx::Port;
use crate::tasks::{Words, kind_of};
use crate::workflows::release::export::{Outcome, Request, Target, export};
use crate::workflows::release::latency::{Benchmark, Latency, REPETITIONS};

const EXAMPLES: &str = "\
Examples:
  mlops export reviews --format onnx
  mlops export reviews/3 --format onnx --output served/
  mlops export reviews@production --benchmark
  mlops export reviews --format onnx --benchmark --batch-sizes 1,100 --json";

const FILES: &str = "\
Writes model.onnx (numbers to probabilities, for rankings the features of documents to scores, the fitted
steps inside where ONNX can hold them),
preprocessor.json (how a text becomes those numbers, what the outputs mean), export.json (hashes,
inputs, outputs, parity) and, with --benchmark, latency.json. The file is first run by an
independent runtime on the golden rows: further than 1e-5 from the model (for rankings: of the largest
score), it is refused.";

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{FILES}\n\n{EXAMPLES}"))]
pub struct Args {
    /// A model: `reviews` (in production, else the newest), `reviews/3`, `reviews@staging`, a folder
    model: String,
    /// The form of the file [default: onnx]
    #[arg(long, value_name = "FORMAT", value_parser = ["onnx"])]
    format: Option<String>,
    /// The folder of the files [default: MODEL-vN-onnx, here]; files of an earlier export are replaced with --yes
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Measure how long an answer takes, ours and the file's; without --format and --output nothing is written
    #[arg(long)]
    benchmark: bool,
    /// How often each batch size is timed
    #[arg(long, value_name = "N", default_value_t = REPETITIONS as u32, requires = "benchmark")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    repetitions: u32,
    /// Rows at once [default: 1,8,32,100; documents of a query 1,10,100,1000; of wide rows only what does not take minutes]
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "benchmark")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_sizes: Vec<u32>,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let target = match &args.output {
        Some(folder) => Target::Folder(folder.clone()),
        None if args.benchmark && args.format.is_none() => Target::Nothing,
        None => Target::Named,
    };
    let benchmark = args.benchmark.then(|| Benchmark {
        repetitions: args.repetitions as usize,
        batch_sizes: args.batch_sizes.iter().map(|size| *size as usize).collect(),
        pipeline: true,
    });
    let request = Request { model: args.model.clone(), target, benchmark, replace: door.global.yes };
    let records = if request.target == Target::Nothing { Records::Nothing } else { Records::Runs };
    let outcome = door.work_with(&args.model, records, |session| export(session, &request))?;
    if !door.global.quiet && outcome.latency.as_ref().is_some_and(|latency| latency.repetitions < REPETITIONS) {
        error::note(&format!("p99 of fewer than {} repetitions says little", format::count(REPETITIONS)));
    }
    door.answer("export", &outcome, || describe(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(outcome: &Outcome) -> String {
    let exported = &outcome.exported;
    let port = |port: &Port| {
        let kind = serde_json::to_value(port.dtype).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
        format!("{} {kind} [{}]", port.name, port.shape.join(", "))
    };
    let ports = |ports: &[Port]| ports.iter().map(port).collect::<Vec<_>>().join(", ");
    let mut text = format!("{}  {}\n", bold(&format!("{} {}", outcome.model, outcome.version)), outcome.kind);
    if let Some(folder) = &outcome.folder {
        for (name, facts) in &exported.files {
            let path = shown(&folder.join(name));
            let facts = format!("{} bytes, sha256 {:.12}…", format::count(facts.size as usize), facts.sha256);
            text += &format!("wrote     {path}  {}\n", dim(&facts));
        }
    }
    text += &format!("input     {}\n", ports(&exported.inputs));
    text += &format!("outputs   {}\n", ports(&exported.outputs));
    if !outcome.labels.is_empty() {
        text += &format!("labels    {}\n", outcome.labels.join(", "));
    }
    let parity = &exported.parity;
    let rows = format::plural(parity.rows, "golden row");
    text += &format!(
        "parity    {:.1e} at most on {rows}, allowed {:.0e}  {}\n",
        parity.worst,
        parity.tolerance,
        dim(&format!("({})", parity.runtime))
    );
    if let Some(latency) = &outcome.latency {
        text += &format!("\n{}", timings(latency, kind_of(outcome.task).words()));
    }
    text
}

fn timings(latency: &Latency, words: &Words) -> String {
    let (what, batch) = (words.rows, words.batch);
    let subject = |subject: &str| match subject {
        "model" => "mlops, from the features on".to_owned(),
        "onnx" => format!("model.onnx with its steps, {}", latency.runtime),
        _ => words.pipeline.to_owned(),
    };
    let microseconds = |value: f64| format!("{value:.1}");
    let rows = latency.timings.iter().map(|timing| {
        let times = [timing.p50_us, timing.p95_us, timing.p99_us].map(microseconds);
        [&[subject(&timing.subject), timing.batch_size.to_string()][..], &times].concat()
    });
    let columns = [
        (batch, Align::Left),
        (what, Align::Right),
        ("p50", Align::Right),
        ("p95", Align::Right),
        ("p99", Align::Right),
    ];
    let machine = ["cores", "arch", "kernel"].map(|key| latency.machine.get(key).map_or("?", String::as_str));
    let [cores, arch, kernel] = machine;
    let about = format!(
        "{} repetitions each after {} to warm up; {} (the file: 1), {} inputs, {} features; {cores} cores, {arch}, Linux {kernel}",
        format::count(latency.repetitions),
        format::count(latency.warm_up),
        format::plural(latency.threads, "thread"),
        format::count(latency.n_inputs),
        format::count(latency.n_features),
    );
    format!("{}\n{}\n", table(&columns, &rows.collect::<Vec<_>>()).trim_end(), dim(&about))
}
