//! `mlops doctor`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::ui::style::{bad, good};
use super::ui::{Align, table};
use crate::error::Result;
use crate::workflows::doctor::{Finding, State, doctor};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Heal what a crash can leave behind
    #[arg(long)]
    fix: bool,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let findings = door.work(Records::Nothing, |session| doctor(session, args.fix))?;
    door.answer("doctor", &findings, || draw(&findings))?;
    let sick = findings.iter().any(|finding| matches!(finding.state, State::Fixable | State::Broken));
    Ok(if sick { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn draw(findings: &[Finding]) -> String {
    let state = |state: State| match state {
        State::Ok => good("ok"),
        State::Fixed => good("fixed"),
        State::Fixable => bad("wrong"),
        State::Broken => bad("broken"),
    };
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| vec![state(finding.state), finding.what.clone(), finding.detail.clone()])
        .collect();
    let mut text = table(&[("state", Align::Left), ("what", Align::Left), ("detail", Align::Left)], &rows);
    if findings.iter().any(|finding| finding.state == State::Fixable) {
        text += "\n`mlops doctor --fix` heals what is wrong\n";
    }
    text
}
