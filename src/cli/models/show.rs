//! `mlops models`, `mlops models show`: models and versions, their stages, and where they lie on disk.

use super::{evidence, history};
use crate::cli::ui::format::{plain, time};
use crate::cli::ui::style::{bold, dim};
use crate::cli::ui::{Align, table};
use crate::names::Version;
use crate::tracking::{LedgerEntry, Stage};
use crate::workflows::models::{Then, readable};

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
        let lines = evidence::lines(&one.decision.evidence, "  ");
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
