//! The arguments of `mlops drift-check`: a check itself, or one of the words below it.

use std::process::ExitCode;

use super::{check, explain, reset, summary};
use crate::cli::door::Door;
use crate::error::Result;

/// Arguments of `drift-check`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = check::EXAMPLES)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    command: Option<Command>,
    /// A check
    #[command(flatten)]
    check: check::Args,
}

/// What to do about drift.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The bins that moved, with their shares and what they add
    Explain(Box<explain::Args>),
    /// What has drifted in the last days, and whether to retrain
    Summary(summary::Args),
    /// Let the drift so far no longer count, as after a retrain
    Reset(reset::Args),
}

impl Args {
    /// What embedders may use.
    pub fn embedding(&self) -> crate::cli::embedding_args::EmbeddingArgs {
        match &self.command {
            Some(Command::Explain(args)) => args.what.embedding.clone(),
            Some(_) => crate::cli::embedding_args::EmbeddingArgs::default(),
            None => self.check.what.embedding.clone(),
        }
    }
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    match &args.command {
        None => check::run(door, &args.check),
        Some(Command::Explain(args)) => explain::run(door, args),
        Some(Command::Summary(args)) => summary::run(door, args),
        Some(Command::Reset(args)) => reset::run(door, args),
    }
}
