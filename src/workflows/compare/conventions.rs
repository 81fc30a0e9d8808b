//! Ranking runs that were judged by other conventions than the baseline: one name, two metrics.
//!
//! With a baseline, the paired test values both by the baseline's conventions, and the table shows that value; the other ranking
//! metrics of such a run are not shown. Without one there is nothing to value them by, and a comparison by a ranking metric is
//! refused. (What the conventions are is known from a tag of the run; see `ranking_files`.)

use std::collections::BTreeSet;

use super::column::Column;
use super::paired_test::Tested;
use crate::error::{Error, Result};
use crate::metrics::ranking::Wanted;
use crate::names::RunId;
use crate::runs::ranking_files::CONVENTION_TAG;
use crate::tracking::{Run, Tracker};

/// The runs whose stored ranking metrics are not those of the others.
pub(super) struct Conventions<'a> {
    others: BTreeSet<&'a RunId>,
    judged: &'a Column,
    tested: &'a Tested,
    /// What to say of them.
    pub notes: Vec<String>,
}

fn tag(run: &Run) -> Option<&String> {
    run.tags.get(CONVENTION_TAG)
}

/// Whether a column shows a ranking metric, of whichever part.
fn ranks(column: &Column) -> bool {
    let base = ["validation_", "train_", "val_"].iter().find_map(|part| column.metric.strip_prefix(part));
    Wanted::parse(base.unwrap_or(&column.metric)).is_ok()
}

impl<'a> Conventions<'a> {
    /// Looks at the runs.
    ///
    /// # Errors
    /// `Invalid` when runs differ in their conventions, are judged by them, and no paired test was made.
    pub fn of(runs: &'a [Run], baseline: Option<&Run>, judged: &'a Column, tested: &'a Tested) -> Result<Self> {
        let of = baseline.unwrap_or(&runs[0]);
        let differs = |run: &&Run| tag(run).zip(tag(of)).is_some_and(|(one, other)| one != other);
        let others: Vec<&Run> = runs.iter().filter(differs).collect();
        let words = |run: &Run| tag(run).cloned().unwrap_or_default();
        if let Some(other) = others.first()
            && ranks(judged)
            && tested.candidates.is_empty()
        {
            return Err(Error::invalid(format!(
                "runs {} and {} were judged by other conventions: their metrics cannot be compared; {} ({}), {} ({})",
                of.id.short(),
                other.id.short(),
                of.id.short(),
                words(of),
                other.id.short(),
                words(other)
            ))
            .hint("`--baseline RUN` values the others by that run's conventions, from their stored predictions"));
        }
        let shown = if ranks(judged) {
            format!(
                "its {} is valued here by those of {} ({}), its other ranking",
                judged.metric,
                of.id.short(),
                words(of)
            )
        } else {
            "its ranking".to_owned()
        };
        let note = |run: &&Run| {
            let run_words = words(run);
            format!(
                "run {} was judged by other conventions ({run_words}): {shown} metrics are not shown",
                run.id.short()
            )
        };
        let notes = others.iter().map(note).collect();
        Ok(Self { others: others.into_iter().map(|run| &run.id).collect(), judged, tested, notes })
    }

    /// The value of a column for a run, as it can be held against the others.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn value(&self, column: &Column, tracker: &Tracker, run: &Run) -> Result<Option<f64>> {
        if !self.others.contains(&run.id) {
            return column.value(tracker, run);
        }
        if column == self.judged && ranks(column) {
            return Ok(self.tested.of(&run.id).and_then(|found| found.candidate));
        }
        if ranks(column) { Ok(None) } else { column.value(tracker, run) }
    }
}
