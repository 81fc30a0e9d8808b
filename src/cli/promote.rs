//! `mlops promote`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use crate::answers;
use crate::config::load_policy;
use crate::error::Result;
use crate::tracking::Stage;
use crate::workflows::promote::{Request, promote};

const EXAMPLES: &str = "\
Examples:
  mlops promote reviews                     the newest version, through its gate
  mlops promote --best f1 reviews_lr reviews_forest
  mlops promote reviews/3 --force --reason \"hotfix agreed with Kim\"
  mlops promote reviews/3 --dry-run
  mlops promote reviews/3 --policy gate.yaml

Exit codes: 0 promoted, 3 refused, 5 refused because the answer is inconclusive.";

/// Arguments of `promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model (`reviews`, `reviews/3`, `reviews@staging`, `runs:/ID`); with --best several, or experiments
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Take the one with the best value of this metric on the test rows
    #[arg(long, value_name = "METRIC")]
    best: Option<String>,
    /// The gate of this file instead of the config's `promotion:`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The stage [default: `to` of the gate]
    #[arg(long, value_name = "STAGE", value_parser = ["staging", "production"], ignore_case = true)]
    to: Option<String>,
    /// Say what would happen, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Promote although the gate refuses; goes into the ledger with the reason
    #[arg(long)]
    force: bool,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Let --best compare candidates that were tested on different rows
    #[arg(long)]
    allow_different_data: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        candidates: args.models.clone(),
        best: args.best.clone(),
        to: args.to.as_deref().map(Stage::parse).transpose()?,
        dry_run: args.dry_run,
        force: args.force,
        reason: args.reason.clone(),
        allow_different_data: args.allow_different_data,
        policy: args.policy.as_deref().map(load_policy).transpose()?,
    };
    let records = if args.dry_run { Records::Nothing } else { Records::Runs };
    let outcome = door.work(records, |session| promote(session, &request))?;
    door.show("promote", &outcome, || answers::promote::document(&outcome))?;
    Ok(ExitCode::from(answers::promote::exit_code(&outcome)))
}
