//! `mlops models history`: the ledger, one line a decision, with its evidence when asked.

use super::evidence;
use crate::cli::ui::format::{plain, time};
use crate::cli::ui::style::dim;
use crate::cli::ui::{Align, table};
use crate::tracking::{LedgerEntry, Stage};

/// The ledger as a table; with `told`, below each line what the decision rested on.
pub fn draw(entries: &[LedgerEntry], told: bool) -> String {
    if entries.is_empty() {
        return format!("{}\n", dim("nothing yet"));
    }
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
    let row = |entry: &LedgerEntry| {
        vec![
            time(entry.at_ms),
            entry.version.to_string(),
            what(entry),
            stage(entry.from),
            stage(entry.to),
            plain(&entry.actor),
            plain(&entry.reason),
        ]
    };
    let drawn = table(&columns, &entries.iter().map(row).collect::<Vec<_>>());
    if !told {
        return drawn;
    }
    // The head, then a line an entry; what a narrow terminal leaves out is told behind them.
    let mut text = String::new();
    for (at, line) in drawn.lines().enumerate() {
        text += &format!("{line}\n");
        if let Some(entry) = at.checked_sub(1).and_then(|at| entries.get(at)) {
            text += &evidence::lines(entry, "    ");
        }
    }
    text
}

/// The action in a word or two: `alias_set champion`, `promoted (forced)`.
pub fn what(entry: &LedgerEntry) -> String {
    match entry.alias() {
        Some(alias) => format!("{} {}", plain(&entry.action), plain(alias)),
        None if entry.forced => format!("{} (forced)", plain(&entry.action)),
        None => plain(&entry.action),
    }
}
