//! The arguments of `mlops models`.

use std::process::ExitCode;

use super::change;
use crate::answers;
use crate::cli::door::{Door, Records};
use crate::cli::ui::moment::moment;
use crate::error::Result;
use crate::workflows::models::{self, AliasRequest, PinRequest};

const EXAMPLES: &str = "\
Examples:
  mlops models                                   all of them: stages, and what lies where on disk
  mlops models show reviews --at 2026-07-03      what was in production that day, who had decided it, and why
  mlops models history reviews --evidence        every decision with the gate that it passed or not
  mlops models pin reviews/3 --reason \"audit of July\"";

const AT: &str = "\
A date means the end of that day, a time the end of that second, in UTC unless the time says otherwise
(2026-07-03T10:00:00+09:00). The answer is read from the ledger, which keeps deleted and pruned versions too.

Examples:
  mlops models show reviews
  mlops models show reviews --at 2026-07-03
  mlops models show reviews --at 2026-07-03T10:00 --json";

/// Arguments of `models`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do; `list` when nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do with models.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All registered models, and where their versions lie
    List,
    /// One model with its versions, today or at a moment of the past
    #[command(after_help = AT)]
    Show {
        /// The model, or one version of it: `reviews`, `reviews/3`, `reviews@production`
        model: String,
        /// As it was then: 2026-07-03, 2026-07-03T10:00
        #[arg(long, value_name = "MOMENT")]
        at: Option<String>,
    },
    /// Who decided what about a model, and why
    History {
        /// The model, or one version of it: `reviews`, `reviews/3`
        model: String,
        /// Below each decision what it rested on: the gate, line by line (also with --verbose)
        #[arg(long)]
        evidence: bool,
    },
    /// Give a version a name: `mlops models alias reviews/3 champion`
    Alias {
        /// The version
        version: String,
        /// The name
        alias: String,
        /// Take the name away
        #[arg(long)]
        remove: bool,
    },
    /// Keep a version: neither `gc` nor `models delete` removes it
    Pin {
        /// The version: `reviews/3`
        version: String,
        /// Why, for the ledger
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        /// Take the pin away
        #[arg(long)]
        remove: bool,
    },
    /// Move a version to Archived
    Archive {
        /// The version: `reviews/3`
        version: String,
        /// Why, for the ledger
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Forget a version and remove its folders, for good
    Delete {
        /// The version: `reviews/3`
        version: String,
    },
    /// Check every file of a version against its manifest
    Verify {
        /// The version, or a model
        version: String,
    },
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    match args.command.as_ref().unwrap_or(&Command::List) {
        Command::List => {
            let listed = door.work(Records::Nothing, models::list)?;
            door.show("models list", &listed, || answers::models::list(&listed))
        }
        Command::Show { model, at: Some(at) } => {
            // A moment that is none is told before the project is opened.
            let at_ms = moment(at)?;
            let then = door.work(Records::Nothing, |session| models::at(session.project, model, at_ms))?;
            door.show("models show", &then, || answers::ledger::then(&then, door.global.verbose))
        }
        Command::Show { model, at: None } => {
            let shown = door.work(Records::Nothing, |session| models::show(session.project, model))?;
            door.show("models show", &shown, || answers::models::model(&shown))
        }
        Command::History { model, evidence } => {
            let entries = door.work(Records::Nothing, |session| models::history(session, model))?;
            door.show("models history", &entries, || {
                answers::ledger::history(&entries, *evidence || door.global.verbose)
            })
        }
        Command::Alias { version, alias, remove } => {
            let request = AliasRequest { selector: version.clone(), alias: alias.clone(), remove: *remove };
            change::alias(door, &request)
        }
        Command::Pin { version, reason, remove } => {
            let request = PinRequest { selector: version.clone(), reason: reason.clone(), remove: *remove };
            change::pin(door, &request)
        }
        Command::Archive { version, reason } => change::archive(door, version, reason),
        Command::Delete { version } => change::delete(door, version),
        Command::Verify { version } => change::verify(door, version),
    }?;
    Ok(ExitCode::SUCCESS)
}
