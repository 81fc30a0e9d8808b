//! `mlops drift-check`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::what::{Events, What};
use crate::answers;
use crate::cli::door::Door;
use crate::config::load_notify;
use crate::error::Result;
use crate::workflows::drift_check::Tell;

pub const EXAMPLES: &str = "\
Examples:
  mlops drift-check reviews --current data/june.csv --time created_at
  mlops drift-check reviews --from-log --false-alarms 1/month --checks 1/day --fail-on significant
  mlops drift-check --reference may.csv --current june.csv --columns price,stars
  mlops drift-check explain reviews --current data/june.csv --column price

A column drifts when its value is significant (Holm over all columns at --alpha) and above the effect floor; `rule: bands`
takes KL > 0.3 literally. With --false-alarms A --checks C, α = A per month / C per month. Severity is by the bands of KL:
slight 0.3, significant 0.5, severe 1.0, and by the same effects for other statistics. Drift becomes an event; a check that
is repeated over the same rows adds none.
Exit code with --fail-on: 3 when it is as bad as that; `significant` is what the test says, or the band by `rule: bands`.
Exit code 5: there are fewer than 20 rows, too few to decide.";

/// Arguments of a check.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub what: What,
    /// Exit with 3 at this or worse: any drift, drift that a test finds significant, or a severity
    #[arg(long, value_name = "BAR", value_parser = ["drift", "slight", "significant", "severe"])]
    fail_on: Option<String>,
    /// Leave no event and no run in the tracking database
    #[arg(long)]
    no_event: bool,
    /// Write metrics for Prometheus' `node_exporter` into this folder
    #[arg(long, value_name = "DIR")]
    textfile_dir: Option<PathBuf>,
    /// Tell the channels of this file when something new drifts; `mlops notify FILE` tries them
    #[arg(long, value_name = "FILE")]
    notify: Option<PathBuf>,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let events = if args.no_event { Events::No } else { Events::Recorded };
    let channels = args.notify.as_deref().map(load_notify).transpose()?.unwrap_or_default();
    let to = Tell { textfile_dir: args.textfile_dir.clone(), channels };
    let outcome = args.what.check(door, events, &to)?;
    door.show("drift-check", &outcome, || answers::drift_check::document(&outcome))?;
    let failed = args.fail_on.as_deref().map(|bar| outcome.reaches(bar)).transpose()?.unwrap_or(false);
    Ok(match (failed, outcome.is_undecided()) {
        (true, _) => ExitCode::from(3),
        (false, true) => ExitCode::from(5),
        (false, false) => ExitCode::SUCCESS,
    })
}
