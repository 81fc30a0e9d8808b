//! `runs delete`, `runs restore`.

use serde::{Serialize, Serializer};

use crate::error::Result;
use crate::tracking::Run;
use crate::workflows::Session;
use crate::workflows::compare::find_run;

/// The runs that were deleted; JSON has their ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deleted {
    /// The runs.
    #[serde(rename = "deleted", serialize_with = "ids")]
    pub runs: Vec<Run>,
}

/// The runs that were brought back; JSON has their ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restored {
    /// The runs.
    #[serde(rename = "restored", serialize_with = "ids")]
    pub runs: Vec<Run>,
}

fn ids<S: Serializer>(runs: &[Run], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(runs.iter().map(|run| &run.id))
}

/// Deletes runs. [`restore`] brings them back until `gc` has removed them.
///
/// # Errors
/// `NotFound` when one of them is not there: then none is deleted. `Refused` when a model version refers to one.
pub fn delete(session: &Session<'_>, selectors: &[String]) -> Result<Deleted> {
    let tracker = session.project.tracker()?;
    let runs = find(session, selectors)?;
    runs.iter().try_for_each(|run| tracker.delete_run(&run.id))?;
    Ok(Deleted { runs })
}

/// Brings deleted runs back.
///
/// # Errors
/// `NotFound` when one of them is not there: then none is restored.
pub fn restore(session: &Session<'_>, selectors: &[String]) -> Result<Restored> {
    let tracker = session.project.tracker()?;
    let runs = find(session, selectors)?;
    runs.iter().try_for_each(|run| tracker.restore_run(&run.id))?;
    Ok(Restored { runs })
}

/// All of them are looked up before the first is changed: a typo in the third changes nothing.
fn find(session: &Session<'_>, selectors: &[String]) -> Result<Vec<Run>> {
    selectors.iter().map(|selector| find_run(session, selector)).collect()
}
