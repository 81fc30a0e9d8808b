//! `mlops experiments impact`.

use std::process::ExitCode;

use super::door::{Door, Records};
use crate::answers;
use crate::error::Result;
use crate::workflows::impact::{QUANTILE, Request, impact};

const EXAMPLES: &str = "\
Examples:
  mlops experiments impact reviews_lr                     by the primary metric
  mlops experiments impact reviews_lr --metric log_loss   lower is better: the metric knows
  mlops experiments impact reviews_lr --top 3 --json      the three that matter most";

/// Arguments of `experiments impact`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name or id
    experiment: String,
    /// The metric [default: the primary one of the newest run]
    #[arg(long)]
    metric: Option<String>,
    /// Only the first K parameters
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top: usize,
    /// The part of the runs that counts as the best in the importance
    #[arg(long, value_name = "PART", default_value_t = QUANTILE)]
    best_part: f64,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        experiment: args.experiment.clone(),
        metric: args.metric.clone(),
        top: args.top,
        quantile: args.best_part,
    };
    let outcome = door.work(Records::Nothing, |session| impact(session, &request))?;
    door.show("experiments impact", &outcome, || answers::impact::document(&outcome))?;
    Ok(ExitCode::SUCCESS)
}
