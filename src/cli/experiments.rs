//! `mlops experiments`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::key_value::pairs;
use crate::answers;
use crate::error::Result;
use crate::names::ExperimentName;
use crate::tracking::View;
use crate::workflows::Session;
use crate::workflows::experiments::{self, NewExperiment};

/// What to do with experiments.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All experiments
    List {
        /// The deleted ones
        #[arg(long, conflicts_with = "all")]
        deleted: bool,
        /// The deleted ones too
        #[arg(long)]
        all: bool,
    },
    /// One experiment, with statistics over its runs
    Show {
        /// Name or id
        experiment: String,
    },
    /// What the parameters of its runs did to a metric: statistics, correlation, importance
    Impact(super::impact::Args),
    /// Make an experiment
    Create {
        /// The name
        name: String,
        /// One line about it
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
        /// Tags
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
    },
    /// Delete an experiment and its runs; `restore` brings them back
    Delete {
        /// Name or id
        experiment: String,
    },
    /// Bring a deleted experiment back
    Restore {
        /// Name or id
        experiment: String,
    },
}

/// Which rows a list shows.
pub fn view(deleted: bool, all: bool) -> View {
    match (deleted, all) {
        (true, _) => View::Deleted,
        (_, true) => View::All,
        _ => View::Active,
    }
}

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    match command {
        Command::List { deleted, all } => {
            let view = view(*deleted, *all);
            let found = work(door, |session| experiments::list(session, view))?;
            door.show("experiments list", &found, || answers::experiments::list(&found))?;
        }
        Command::Show { experiment } => {
            let details = work(door, |session| experiments::show(session, experiment))?;
            door.show("experiments show", &details, || answers::experiments::details(&details))?;
        }
        Command::Impact(args) => return super::impact::run(door, args),
        Command::Create { name, description, tags } => {
            let request = NewExperiment {
                name: ExperimentName::parse(name)?,
                description: description.clone(),
                tags: pairs(tags)?.into_iter().collect(),
            };
            let created = work(door, |session| experiments::create(session, &request))?;
            door.show("experiments create", &created, || answers::experiments::created(&created))?;
        }
        Command::Delete { experiment } => {
            let deleted = work(door, |session| experiments::delete(session, experiment))?;
            door.show("experiments delete", &deleted, || answers::experiments::deleted(&deleted))?;
        }
        Command::Restore { experiment } => {
            let restored = work(door, |session| experiments::restore(session, experiment))?;
            door.show("experiments restore", &restored, || answers::experiments::restored(&restored))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn work<T>(door: &Door, verb: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    door.work(Records::Nothing, verb)
}
