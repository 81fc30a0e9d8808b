//! Models and their versions: stages, and where they lie on disk; what was done to a version.

use super::format::{bytes, optional, time};
use crate::names::Version;
use crate::report::document::{Align, Block, Document, Line, Table, bad, cells, emphasis};
use crate::workflows::models::{
    AliasChange, Archived, Deleted, Listed, PinChange, Place, Shown, ShownVersion, Verified,
};

/// All models, one line each.
#[must_use]
pub fn list(models: &[Listed]) -> Document {
    let mut document = Document::new("Models");
    if models.is_empty() {
        document.text("no models yet: `mlops train CONFIG` makes one");
        return document;
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
        let model = &one.model;
        let aliases: Vec<String> = model.aliases.iter().map(|(alias, version)| format!("@{alias} {version}")).collect();
        cells![
            &model.name,
            model.versions.to_string(),
            version_or_none(model.latest),
            versions(&model.staging),
            version_or_none(model.production),
            if aliases.is_empty() { "–".into() } else { aliases.join(", ") },
            versions(&model.pinned),
            on_disk(one),
        ]
    };
    document.table(Table::of(&columns).with(models.iter().map(row)));
    models.iter().for_each(|one| disagreements(&mut document, &one.model.name, &one.disagreements));
    document
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
#[must_use]
pub fn model(shown: &Shown) -> Document {
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
        let mut row = cells![
            version.version.to_string(),
            version.stage.as_str(),
            places(shown, one),
            version.aliases.join(", "),
            version.pinned.as_ref().map_or_else(String::new, |pin| format!("by {}", pin.actor)),
            version.run_id.as_ref().map_or("", |run| run.short()),
            time(version.created_ms),
        ];
        row.extend(metrics.iter().map(|name| Line::from(optional(version.metrics.get(*name).copied()))));
        row.push(Line::from(&version.description));
        row
    };
    let mut table = Table::of(&columns).with(shown.versions.iter().map(row));
    drop_empty(&mut table, &["aliases", "pinned"]);
    let mut document = Document::new(format!("Model {}", shown.model.name));
    document.text(emphasis(&shown.model.name));
    document.gap();
    document.table(table);
    for version in &shown.versions {
        if let Some(pin) = version.row.pinned.as_ref().filter(|pin| !pin.reason.is_empty()) {
            document.text(format!("{} is pinned since {}: {}", version.row.version, time(pin.at_ms), pin.reason));
        }
    }
    disagreements(&mut document, &shown.model.name, &shown.disagreements);
    document
}

/// Where a version lies: `experiments, production (active)`.
fn places(shown: &Shown, one: &ShownVersion) -> Line {
    let mark = |place: Place| match place {
        Place::Production if shown.active == Some(one.row.version) => " (active)",
        Place::Production if shown.previous == Some(one.row.version) => " (previous)",
        _ => "",
    };
    let parts: Vec<String> = one.on_disk.iter().map(|place| format!("{}{}", place.as_str(), mark(*place))).collect();
    if parts.is_empty() { bad("nowhere") } else { parts.join(", ").into() }
}

/// Leaves out those of the named columns that have nothing to say.
fn drop_empty(table: &mut Table, names: &[&str]) {
    for name in names {
        let Some(at) = table.columns.iter().position(|(column, _)| column == name) else { continue };
        if table.rows.iter().all(|row| row[at].is_empty()) {
            table.columns.remove(at);
            table.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }
}

fn disagreements(document: &mut Document, name: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    document.gap();
    document
        .text(Line::from(format!("{name}: ")) + bad("rows and folders disagree") + " (`mlops doctor --fix` heals it)");
    document.push(Block::List(lines.iter().map(Line::from).collect()));
}

fn version_or_none(version: Option<Version>) -> String {
    version.map_or_else(|| "–".into(), |version| version.to_string())
}

fn versions(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "–".into();
    }
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Versions whose files are as their manifests say.
#[must_use]
pub fn verified(verified: &[Verified]) -> Document {
    let mut document = Document::new("Files");
    verified.iter().for_each(|one| document.text(format!("{} {} is whole", one.model, one.version)));
    document
}

/// A version that was given a name, or lost it.
#[must_use]
pub fn aliased(change: &AliasChange) -> Document {
    let name = format!("{}@{}", change.model, change.alias);
    let line = if change.removed { format!("{name} is gone") } else { format!("{name} is {}", change.version) };
    Document::of_line("Alias", line)
}

/// A version that was archived.
#[must_use]
pub fn archived(archived: &Archived) -> Document {
    Document::of_line("Archive", format!("{} {} is archived", archived.model, archived.version))
}

/// A version that was deleted.
#[must_use]
pub fn deleted(deleted: &Deleted) -> Document {
    Document::of_line("Deletion", format!("deleted {} {}, {}", deleted.model, deleted.version, bytes(deleted.bytes)))
}

/// A version that was pinned, or is no longer.
#[must_use]
pub fn pinned(change: &PinChange) -> Document {
    let what =
        if change.removed { "is no longer pinned" } else { "is pinned: neither `gc` nor `models delete` removes it" };
    Document::of_line("Pin", format!("{} {} {what}", change.model, change.version))
}
