//! `mlops compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records};
use super::report::save;
use crate::answers;
use crate::answers::report::{Form, files};
use crate::comparison::{TestKind, Verdict};
use crate::error::Result;
use crate::metrics::Direction;
use crate::workflows::compare::{Made, Request, Wish, compare};

const EXAMPLES: &str = "\
Examples:
  mlops compare reviews_lr reviews_forest           all runs of two experiments
  mlops compare reviews/1 reviews/2 --why           is v2 better than v1, and on which rows?
  mlops compare reviews_lr --baseline reviews@production --fail-on regression
  mlops compare reviews_lr --metric 'min train_loss' --columns 'min train_loss step,f1' --top 5

Two runs, or several and a --baseline, get a paired test on their stored predictions: the gain, its 95 % interval, p,
and better, worse or inconclusive. Several candidates share one error rate (Holm). Rankings are paired query by query
(sign flips), both by the baseline's conventions.
Exit codes with --fail-on regression: 0 better, 3 worse, 5 inconclusive.";

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Runs (ids or prefixes, `@latest`, `@best:f1`), experiments, or model versions
    #[arg(required = true, value_name = "RUN|EXPERIMENT|MODEL")]
    items: Vec<String>,
    /// What the runs are judged by: a metric, or `[first|last|min|max] METRIC [step]`
    /// [default: the first run's primary metric]
    #[arg(long)]
    metric: Option<String>,
    /// Say whether a higher or a lower value of the metric is better, where its name does not
    #[arg(long, value_name = "WHICH", value_parser = ["higher", "lower"])]
    order: Option<String>,
    /// Sort by this instead of the metric
    #[arg(long, value_name = "METRIC")]
    sort: Option<String>,
    /// Show these columns instead of the usual metrics; each as in --metric
    #[arg(long, value_name = "METRIC,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Hold the others against this one [default: the first of two]
    #[arg(long, value_name = "ITEM")]
    baseline: Option<String>,
    /// Show the best K only [default: all]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top: usize,
    #[arg(long, value_name = "TEST", value_parser = TestKind::parse, help = test_help())]
    test: Option<TestKind>,
    /// Draw the table alone
    #[arg(long, conflicts_with_all = ["test", "baseline", "why", "fail_on"])]
    no_test: bool,
    /// Replicates of the bootstrap, or permutations
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    replicates: u32,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Show the rows whose answer changed; of rankings, the queries and documents that moved most
    #[arg(long)]
    why: bool,
    /// Exit with 3 when a candidate is worse than the baseline, with 5 when that is not clear
    #[arg(long, value_name = "WHAT", value_parser = ["regression"])]
    fail_on: Option<String>,
    /// Write the comparison as a paper: `.md` (with its plots beside it) or `.html`
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Compare runs that were tested on different rows; a paired test then uses the rows that both have
    #[arg(long)]
    allow_different_data: bool,
}

fn test_help() -> String {
    let names: Vec<&str> = TestKind::ALL.map(TestKind::name).to_vec();
    format!("The paired test: {}", names.join(", "))
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let asked = args.baseline.is_some() || args.test.is_some() || args.why || args.fail_on.is_some();
    let made = match (args.no_test, asked) {
        (true, _) => Made::Never,
        (false, true) => Made::Always,
        (false, false) => Made::WherePossible,
    };
    let request = Request {
        items: args.items.clone(),
        metric: args.metric.clone(),
        sort: args.sort.clone(),
        order: args
            .order
            .as_deref()
            .map(|word| if word == "higher" { Direction::Maximize } else { Direction::Minimize }),
        columns: args.columns.clone(),
        baseline: args.baseline.clone(),
        top: args.top,
        allow_different_data: args.allow_different_data,
        test: Wish { test: args.test.unwrap_or_default(), made, seed: args.seed, replicates: args.replicates as usize },
        why: args.why,
    };
    let form = args.report.as_deref().map(Form::of).transpose()?;
    let outcome = door.work(Records::Runs, |session| compare(session, &request))?;
    if let Some((path, form)) = args.report.as_deref().zip(form) {
        save(door, &files(&answers::compare::paper(&outcome)?, path, form))?;
    }
    door.show("compare", &outcome, || answers::compare::document(&outcome))?;
    Ok(match (&args.fail_on, outcome.verdict) {
        (Some(_), Some(Verdict::Worse)) => ExitCode::from(3),
        (Some(_), Some(Verdict::Inconclusive)) => ExitCode::from(5),
        _ => ExitCode::SUCCESS,
    })
}
