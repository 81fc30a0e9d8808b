//! What every clock has in common: a job in, the files that it reads out.

use super::job::Job;
use crate::catalog::Named;
use crate::error::Result;

/// A file for a clock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sheet {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A clock that runs jobs.
pub trait Scheduler: Named + Sync {
    /// The files that make it run the job.
    ///
    /// # Errors
    /// `Invalid` when this clock cannot do what the job asks for.
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>>;
}
