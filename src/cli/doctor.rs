//! `mlops doctor`.

use std::process::ExitCode;

use super::door::{Door, Records};
use crate::answers;
use crate::error::Result;
use crate::workflows::doctor::{State, doctor};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Heal what a crash can leave behind
    #[arg(long)]
    fix: bool,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let findings = door.work(Records::Nothing, |session| doctor(session, args.fix))?;
    door.show("doctor", &findings, || answers::project::health(&findings))?;
    let sick = findings.iter().any(|finding| matches!(finding.state, State::Fixable | State::Broken));
    Ok(if sick { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
