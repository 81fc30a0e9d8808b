//! `mlops models`.

use std::process::ExitCode;

use serde_json::json;

use super::door::{Door, Records};
use super::ui::style::{bold, dim};
use super::ui::{Align, format, table};
use crate::error::{Error, Result};
use crate::names::ModelName;
use crate::project::{Prefer, Project};
use crate::tracking::{LedgerEntry, ModelVersion, RegisteredModel, Stage, Transition};

/// What to do with models.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All registered models
    List,
    /// One model with its versions
    Show {
        /// The model
        model: String,
    },
    /// Who decided what about a model, and why
    History {
        /// The model
        model: String,
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
    /// Move a version to Archived
    Archive {
        /// The version: `reviews/3`
        version: String,
        /// Why, for the ledger
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Forget a version and remove its folder, for good
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

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    door.work(Records::Nothing, |session| {
        let project = session.project;
        match command {
            Command::List => {
                let models = project.reader()?.models()?;
                door.answer("models list", &models, || list(&models))
            }
            Command::Show { model } => show(door, project, model),
            Command::History { model } => {
                let entries = project.reader()?.history(model)?;
                door.answer("models history", &entries, || history(&entries))
            }
            Command::Alias { version, alias, remove } => name(door, project, version, alias, *remove),
            Command::Archive { version, reason } => archive(door, project, version, reason),
            Command::Delete { version } => delete(door, project, version),
            Command::Verify { version } => verify(door, project, version),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn list(models: &[RegisteredModel]) -> String {
    if models.is_empty() {
        return "no models yet: `mlops train CONFIG` makes one\n".into();
    }
    let columns = [
        ("model", Align::Left),
        ("versions", Align::Right),
        ("latest", Align::Left),
        ("staging", Align::Left),
        ("production", Align::Left),
        ("aliases", Align::Left),
    ];
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|model| {
            let one = |version: Option<crate::names::Version>| {
                version.map_or_else(|| "–".into(), |version| version.to_string())
            };
            let staging: Vec<String> = model.staging.iter().map(ToString::to_string).collect();
            let aliases: Vec<String> =
                model.aliases.iter().map(|(alias, version)| format!("@{alias} {version}")).collect();
            vec![
                model.name.clone(),
                model.versions.to_string(),
                one(model.latest),
                if staging.is_empty() { "–".into() } else { staging.join(", ") },
                one(model.production),
                aliases.join(", "),
            ]
        })
        .collect();
    table(&columns, &rows)
}

fn show(door: &Door, project: &Project, name: &str) -> Result<()> {
    let tracker = project.reader()?;
    let (model, versions) = (tracker.model(name)?, tracker.versions(name)?);
    door.answer("models show", &json!({"model": model, "versions": versions}), || {
        let metrics: Vec<&str> = ["f1", "accuracy", "roc_auc", "log_loss"]
            .into_iter()
            .filter(|name| versions.iter().any(|version| version.metrics.contains_key(*name)))
            .collect();
        let mut columns = vec![
            ("version", Align::Left),
            ("stage", Align::Left),
            ("aliases", Align::Left),
            ("run", Align::Left),
            ("made (UTC)", Align::Left),
        ];
        columns.extend(metrics.iter().map(|name| (*name, Align::Right)));
        columns.push(("description", Align::Cut));
        let row = |version: &ModelVersion| {
            let mut row = vec![
                version.version.to_string(),
                version.stage.as_str().to_owned(),
                version.aliases.join(", "),
                version.run_id.as_ref().map_or_else(String::new, |run| run.short().to_owned()),
                format::time(version.created_ms),
            ];
            row.extend(metrics.iter().map(|name| format::optional(version.metrics.get(*name).copied())));
            row.push(version.description.clone());
            row
        };
        format!("{}\n\n{}", bold(&model.name), table(&columns, &versions.iter().map(row).collect::<Vec<_>>()))
    })
}

fn history(entries: &[LedgerEntry]) -> String {
    let columns = [
        ("when (UTC)", Align::Left),
        ("version", Align::Left),
        ("what", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("who", Align::Left),
        ("why", Align::Cut),
    ];
    let stage = |stage: Option<Stage>| stage.map_or_else(|| "–".into(), |stage| stage.as_str().to_owned());
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                format::time(entry.at_ms),
                entry.version.to_string(),
                what(entry),
                stage(entry.from),
                stage(entry.to),
                entry.actor.clone(),
                entry.reason.clone(),
            ]
        })
        .collect();
    if rows.is_empty() { format!("{}\n", dim("nothing yet")) } else { table(&columns, &rows) }
}

/// Checks one version, or with a bare name all of the model's.
fn verify(door: &Door, project: &Project, named: &str) -> Result<()> {
    let selectors: Vec<String> = match crate::registry::Selector::parse(named)? {
        crate::registry::Selector::Name(model) => {
            let versions = project.reader()?.versions(model.as_str())?;
            versions.iter().map(|row| format!("{model}/{}", row.version.0)).collect()
        }
        _ => vec![named.to_owned()],
    };
    if selectors.is_empty() {
        return Err(Error::not_found(format!("model `{named}` has no versions")));
    }
    let found = selectors.iter().map(|one| project.locate(one, Prefer::Latest)).collect::<Result<Vec<_>>>()?;
    let document: Vec<_> = found
        .iter()
        .map(|one| json!({"model": one.model, "version": one.version, "folder": one.folder, "whole": true}))
        .collect();
    door.answer("models verify", &document, || {
        found.iter().map(|one| format!("{} {} is whole\n", one.model, one.version)).collect()
    })
}

fn what(entry: &LedgerEntry) -> String {
    match entry.evidence.get("alias").and_then(serde_json::Value::as_str) {
        Some(alias) => format!("{} {alias}", entry.action),
        None if entry.forced => format!("{} (forced)", entry.action),
        None => entry.action.clone(),
    }
}

fn name(door: &Door, project: &Project, version: &str, alias: &str, remove: bool) -> Result<()> {
    let located = project.locate(version, Prefer::Latest)?;
    let (tracker, actor) = (project.tracker()?, &project.surroundings.actor);
    let model = located.model.as_str();
    if remove {
        tracker.remove_alias(model, alias, actor, project.now_ms())?;
    } else {
        if ["latest", "production", "staging", "archived", "none"].contains(&alias.to_lowercase().as_str()) {
            return Err(
                Error::invalid(format!("`{alias}` cannot be an alias")).hint("it names a stage or the newest version")
            );
        }
        tracker.set_alias(model, alias, located.version, actor, project.now_ms())?;
    }
    let document = json!({"model": located.model, "version": located.version, "alias": alias, "removed": remove});
    door.answer("models alias", &document, || {
        if remove { format!("{model}@{alias} is gone\n") } else { format!("{model}@{alias} is {}\n", located.version) }
    })
}

fn archive(door: &Door, project: &Project, version: &str, reason: &str) -> Result<()> {
    let located = project.locate(version, Prefer::Latest)?;
    let _lock = project.lock(&located.model, "archiving")?;
    let current = project.production_version(&located.model)?;
    if current == Some(located.version) {
        door.confirm(&format!(
            "{} {} is in production; archive it and leave nothing there?",
            located.model, located.version
        ))?;
    }
    project.tracker()?.transition(&Transition {
        model: located.model.as_str(),
        version: located.version,
        to: Stage::Archived,
        expected_production: Some(current),
        action: "archived",
        actor: &project.surroundings.actor,
        forced: false,
        reason: if reason.is_empty() { "archived by hand" } else { reason },
        evidence: &json!({}),
        now_ms: project.now_ms(),
    })?;
    project.mirror(&located.model)?;
    let document = json!({"model": located.model, "version": located.version, "stage": "Archived"});
    door.answer("models archive", &document, || format!("{} {} is archived\n", located.model, located.version))
}

fn delete(door: &Door, project: &Project, version: &str) -> Result<()> {
    let crate::registry::Selector::Version(model, version) = crate::registry::Selector::parse(version)? else {
        return Err(Error::invalid(format!("`{version}` names no version")).hint("mlops models delete reviews/3"));
    };
    let model: ModelName = model;
    let tracker = project.tracker()?;
    tracker.version(model.as_str(), version)?;
    door.confirm(&format!("delete {model} {version} and its folder for good?"))?;
    let _lock = project.lock(&model, "deleting")?;
    tracker.delete_version(model.as_str(), version, &project.surroundings.actor, project.now_ms())?;
    for folder in [project.layout.checkpoint(&model, version), project.layout.validated(&model, version)] {
        // The rows are gone already; a folder that stays is found by `doctor`.
        let _ = std::fs::remove_dir_all(folder);
    }
    project.mirror(&model)?;
    door.answer("models delete", &json!({"model": model, "version": version}), || {
        format!("deleted {model} {version}\n")
    })
}
