//! What a request wants its caller to know besides its outcome.

use std::sync::{Mutex, PoisonError};

/// Notes of one request, in the order in which they were made. They are returned with the outcome, also of work that
/// failed.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Adds a note.
    pub fn add(&self, note: String) {
        self.extend([note]);
    }

    /// Adds notes.
    pub fn extend(&self, notes: impl IntoIterator<Item = String>) {
        // A panic of another thread cannot leave a list of whole texts half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(notes);
    }

    /// Takes the notes that were made so far.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
