//! A channel: something that can say a notice once, within a time.

use std::time::Duration;

use super::notice::Notice;

/// Whether another attempt may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would be refused again.
    Never,
    /// It may work later.
    Later,
    /// The other side names the time.
    After(Duration),
}

/// Why an attempt did not work. The message holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What happened.
    pub message: String,
    /// Whether another attempt may help.
    pub again: Again,
}

impl Setback {
    /// A setback that would come again.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: Again::Never }
    }

    /// A setback that may pass.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: Again::Later }
    }
}

/// A channel.
pub trait Channel: Send + Sync {
    /// The word in configs: `slack`.
    fn kind(&self) -> &'static str;
    /// Where it goes, without what is secret: `https://hooks.slack.com/…`.
    fn place(&self) -> String;
    /// Says it once, within `limit`.
    ///
    /// # Errors
    /// What went wrong, and whether another attempt may help.
    fn say(&self, notice: &Notice, limit: Duration) -> Result<(), Setback>;
}
