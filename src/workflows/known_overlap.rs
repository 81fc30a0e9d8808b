//! Rows to evaluate on that the model has learned from: a metric over them says how well it remembers, not how well it
//! will do.

use std::collections::HashSet;

use super::session::Session;
use crate::data::rows::Rows;
use crate::error::{Cause, Error, Result};
use crate::project::Located;
use crate::report::numbers::{count, plural};
use crate::runs::known_rows::{KnownRows, digest_text};

/// Takes the positions out whose rows the model's training used (training and validation rows); of a ranking whole
/// queries, because a query without some of its documents is another query. Returns how many rows were taken out.
///
/// # Errors
/// `Invalid` when no row is left; `Failed` when the training's record is damaged.
pub(super) fn leave_known_rows_out(
    session: &Session<'_>,
    located: &Located,
    (rows, digests): (&Rows, &[u64]),
    positions: &mut Vec<usize>,
) -> Result<usize> {
    let project = session.project;
    let run = project.reader()?.run(located.run_id.as_str());
    let Some(known) = run.map_or(Ok(None), |run| KnownRows::of(project, &run))? else {
        session.note(format!(
            "the rows that {} {} was trained on are not on record: whether they are among these cannot be said",
            located.model, located.version
        ));
        return Ok(0);
    };
    let learned = known.learned();
    let is_learned = |position: &usize| learned.contains(digest_text(digests[*position]).as_str());
    let before = positions.len();
    if rows.queries.is_empty() {
        positions.retain(|position| !is_learned(position));
    } else {
        let queries: HashSet<u32> =
            positions.iter().filter(|position| is_learned(position)).map(|position| rows.queries[*position]).collect();
        positions.retain(|position| !queries.contains(&rows.queries[*position]));
    }
    let left_out = before - positions.len();
    if positions.is_empty() {
        return Err(Error::invalid(format!(
            "all {} are among those that {} {} was trained on: nothing is left to evaluate on",
            plural(before, "row"),
            located.model,
            located.version
        ))
        .because(Cause::NoRows)
        .hint("give rows that the model has not seen, or `--include-known` to evaluate on these"));
    }
    if left_out > 0 {
        session.note(format!(
            "{} of {} were used in training {} {} and are left out (`--include-known` keeps them)",
            count(left_out),
            plural(before, "row"),
            located.model,
            located.version
        ));
    }
    Ok(left_out)
}
