//! What every verb is given: the project, the listener, the token that stops it, and a place for its notes.

use std::sync::{Mutex, PoisonError};

use super::notes::Notes;
use crate::cancellation::Cancellation;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::Result;
use crate::models::{Event, FitContext};
use crate::names::ModelName;
use crate::project::{Located, Prefer, Project};

/// Something worth showing while a verb works.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress<'a> {
    /// A stage of the work begins: `reading data/reviews.csv`.
    Stage(&'a str),
    /// So many of so many texts have their vectors.
    Texts {
        /// Finished.
        done: usize,
        /// In all.
        total: usize,
    },
    /// Something happened during a fit.
    Fit(&'a Event<'a>),
}

/// One request to a project: what a verb may use while it works.
pub struct Session<'a> {
    /// The project.
    pub project: &'a Project,
    /// Who listens.
    pub listen: &'a (dyn Fn(&Progress<'_>) + Sync),
    /// Says when the work shall stop.
    pub cancellation: &'a Cancellation,
    /// What is returned besides the outcome.
    pub notes: Notes,
    /// Models whose folders were made to agree with their rows when this request began: a command was killed before its
    /// end, and this has finished it.
    pub healed: Vec<ModelName>,
    /// What embedders may use: the cache of vectors, the network, a device.
    pub embedding: EmbedContext<'a>,
    /// What came of the texts that the verb has sent through embedders.
    pub texts: Mutex<TextReport>,
}

impl Session<'_> {
    /// Announces a stage; fails when the user has interrupted.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn stage(&self, what: &str) -> Result<()> {
        self.check()?;
        (self.listen)(&Progress::Stage(what));
        Ok(())
    }

    /// Fails when the user has interrupted: to be asked after each long step, before anything is written.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn check(&self) -> Result<()> {
        self.cancellation.check()
    }

    /// Finds the version that a person names. A folder of the same name that is not used is noted.
    ///
    /// # Errors
    /// As `Project::locate`.
    pub fn locate(&self, selector: &str, prefer: Prefer) -> Result<Located> {
        let located = self.project.locate(selector, prefer)?;
        if let Some(folder) = self.project.shadowed_folder(selector) {
            self.note(format!(
                "`{selector}` means the registered model {} {}. The folder `{}` has the same name and is not used; write \
                 `./{selector}` to use it",
                located.model,
                located.version,
                folder.display()
            ));
        }
        Ok(located)
    }

    /// Adds a note for whoever asked.
    pub fn note(&self, note: String) {
        self.notes.add(note);
    }

    /// Keeps what came of the texts of a call, for the user.
    pub fn note_texts(&self, report: TextReport) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).merge(report);
    }

    /// What came of all texts so far; what is taken is not given again.
    pub fn take_texts(&self) -> TextReport {
        std::mem::take(&mut *self.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a fit with the session's ear, and `also` as a second listener.
    ///
    /// # Errors
    /// What `fit` says.
    pub fn fitting<T>(
        &self,
        seed: u64,
        also: &(dyn Fn(&Event<'_>) + Sync),
        fit: impl FnOnce(FitContext<'_>) -> Result<T>,
    ) -> Result<T> {
        let observe = |event: &Event<'_>| {
            also(event);
            (self.listen)(&Progress::Fit(event));
        };
        fit(FitContext::new(seed, &observe, self.cancellation.flag()))
    }
}
