//! The arguments of `mlops models`.

use std::process::ExitCode;

use super::{change, history, show};
use crate::cli::door::{Door, Records};
use crate::cli::ui::moment::moment;
use crate::error::Result;
use crate::workflows::versions;

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
        /// The model
        model: String,
        /// As it was then: 2026-07-03, 2026-07-03T10:00
        #[arg(long, value_name = "MOMENT")]
        at: Option<String>,
    },
    /// Who decided what about a model, and why
    History {
        /// The model
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
    let command = args.command.as_ref().unwrap_or(&Command::List);
    // A moment that is none is told before the project is opened.
    let at_ms = match command {
        Command::Show { at: Some(at), .. } => Some(moment(at)?),
        _ => None,
    };
    door.work(Records::Nothing, |session| {
        let project = session.project;
        match command {
            Command::List => {
                let models = versions::list(session)?;
                door.answer("models list", &models, || show::list(&models))
            }
            Command::Show { model, .. } => {
                if let Some(at_ms) = at_ms {
                    let then = versions::at(project, model, at_ms)?;
                    return door.answer("models show", &then, || show::then(&then, door.global.verbose));
                }
                let shown = versions::show(project, model)?;
                door.answer("models show", &shown, || show::model(&shown))
            }
            Command::History { model, evidence } => {
                let entries = project.reader()?.history(model)?;
                let told = *evidence || door.global.verbose;
                door.answer("models history", &entries, || history::draw(&entries, told))
            }
            Command::Alias { version, alias, remove } => change::alias(door, project, version, alias, *remove),
            Command::Pin { version, reason, remove } => change::pin(door, project, version, reason, *remove),
            Command::Archive { version, reason } => change::archive(door, session, version, reason),
            Command::Delete { version } => change::delete(door, session, version),
            Command::Verify { version } => change::verify(door, project, version),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
