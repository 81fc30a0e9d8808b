//! `mlops drift-check reset`.

use std::process::ExitCode;

use crate::answers;
use crate::cli::door::{Door, Records};
use crate::error::Result;
use crate::names::ModelName;
use crate::workflows::drift_events::reset;

const ABOUT: &str = "\
Events stay and can still be seen with `drift-check summary`; they only stop counting. For the days of cool-down after a
reset no retrain is advised. The reset stands in the ledger (`mlops models history MODEL`) with who did it and why.
`mlops retrain` resets by itself when it has put a new version into production.

Examples:
  mlops drift-check reset reviews --reason \"the source sent test data\"";

/// Arguments of `drift-check reset`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Args {
    /// The model
    model: String,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let model = ModelName::parse(&args.model)?;
    let done = door.work(Records::Runs, |session| reset(session, &model, &args.reason))?;
    door.show("drift-check reset", &done, || answers::drift_events::reset(&done))?;
    Ok(ExitCode::SUCCESS)
}
