//! `mlops export`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::error;
use crate::answers;
use crate::answers::format::count;
use crate::error::Result;
use crate::workflows::release::export::{Request, Target, export};
use crate::workflows::release::latency::{Benchmark, REPETITIONS};

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
        error::note(&format!("p99 of fewer than {} repetitions says little", count(REPETITIONS)));
    }
    door.show("export", &outcome, || answers::export::document(&outcome))?;
    Ok(ExitCode::SUCCESS)
}
