//! An evaluation of a model version: the metrics and what they rest on, the rows that were left out, the gate's minima.

use super::evaluation;
use super::format::{count, plural, queries, shown};
use super::promote::gate;
use super::train::skipped;
use crate::data::Part;
use crate::metrics::{ClassDetail, Detail, QueryDetail};
use crate::report::document::{Document, Line, dim, emphasis};
use crate::workflows::evaluate::Outcome;

/// The answer; with the gate when it was asked for.
#[must_use]
pub fn document(outcome: &Outcome, with_gate: bool) -> Document {
    let name = format!("{} {}", outcome.model, outcome.version);
    let mut document = Document::new(format!("Evaluation of {name}"));
    let (rows, what) = match &outcome.metrics.detail {
        Detail::Classes(_) => (plural(outcome.metrics.rows, "row"), "rows"),
        Detail::Queries(QueryDetail { facts, .. }) => {
            let documents = plural(outcome.metrics.rows, "document");
            (format!("{documents} of {}", queries(facts.queries)), "queries")
        }
    };
    let part = outcome.part.map_or("all", Part::name);
    document.text(emphasis(name) + format!(" on {rows} ") + dim(format!("({part} {what} of {})", outcome.source)));
    document.gap();
    match &outcome.metrics.detail {
        Detail::Classes(detail) => classes(&mut document, outcome, detail),
        Detail::Queries(detail) => {
            document.table(evaluation::ranking_metrics(&outcome.metrics, &detail.facts, &outcome.shown));
            document.gap();
            evaluation::conventions(&mut document, detail);
            if let Some(script) = &outcome.letor_script {
                document.gap();
                evaluation::letor(&mut document, script);
            }
        }
    }
    document.gap();
    skipped(&mut document, outcome.skipped_without_label, (outcome.skipped_without_input, outcome.input_missing));
    if outcome.skipped_known > 0 {
        document.fact("skipped", format!("{} rows: the model was trained on them", count(outcome.skipped_known)));
    }
    if with_gate {
        gate(&mut document, &outcome.gate);
        document
            .note("checked the minimum metrics only; for the comparison with production run `mlops promote --dry-run`");
    }
    document.fact("run", Line::from(format!("{}  ", outcome.run_id.short())) + dim(shown(&outcome.run_folder)));
    document
}

/// The metrics of classes, and what they rest on.
fn classes(document: &mut Document, outcome: &Outcome, detail: &ClassDetail) {
    document.table(evaluation::class_metrics(&outcome.metrics, detail, &outcome.shown));
    document.gap();
    evaluation::confusion(document, detail);
    evaluation::average_and_threshold(document, detail, outcome.threshold_chosen_for.as_deref());
    evaluation::calibration(document, detail);
    evaluation::subgroups(document, detail, &outcome.shown);
}
