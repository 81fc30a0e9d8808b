//! `mlops drift-check summary`.

use std::process::ExitCode;

use crate::answers;
use crate::cli::door::{Door, Records};
use crate::drift::retrain_rule::RetrainRule;
use crate::error::Result;
use crate::names::ModelName;
use crate::workflows::drift_events::{summaries, summary};

const ABOUT: &str = "\
A retrain is advised after --windows windows with drift in --within days, or after one severe event on a full window; not
in the --cool-down days after a reset. Several columns of one window count once, and so do windows that overlap. Times are
those of the data, UTC. What is of another version than the one in production, or from before the last reset, is shown and
does not count. --days is the span that is shown; the rule has days of its own.

Examples:
  mlops drift-check summary                    all models, the last 7 days
  mlops drift-check summary reviews --days 30
  mlops drift-check summary reviews --json | jq .should_retrain";

/// Arguments of `drift-check summary`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Args {
    /// The model [default: all]
    model: Option<String>,
    /// Show the events of so many days
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u32,
    /// The rule: so many windows with drift
    #[arg(long, value_name = "N", default_value_t = RetrainRule::default().min_windows, help_heading = "Rule")]
    windows: u32,
    /// The rule: in so many days
    #[arg(long, value_name = "DAYS", default_value_t = RetrainRule::default().days, help_heading = "Rule")]
    within: u32,
    /// The rule: but not in so many days after a reset
    #[arg(long, value_name = "DAYS", default_value_t = RetrainRule::default().cool_down_days, help_heading = "Rule")]
    cool_down: u32,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let rule = RetrainRule { min_windows: args.windows, days: args.within, cool_down_days: args.cool_down };
    rule.check()?;
    let model = args.model.as_deref().map(ModelName::parse).transpose()?;
    door.work(Records::Nothing, |session| {
        if let Some(model) = &model {
            let found = summary(session, model, args.days, &rule)?;
            return door.show("drift-check summary", &found, || answers::drift_events::summary(&found));
        }
        let all = summaries(session, args.days, &rule)?;
        door.show("drift-check summary", &all, || answers::drift_events::all(&all))
    })?;
    Ok(ExitCode::SUCCESS)
}
