//! `mlops rollback`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use crate::answers;
use crate::error::Result;
use crate::workflows::rollback::rollback;

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model
    #[arg(value_name = "NAME")]
    model: String,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let outcome = door.work(Records::Runs, |session| rollback(session, &args.model, &args.reason))?;
    door.show("rollback", &outcome, || answers::promote::rolled_back(&outcome))?;
    Ok(ExitCode::SUCCESS)
}
