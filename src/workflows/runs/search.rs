//! `runs list`, `runs search`: the runs that fit, in the order that was asked for.

use crate::error::Result;
use crate::tracking::{self, BOOKKEEPING, Run, Search, View};
use crate::workflows::Session;

/// Which runs fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every run.
    Everything,
    /// Runs that computed something: without the light runs of `predict`, `promote` and the like.
    Computations,
    /// Runs that match an expression of the filter language.
    Expression(String),
}

/// Which runs are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRequest {
    /// Runs of these experiments (names or ids) only; empty means of all.
    pub experiments: Vec<String>,
    /// Which runs fit.
    pub filter: Filter,
    /// The order: `metrics.f1 DESC`, `start_time`.
    pub order: Vec<String>,
    /// At most so many.
    pub limit: usize,
    /// How many are left out at the beginning.
    pub offset: usize,
    /// Deleted runs, active ones, or both.
    pub view: View,
}

/// The runs that fit.
///
/// # Errors
/// `NotFound` (experiment), `Invalid` when the filter or the order cannot be read.
pub fn search(session: &Session<'_>, request: &SearchRequest) -> Result<Vec<Run>> {
    let tracker = session.project.reader()?;
    let ids = request.experiments.iter().map(|name| Ok(tracker.experiment(name)?.id)).collect::<Result<Vec<_>>>()?;
    let filter = match &request.filter {
        Filter::Everything => None,
        Filter::Computations => Some(tracking::Filter::other_commands(&BOOKKEEPING)),
        Filter::Expression(expression) => tracking::Filter::parse(expression)?,
    };
    tracker.search_runs(&Search {
        experiments: &ids,
        filter: filter.as_ref(),
        order: &request.order,
        limit: request.limit,
        offset: request.offset,
        view: request.view,
    })
}
