//! The ledger: who decided what about a model, with the evidence when asked; and a model as it was at a moment of the past.

use super::evidence::facts_of;
use super::format::time;
use crate::report::document::{Align, Block, Document, Line, Table, cells, dim, emphasis};
use crate::tracking::{LedgerEntry, Stage};
use crate::workflows::models::{Then, readable};

/// The ledger as a table; below each line what the decision rested on, when that is asked for.
#[must_use]
pub fn history(entries: &[LedgerEntry], with_evidence: bool) -> Document {
    let mut document = Document::new("History");
    if entries.is_empty() {
        document.note("nothing yet");
        return document;
    }
    let mut table = decisions(entries);
    if with_evidence {
        table.below = entries.iter().map(facts_of).enumerate().filter(|(_, facts)| !facts.is_empty()).collect();
    }
    document.table(table);
    document
}

/// A line a decision.
#[must_use]
pub fn decisions(entries: &[LedgerEntry]) -> Table {
    let columns = [
        ("when (UTC)", Align::Left),
        ("version", Align::Left),
        ("what", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("who", Align::Left),
        ("why", Align::Cut),
    ];
    let stage = |stage: Option<Stage>| stage.map_or("–", Stage::as_str);
    let row = |entry: &LedgerEntry| {
        let (at, version) = (time(entry.at_ms), entry.version.to_string());
        cells![at, version, action(entry), stage(entry.from), stage(entry.to), &entry.actor, &entry.reason]
    };
    Table::of(&columns).with(entries.iter().map(row))
}

/// The action in a word or two: `alias_set champion`, `promoted (forced)`.
fn action(entry: &LedgerEntry) -> String {
    match entry.alias() {
        Some(alias) => format!("{} {alias}", entry.action),
        None if entry.forced => format!("{} (forced)", entry.action),
        None => entry.action.clone(),
    }
}

/// One model as it was: what stood where, who had decided it, why, and for what was in use on what evidence.
#[must_use]
pub fn then(then: &Then, verbose: bool) -> Document {
    let versions = &then.state.versions;
    let title = format!("{} at {}", then.model, readable(then.at_ms));
    let mut document = Document::new(title);
    document.text(emphasis(&then.model) + format!(" at {}", readable(then.at_ms)));
    document.gap();
    if versions.is_empty() {
        document.text("no version: all that there had been were gone");
    } else {
        document.table(standing(then));
    }
    document.gap();
    let production = then.state.production.map_or_else(|| "nothing".to_owned(), |one| one.to_string());
    document.fact("in production", production);
    if let Some(version) = then.state.previous {
        let remark = dim("(where a rollback would have gone)");
        document.fact("previous", Line::from(format!("{version} ")) + remark);
    }
    for alias in &then.state.aliases {
        let (at, by) = (time(alias.decision.at_ms), &alias.decision.actor);
        document.fact("alias", format!("@{} {}, since {at} by {by}", alias.alias, alias.version));
    }
    for pin in versions.iter().filter_map(|one| one.pinned.as_ref()) {
        let why = if pin.reason.is_empty() { String::new() } else { format!(": {}", pin.reason) };
        document.fact("pinned", format!("{}, since {} by {}{why}", pin.version, time(pin.at_ms), pin.actor));
    }
    for one in versions.iter().filter(|one| verbose || matches!(one.stage, Stage::Production | Stage::Staging)) {
        let facts = facts_of(&one.decision);
        if !facts.is_empty() {
            document.gap();
            document.text(format!("{} came to {} on this evidence", one.version, one.stage.as_str()));
            document.push(Block::Facts(facts));
        }
    }
    document
}

/// The versions with the stage that they had then, and the decision that had led to it.
fn standing(then: &Then) -> Table {
    let columns = [
        ("version", Align::Left),
        ("stage then", Align::Left),
        ("since (UTC)", Align::Left),
        ("by", Align::Left),
        ("how", Align::Left),
        ("today", Align::Left),
        ("why", Align::Cut),
    ];
    let rows = then.state.versions.iter().map(|one| {
        let decision = &one.decision;
        cells![
            decision.version.to_string(),
            one.stage.as_str(),
            time(decision.at_ms),
            &decision.actor,
            action(decision),
            then.today.get(&decision.version).cloned().unwrap_or_default(),
            &decision.reason,
        ]
    });
    Table::of(&columns).with(rows)
}
