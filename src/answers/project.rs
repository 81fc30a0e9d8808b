//! The project itself: what `init` wrote, what `doctor` found, what a clock needs, who was notified, what a config may name.

use super::format::{plural, shown};
use crate::config::NotifyEvent;
use crate::config::schema::Entry;
use crate::notify::Delivery;
use crate::report::document::{Align, Block, Document, Line, Table, bad, cells, dim, emphasis, good};
use crate::workflows::doctor::{Finding, State};
use crate::workflows::init;
use crate::workflows::schedule::Schedule;

/// A new project in this folder, as the user named it.
#[must_use]
pub fn new_project(outcome: &init::Outcome, folder: &std::path::Path) -> Document {
    let mut document = Document::new("New project");
    outcome.written.iter().for_each(|name| document.text(format!("wrote {name}")));
    outcome.kept.iter().for_each(|name| document.text(format!("kept  {name} (it was there already)")));
    let go = if folder.as_os_str() == "." { String::new() } else { format!("cd {} && ", shown(folder)) };
    document.gap();
    let command = format!("{go}mlops train experiments/reviews_lr/config.yaml --promote");
    document.text(Line::from("next: ") + emphasis(command));
    document
}

/// What was looked at, and what is wrong.
#[must_use]
pub fn health(findings: &[Finding]) -> Document {
    let state = |state: State| match state {
        State::Ok => good("ok"),
        State::Fixed => good("fixed"),
        State::Fixable => bad("wrong"),
        State::Broken => bad("broken"),
    };
    let columns = [("state", Align::Left), ("what", Align::Left), ("detail", Align::Left)];
    let rows = findings.iter().map(|finding| cells![state(finding.state), &finding.what, &finding.detail]);
    let mut document = Document::of_table("Health", Table::of(&columns).with(rows));
    if findings.iter().any(|finding| finding.state == State::Fixable) {
        document.gap();
        document.text("`mlops doctor --fix` heals what is wrong");
    }
    document
}

/// The lines for a clock, or the files that hold them.
#[must_use]
pub fn schedule(schedule: &Schedule) -> Document {
    let mut document = Document::new(format!("Schedule {}", schedule.name));
    if schedule.written.is_empty() {
        for (at, sheet) in schedule.files.iter().enumerate() {
            if at > 0 {
                document.gap();
            }
            document.push(Block::Code("", sheet.text.clone()));
        }
        return document;
    }
    schedule.written.iter().for_each(|path| document.fact("wrote", shown(path)));
    document.note("the first lines of each file say how it is installed");
    document
}

/// Who was notified, and whether it arrived.
#[must_use]
pub fn deliveries(deliveries: &[Delivery], event: Option<NotifyEvent>) -> Document {
    if deliveries.is_empty() {
        return Document::of_line("Notices", format!("no channel wants `{}`", event.map_or("", NotifyEvent::name)));
    }
    let row = |delivery: &Delivery| {
        let state = if delivery.sent { good("sent") } else { bad("not sent") };
        let attempts = dim(plural(delivery.attempts as usize, "attempt"));
        cells![state, &delivery.channel, &delivery.to, attempts, delivery.error.as_deref().unwrap_or_default()]
    };
    Document::of_table("Notices", Table::without_heads(&[Align::Left; 5]).with(deliveries.iter().map(row)))
}

/// What a key of a config may name, with the parameters of each.
#[must_use]
pub fn catalog(entries: &[Entry]) -> Document {
    let mut document = Document::new("Catalog");
    for Entry { name, about, params } in entries {
        document.text(emphasis(name) + "  " + dim(about));
        let rows = params.iter().map(|param| cells![format!("  {}", param.name), &param.default, param.about]);
        let columns = [("  param", Align::Left), ("default", Align::Left), ("", Align::Left)];
        if !params.is_empty() {
            document.table(Table::of(&columns).with(rows));
            document.gap();
        }
    }
    document
}
