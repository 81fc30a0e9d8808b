//! Any address that takes JSON: it gets the notice's own document (`notice`), for everything that is neither Slack nor Teams.

use std::time::Duration;

use super::channel::{Channel, Setback};
use super::http::Post;
use super::notice::Notice;

/// A generic webhook.
#[derive(Debug, Clone)]
pub struct Webhook(pub Post);

impl Channel for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn place(&self) -> String {
        self.0.url.to_string()
    }

    fn say(&self, notice: &Notice, limit: Duration) -> Result<(), Setback> {
        self.0.send(&notice.json(), limit)
    }
}
