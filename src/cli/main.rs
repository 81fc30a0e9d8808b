//! From the arguments to the exit code.

use std::process::ExitCode;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, Parser};

use super::command::{Cli, Command};
use super::door::Door;
use super::ui::{error, style};
use crate::error::{Error, Result};
use crate::host::Host;

/// Parses the arguments, runs the command, prints what it says, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(problem) => return usage(&problem),
    };
    style::choose(cli.global.color);
    let json = cli.global.json;
    // A panic is a bug of ours: it is told like any failure, with exit code 1, after the runtime has printed where.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(cli))).unwrap_or_else(|_| {
        Err(Error::failed("this is a bug in mlops: it panicked").hint("please report the command and the lines above"))
    });
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            error::print(&problem, json);
            ExitCode::from(problem.kind.exit_code())
        }
    }
}

/// What clap says: help goes to stdout with 0, mistakes to stderr with 2.
fn usage(problem: &clap::Error) -> ExitCode {
    let asked = matches!(problem.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion);
    if !asked && std::env::args().any(|argument| argument == "--json") {
        let text = problem.to_string();
        let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
        let message = lines.collect::<Vec<_>>().join(" ");
        error::print(
            &Error::invalid(message.trim_start_matches("error: ")).hint("`mlops --help` shows the usage"),
            true,
        );
    } else {
        // A reader that has gone away is no reason to fail.
        let _ = problem.print();
    }
    ExitCode::from(if asked { 0 } else { 2 })
}

fn run(cli: Cli) -> Result<ExitCode> {
    let host = Host::from_environment()?;
    if let Some(moment) = host.rehearsal().filter(|_| !cli.global.quiet) {
        error::note(&format!("the clock stands at {moment} (MLOPS_NOW): this is a rehearsal"));
    }
    let door = Door::new(cli.global, cli.command.embedding(), host);
    match cli.command {
        Command::Init(args) => super::init::run(&door, &args),
        Command::Embed(args) => super::embed::run(&door, &args),
        Command::Train(args) => super::train::run(&door, &args),
        Command::Evaluate(args) => super::evaluate::run(&door, &args),
        Command::Compare(args) => super::compare::run(&door, &args),
        Command::Promote(args) => super::promote::run(&door, &args),
        Command::Rollback(args) => super::rollback::run(&door, &args),
        Command::Retrain(args) => super::retrain::run(&door, &args),
        Command::Predict(args) => super::predict::run(&door, &args),
        Command::Recommend(args) => super::recommend::run(&door, &args),
        Command::DriftCheck(args) => super::drift_check::run(&door, &args),
        Command::Report(args) => super::report::run(&door, &args),
        Command::Export(args) => super::export::run(&door, &args),
        Command::Runs(command) => super::runs::run(&door, &command),
        Command::Experiments(command) => super::experiments::run(&door, &command),
        Command::Models(args) => super::models::run(&door, &args),
        Command::Doctor(args) => super::doctor::run(&door, &args),
        Command::Gc(args) => super::gc::run(&door, &args),
        Command::Notify(args) => super::notify::run(&door, &args),
        Command::Schedule(command) => super::schedule::run(&door, &command),
        Command::Schema(args) => super::schema::run(&door, &args),
        Command::Completions(args) => Ok(super::completions::run(&args, Cli::command())),
        Command::Man(args) => super::completions::man(&args, Cli::command()),
    }
}
