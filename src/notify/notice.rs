//! What there is to say, and its one JSON form, which generic webhooks and commands are given.
//!
//! ```json
//! {"format_version": 1, "source": "mlops", "event": "refusal", "model": "reviews", "title": "…", "summary": "…",
//!  "facts": [{"name": "rows", "value": "100,000"}], "at": "2026-11-01T03:12:09Z"}
//! ```

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Event;

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub event: Event,
    /// One line.
    pub title: String,
    /// One or a few sentences.
    pub summary: String,
    /// Names and values, in the order in which they are shown.
    pub facts: Vec<(String, String)>,
    /// The model.
    pub model: String,
    /// When it happened, milliseconds since the epoch.
    pub at_ms: i64,
}

impl Notice {
    /// The notice as one versioned document.
    #[must_use]
    pub fn json(&self) -> Value {
        let fact = |(name, value): &(String, String)| json!({"name": name, "value": value});
        json!({
            "format_version": 1,
            "source": "mlops",
            "event": self.event.name(),
            "model": self.model,
            "title": self.title,
            "summary": self.summary,
            "facts": self.facts.iter().map(fact).collect::<Vec<_>>(),
            "at": self.time(),
        })
    }

    /// When it happened, in UTC to the second: `2026-11-01T03:12:09Z`.
    #[must_use]
    pub fn time(&self) -> String {
        let time = Timestamp::from_millisecond(self.at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The line that says what this is, below the rest.
    #[must_use]
    pub fn footer(&self) -> String {
        format!("mlops · {} · {} · {}", self.event.name(), self.model, self.time())
    }
}
