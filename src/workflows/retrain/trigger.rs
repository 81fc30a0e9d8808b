//! Whether there is anything to do: the period alone, drift, or so many new rows; and always while nothing is in
//! production.

use serde::{Deserialize, Serialize};

use crate::config::{RetrainConfig, Trigger};
use crate::error::Result;
use crate::names::ModelName;
use crate::project::Project;

/// Why a retrain begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggered {
    /// In words, one for each trigger that fired.
    pub reasons: Vec<String>,
}

/// What the triggers say before rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It begins.
    Begin(Triggered),
    /// It begins when this many rows are new, which the extraction will tell.
    IfNewRows(u64, Vec<String>),
    /// Nothing to do, and why.
    Nothing(Vec<String>),
}

/// Asks the triggers; any one that fires is enough.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn ask(project: &Project, config: &RetrainConfig, model: &ModelName, forced: bool) -> Result<Answer> {
    let (mut reasons, mut silent, mut rows) = (Vec::new(), Vec::new(), None);
    if forced {
        reasons.push("forced".to_owned());
    }
    if project.production_version(model)?.is_none() {
        reasons.push("nothing is in production yet".to_owned());
    }
    for trigger in &config.when {
        match trigger {
            Trigger::Always => reasons.push(format!("a new {}", config.period.name())),
            Trigger::NewRows(least) => rows = Some(rows.map_or(*least, |known: u64| known.min(*least))),
            Trigger::Drift => {
                let advice = super::super::drift_events::advice(project, model)?;
                if advice.should_retrain {
                    reasons.extend(advice.reasons);
                } else {
                    silent.push(format!("no drift to retrain for: {}", advice.reasons.join("; ")));
                }
            }
        }
    }
    Ok(match (reasons.is_empty(), rows) {
        (false, _) => Answer::Begin(Triggered { reasons }),
        (true, Some(least)) => Answer::IfNewRows(least, silent),
        (true, None) => Answer::Nothing(silent),
    })
}
