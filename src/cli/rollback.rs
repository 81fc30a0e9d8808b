//! `mlops rollback`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::format;
use super::ui::style::bold;
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
    door.answer("rollback", &outcome, || {
        format!(
            "{} is in production again, {} is archived\nactive    production/{}/active -> {}  ({} answered as in training)\n",
            bold(&format!("{} {}", outcome.model, outcome.version)),
            outcome.from,
            outcome.model,
            outcome.version,
            format::plural(outcome.golden_rows, "golden row"),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
