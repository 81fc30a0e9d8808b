//! Teams: a webhook of the Workflows app ("When a Teams webhook request is received"), which takes Adaptive Cards only;
//! the old connectors with their `MessageCard` were retired.
//!
//! The card is of version 1.4, the highest that all Teams clients draw (Microsoft Learn, "Cards reference", 2026): a title
//! in the colour of the event, the summary, a `FactSet`, a subtle line. `TextBlock` and facts read a part of Markdown, so
//! its signs are escaped in what we are given. A message holds 28 KB: facts are left out, and counted, until it fits.

use std::time::Duration;

use serde_json::{Value, json};

use super::Event;
use super::channel::{Channel, Setback};
use super::http::Post;
use super::notice::Notice;
use crate::text::cut;

/// Bytes of a message, below the 28 KB that Teams takes.
const BYTES: usize = 25_000;
const TITLE: usize = 200;
const SUMMARY: usize = 2500;
const FACT: usize = 500;

/// A Teams channel.
#[derive(Debug, Clone)]
pub struct Teams(pub Post);

impl Channel for Teams {
    fn kind(&self) -> &'static str {
        "teams"
    }

    fn place(&self) -> String {
        self.0.url.to_string()
    }

    fn say(&self, notice: &Notice, limit: Duration) -> Result<(), Setback> {
        self.0.send(&message(notice), limit)
    }
}

/// A text with Markdown's signs escaped. A line break in Markdown needs an empty line.
fn plain(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for letter in cut(text.trim(), most).chars() {
        match letter {
            '\\' | '*' | '_' | '[' | ']' | '`' => escaped.extend(['\\', letter]),
            '\n' => escaped += "\n\n",
            other => escaped.push(other),
        }
    }
    escaped
}

fn card(notice: &Notice, facts: usize) -> Value {
    let color = match notice.event {
        Event::Success => "Good",
        Event::Refusal | Event::Drift => "Warning",
        Event::Failure => "Attention",
    };
    let mut body = vec![json!({"type": "TextBlock", "text": plain(&notice.title, TITLE), "wrap": true,
        "size": "Large", "weight": "Bolder", "color": color})];
    if !notice.summary.trim().is_empty() {
        body.push(json!({"type": "TextBlock", "text": plain(&notice.summary, SUMMARY), "wrap": true}));
    }
    let fact = |(name, value): &(String, String)| json!({"title": plain(name, TITLE), "value": plain(value, FACT)});
    let shown: Vec<Value> = notice.facts.iter().take(facts).map(fact).collect();
    if !shown.is_empty() {
        body.push(json!({"type": "FactSet", "facts": shown}));
    }
    let more = notice.facts.len().saturating_sub(facts);
    let more = if more > 0 { format!("and {more} more · ") } else { String::new() };
    let footer = format!("{more}{}", plain(&notice.footer(), FACT));
    body.push(json!({"type": "TextBlock", "text": footer, "wrap": true, "isSubtle": true, "size": "Small"}));
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    })
}

/// What is posted.
fn message(notice: &Notice) -> Value {
    let with = |facts: usize| {
        json!({"type": "message", "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(notice, facts),
        }]})
    };
    let mut facts = notice.facts.len();
    let mut message = with(facts);
    while facts > 0 && message.to_string().len() > BYTES {
        facts = facts * 3 / 4;
        message = with(facts);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_adaptive_card() {
        let notice = Notice {
            event: Event::Drift,
            title: "drift in reviews_v2".into(),
            summary: "first\nsecond [link](http://x)".into(),
            facts: vec![("text_length".into(), "KL 0.6".into())],
            model: "reviews".into(),
            at_ms: 1_793_502_729_000,
        };
        let expected = json!({"type": "message", "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4", "msteams": {"width": "Full"},
                "body": [
                    {"type": "TextBlock", "text": "drift in reviews\\_v2", "wrap": true, "size": "Large",
                        "weight": "Bolder", "color": "Warning"},
                    {"type": "TextBlock", "text": "first\n\nsecond \\[link\\](http://x)", "wrap": true},
                    {"type": "FactSet", "facts": [{"title": "text\\_length", "value": "KL 0.6"}]},
                    {"type": "TextBlock", "text": "mlops · drift · reviews · 2026-11-01T03:12:09Z", "wrap": true,
                        "isSubtle": true, "size": "Small"},
                ],
            },
        }]});
        assert_eq!(message(&notice), expected);
    }

    #[test]
    fn a_message_fits_into_28_kb() {
        let long = "글자".repeat(5000);
        let notice = Notice {
            event: Event::Failure,
            title: long.clone(),
            summary: long.clone(),
            facts: vec![(long.clone(), long); 200],
            model: "reviews".into(),
            at_ms: 0,
        };
        let text = message(&notice).to_string();
        assert!(text.len() <= BYTES, "{}", text.len());
        let shown = message(&notice)["attachments"][0]["content"]["body"][2]["facts"].as_array().unwrap().len();
        assert!(shown > 0 && text.contains(&format!("and {} more", 200 - shown)), "{shown}");
    }
}
