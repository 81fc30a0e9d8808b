//! The wish of whoever asked for some work that it stops: a token that is handed down with the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A token that says whether a request shall stop. Clones share one state; requests have tokens of their own.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Asks the work to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work shall stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails when the work shall stop: to be called after each long step, before anything is written.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(Error::interrupted()) } else { Ok(()) }
    }

    /// The flag itself, for loops that look at it between two steps.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn clones_share_one_state_and_other_tokens_do_not() {
        let (token, other) = (Cancellation::default(), Cancellation::default());
        let clone = token.clone();
        assert!(token.check().is_ok());
        clone.request();
        assert!(token.is_requested() && !other.is_requested());
        assert_eq!(token.check().unwrap_err().kind, ErrorKind::Interrupted);
    }
}
