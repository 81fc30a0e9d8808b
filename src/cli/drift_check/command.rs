//! The arguments of `mlops drift-check`.

use std::process::ExitCode;

use super::{reset, summary};
use crate::cli::door::Door;
use crate::error::Result;

/// Arguments of `drift-check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

/// What to do about drift.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What has drifted in the last days, and whether to retrain
    Summary(summary::Args),
    /// Let the drift so far no longer count, as after a retrain
    Reset(reset::Args),
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Summary(args) => summary::run(door, args),
        Command::Reset(args) => reset::run(door, args),
    }
}
