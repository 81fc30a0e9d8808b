//! `mlops models`, `mlops models show`: models and versions, their stages, and where they lie on disk.

use super::{evidence, history};
use crate::cli::ui::format::{self, plain, time};
use crate::cli::ui::style::{bad, bold, dim};
use crate::cli::ui::{Align, table};
use crate::names::Version;
use crate::tracking::{LedgerEntry, Stage};
use crate::workflows::models::{Listed, Place, Shown, ShownVersion, Then, readable};

/// All models, one line each.
pub fn list(models: &[Listed]) -> String {
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
        ("pinned", Align::Left),
        ("on disk", Align::Left),
    ];
    let row = |one: &Listed| {
        let aliases: Vec<String> =
            one.model.aliases.iter().map(|(alias, version)| format!("@{alias} {version}")).collect();
        vec![
            one.model.name.clone(),
            one.model.versions.to_string(),
            optional(one.model.latest),
            several(&one.model.staging),
            optional(one.model.production),
            if aliases.is_empty() { "–".into() } else { aliases.join(", ") },
            several(&one.model.pinned),
            on_disk(one),
        ]
    };
    let mut text = table(&columns, &models.iter().map(row).collect::<Vec<_>>());
    for one in models {
        text += &warning(&one.model.name, &one.disagreements);
    }
    text
}

/// The three folders of a model: `experiments 3, validated 1, production v3 (previous v2)`.
fn on_disk(one: &Listed) -> String {
    let folders = &one.on_disk;
    let mut parts = vec![format!("experiments {}", folders.experiments.len())];
    if !folders.validated.is_empty() {
        parts.push(format!("validated {}", folders.validated.len()));
    }
    match (folders.active, folders.previous) {
        (Some(active), Some(previous)) => parts.push(format!("production {active} (previous {previous})")),
        (Some(active), None) => parts.push(format!("production {active}")),
        (None, Some(previous)) => parts.push(format!("production nothing (previous {previous})")),
        (None, None) if !folders.production.is_empty() => parts.push("production without `active`".into()),
        (None, None) => {}
    }
    parts.join(", ")
}

/// One model with its versions.
pub fn model(shown: &Shown) -> String {
    let metrics: Vec<&str> = ["f1", "accuracy", "roc_auc", "log_loss", "ndcg@10", "ndcg@5", "map", "mrr"]
        .into_iter()
        .filter(|name| shown.versions.iter().any(|version| version.row.metrics.contains_key(*name)))
        .collect();
    let mut columns = vec![
        ("version", Align::Left),
        ("stage", Align::Left),
        ("on disk", Align::Left),
        ("aliases", Align::Left),
        ("pinned", Align::Left),
        ("run", Align::Left),
        ("made (UTC)", Align::Left),
    ];
    columns.extend(metrics.iter().map(|name| (*name, Align::Right)));
    columns.push(("description", Align::Cut));
    let row = |one: &ShownVersion| {
        let version = &one.row;
        let mut row = vec![
            version.version.to_string(),
            version.stage.as_str().to_owned(),
            places(shown, one),
            version.aliases.join(", "),
            version.pinned.as_ref().map_or_else(String::new, |pin| format!("by {}", plain(&pin.actor))),
            version.run_id.as_ref().map_or_else(String::new, |run| run.short().to_owned()),
            time(version.created_ms),
        ];
        row.extend(metrics.iter().map(|name| format::optional(version.metrics.get(*name).copied())));
        row.push(plain(&version.description));
        row
    };
    let mut rows: Vec<Vec<String>> = shown.versions.iter().map(row).collect();
    drop_empty(&mut columns, &mut rows, &["aliases", "pinned"]);
    let mut text = format!("{}\n\n{}", bold(&shown.model.name), table(&columns, &rows));
    for version in &shown.versions {
        if let Some(pin) = version.row.pinned.as_ref().filter(|pin| !pin.reason.is_empty()) {
            let (since, why) = (time(pin.at_ms), plain(&pin.reason));
            text += &format!("{} is pinned since {since}: {why}\n", version.row.version);
        }
    }
    text + &warning(&shown.model.name, &shown.disagreements)
}

/// Where a version lies: `experiments, production (active)`.
fn places(shown: &Shown, one: &ShownVersion) -> String {
    let mark = |place: Place| match place {
        Place::Production if shown.active == Some(one.row.version) => " (active)",
        Place::Production if shown.previous == Some(one.row.version) => " (previous)",
        _ => "",
    };
    let parts: Vec<String> = one.on_disk.iter().map(|place| format!("{}{}", place.as_str(), mark(*place))).collect();
    if parts.is_empty() { bad("nowhere") } else { parts.join(", ") }
}

/// Leaves out those of the named columns that have nothing to say.
fn drop_empty(columns: &mut Vec<(&str, Align)>, rows: &mut [Vec<String>], names: &[&str]) {
    for name in names {
        let Some(at) = columns.iter().position(|(column, _)| column == name) else { continue };
        if rows.iter().all(|row| row[at].is_empty()) {
            columns.remove(at);
            rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }
}

fn warning(name: &str, disagreements: &[String]) -> String {
    if disagreements.is_empty() {
        return String::new();
    }
    let lines: String = disagreements.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{name}: {} (`mlops doctor --fix` heals it)\n{lines}", bad("rows and folders disagree"))
}

/// One model as it was: what stood where, who had decided it, why, and for what was in use on what evidence.
pub fn then(then: &Then, verbose: bool) -> String {
    let columns = [
        ("version", Align::Left),
        ("stage then", Align::Left),
        ("since (UTC)", Align::Left),
        ("by", Align::Left),
        ("how", Align::Left),
        ("today", Align::Left),
        ("why", Align::Cut),
    ];
    let row = |decision: &LedgerEntry, stage: Stage| {
        vec![
            decision.version.to_string(),
            stage.as_str().to_owned(),
            time(decision.at_ms),
            plain(&decision.actor),
            history::what(decision),
            then.today.get(&decision.version).cloned().unwrap_or_default(),
            plain(&decision.reason),
        ]
    };
    let versions = &then.state.versions;
    let mut text = format!("{} at {}\n\n", bold(&then.model), readable(then.at_ms));
    if versions.is_empty() {
        text += "no version: all that there had been were gone\n";
    } else {
        text += &table(&columns, &versions.iter().map(|one| row(&one.decision, one.stage)).collect::<Vec<_>>());
    }
    text += &format!("\nin production  {}\n", then.state.production.map_or("nothing".into(), |one| one.to_string()));
    text += &previous(then.state.previous);
    for alias in &then.state.aliases {
        let (at, by) = (time(alias.decision.at_ms), plain(&alias.decision.actor));
        text += &format!("alias          @{} {}, since {at} by {by}\n", alias.alias, alias.version);
    }
    for pin in versions.iter().filter_map(|one| one.pinned.as_ref()) {
        let why = if pin.reason.is_empty() { String::new() } else { format!(": {}", plain(&pin.reason)) };
        text += &format!("pinned         {}, since {} by {}{why}\n", pin.version, time(pin.at_ms), plain(&pin.actor));
    }
    for one in versions.iter().filter(|one| verbose || matches!(one.stage, Stage::Production | Stage::Staging)) {
        let lines = evidence::lines(&one.decision, "  ");
        if !lines.is_empty() {
            text += &format!("\n{} came to {} on this evidence\n{lines}", one.version, one.stage.as_str());
        }
    }
    text
}

fn previous(version: Option<Version>) -> String {
    version.map_or_else(String::new, |version| {
        format!("previous       {version} {}\n", dim("(where a rollback would have gone)"))
    })
}

fn optional(version: Option<Version>) -> String {
    version.map_or_else(|| "–".into(), |version| version.to_string())
}

fn several(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "–".into();
    }
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
