//! `mlops experiments`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::key_value::pairs;
use super::ui::style::{bold, dim};
use super::ui::{Align, format, table};
use crate::error::Result;
use crate::names::ExperimentName;
use crate::tracking::{Experiment, View};
use crate::workflows::Session;
use crate::workflows::experiments::{self, ExperimentDetails, NewExperiment};

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
            door.answer("experiments list", &found, || list(&found))?;
        }
        Command::Show { experiment } => {
            let details = work(door, |session| experiments::show(session, experiment))?;
            door.answer("experiments show", &details, || show(&details))?;
        }
        Command::Impact(args) => return super::impact::run(door, args),
        Command::Create { name, description, tags } => {
            let request = NewExperiment {
                name: ExperimentName::parse(name)?,
                description: description.clone(),
                tags: pairs(tags)?.into_iter().collect(),
            };
            let created = work(door, |session| experiments::create(session, &request))?;
            door.answer("experiments create", &created, || format!("made experiment {}\n", created.name))?;
        }
        Command::Delete { experiment } => {
            let deleted = work(door, |session| experiments::delete(session, experiment))?;
            door.answer("experiments delete", &deleted, || {
                let name = &deleted.name;
                format!("deleted experiment {name} and its runs; `mlops experiments restore {name}` brings them back\n")
            })?;
        }
        Command::Restore { experiment } => {
            let restored = work(door, |session| experiments::restore(session, experiment))?;
            door.answer("experiments restore", &restored, || format!("restored experiment {}\n", restored.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn work<T>(door: &Door, verb: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    door.work(Records::Nothing, verb)
}

fn list(experiments: &[Experiment]) -> String {
    if experiments.is_empty() {
        return "no experiments yet: `mlops train CONFIG` makes one\n".into();
    }
    let columns = [
        ("id", Align::Right),
        ("experiment", Align::Left),
        ("runs", Align::Right),
        ("state", Align::Left),
        ("updated (UTC)", Align::Left),
        ("description", Align::Cut),
    ];
    let rows: Vec<Vec<String>> = experiments
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.name.clone(),
                one.runs.to_string(),
                one.lifecycle.clone(),
                format::time(one.updated_ms),
                one.description.clone(),
            ]
        })
        .collect();
    table(&columns, &rows)
}

fn show(details: &ExperimentDetails) -> String {
    let ExperimentDetails { experiment, statistics } = details;
    let mut text = format!("{}  {}\n", bold(&experiment.name), dim(&experiment.description));
    let runs: Vec<String> =
        statistics.runs.iter().map(|(status, count)| format!("{count} {}", status.as_str().to_lowercase())).collect();
    text += &format!("runs      {}\n", if runs.is_empty() { "none".into() } else { runs.join(", ") });
    if let Some(durations) = &statistics.durations {
        let [mean, median, total] = [durations.mean_ms, durations.median_ms, durations.total_ms as f64];
        text += &format!(
            "duration  mean {}, median {}, total {}\n",
            format::seconds(mean / 1000.0),
            format::seconds(median / 1000.0),
            format::seconds(total / 1000.0)
        );
    }
    let columns = [
        ("metric", Align::Left),
        ("runs", Align::Right),
        ("min", Align::Right),
        ("mean", Align::Right),
        ("max", Align::Right),
        ("sd", Align::Right),
    ];
    let rows: Vec<Vec<String>> = statistics
        .metrics
        .iter()
        .map(|(name, one)| {
            let numbers = [one.min, one.mean, one.max, one.sd].map(format::optional);
            [vec![name.clone(), one.count.to_string()], numbers.to_vec()].concat()
        })
        .collect();
    if rows.is_empty() { text } else { text + "\n" + &table(&columns, &rows) }
}
