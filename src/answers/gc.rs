//! What is deleted, or would be; which model versions stay, and why.

use super::format::{bytes, plural, shown};
use crate::report::document::{Align, Document, Table, cells};
use crate::workflows::gc::Outcome;

/// Whether it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// It would happen; model versions that stay are listed with the reasons.
    Planned,
    /// It happened; model versions that stay are counted.
    Done,
}

/// How many things there are of each kind, in a line.
#[must_use]
pub fn counts(outcome: &Outcome) -> String {
    let parts = [
        plural(outcome.runs.len(), "deleted run"),
        plural(outcome.versions.len(), "model version"),
        plural(outcome.predictions.len(), "logged month"),
        plural(outcome.leftovers.len(), "leftover"),
        plural(usize::try_from(outcome.cache.vectors).unwrap_or(usize::MAX), "cached vector"),
    ];
    parts.into_iter().filter(|part| !part.starts_with("0 ")).collect::<Vec<_>>().join(", ")
}

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome, tense: Tense) -> Document {
    let mut document = Document::new("Unused files");
    let verb = if tense == Tense::Planned { "would remove" } else { "removed" };
    for run in &outcome.runs {
        document.text(format!("{verb} run {} of {}  {}", run.run_id.short(), run.experiment, bytes(run.bytes)));
    }
    versions(&mut document, outcome, tense, verb);
    for one in &outcome.predictions {
        let size = bytes(one.bytes);
        document.text(format!("{verb} predictions of {} {} in {}  {size}", one.model, one.version, one.month));
    }
    outcome.leftovers.iter().for_each(|path| document.text(format!("{verb} {}", shown(path))));
    if outcome.cache.vectors > 0 {
        document.text(format!("{verb} {} cached vectors  {}", outcome.cache.vectors, bytes(outcome.cache.bytes)));
    }
    if outcome.is_empty() {
        document.text("nothing to remove");
    } else {
        document.text(format!("{verb} {} in all", bytes(outcome.bytes)));
    }
    document.text(format!("kept {} cached vectors", outcome.cache_kept));
    document
}

/// Model versions: what goes, how large it is and why; what stays and why.
fn versions(document: &mut Document, outcome: &Outcome, tense: Tense, verb: &str) {
    let going = outcome.versions.iter().map(|one| {
        let (version, why) =
            (format!("{} {}", one.model, one.version), format!("{}, {}", one.stage.as_str(), one.reason));
        cells![verb, version, bytes(one.bytes), why]
    });
    let staying = outcome.versions_kept.iter().filter(|_| tense == Tense::Planned);
    let staying =
        staying.map(|one| cells!["kept", format!("{} {}", one.model, one.version), "", one.reasons.join("; ")]);
    let table = Table::without_heads(&[Align::Left, Align::Left, Align::Right, Align::Cut]);
    let table = table.with(going.chain(staying));
    if !table.rows.is_empty() {
        document.table(table);
    }
    if tense == Tense::Done && !outcome.versions_kept.is_empty() {
        let kept = plural(outcome.versions_kept.len(), "model version");
        document.text(format!("kept {kept} (`--dry-run` says why)"));
    }
}
