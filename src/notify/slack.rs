//! Slack: an incoming webhook that takes `{"text", "blocks"}`.
//!
//! `text` is what a phone's notification shows. Blocks: a header, a section with the summary, sections with ten fields
//! each, a context line. Limits (docs.slack.dev, Block Kit reference, 2026): 150 characters in a header, 3,000 in a
//! section's text, ten fields of 2,000 each, 50 blocks. In `mrkdwn` `&`, `<` and `>` are escaped, which is all that Slack
//! asks for: a value cannot mention a channel or set a link. An incoming webhook answers `ok`, or 4xx with a word.

use std::time::Duration;

use serde_json::{Value, json};

use super::channel::{Channel, Setback};
use super::http::Post;
use super::notice::Notice;
use crate::text::cut;

const HEADER: usize = 150;
const SECTION: usize = 3000;
const FIELD: usize = 2000;
const FIELDS: usize = 10;
/// Sections of fields; with header, summary, remark and context they stay far below 50 blocks.
const SECTIONS: usize = 4;

/// A Slack channel.
#[derive(Debug, Clone)]
pub struct Slack(pub Post);

impl Channel for Slack {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn place(&self) -> String {
        self.0.url.to_string()
    }

    fn say(&self, notice: &Notice, limit: Duration) -> Result<(), Setback> {
        self.0.send(&message(notice), limit)
    }
}

/// A text for `mrkdwn`, escaped, of at most `most` characters; an escape is never cut in two.
fn mrkdwn(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let one = match letter {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            other => other.to_string(),
        };
        let size = one.chars().count();
        // The last place is kept for `…` as long as something follows.
        if length + size + usize::from(letters.peek().is_some()) > most {
            return escaped + "…";
        }
        escaped += &one;
        length += size;
    }
    escaped
}

/// Slack refuses blocks without text.
fn filled(text: String) -> String {
    if text.trim().is_empty() { "–".into() } else { text }
}

/// What is posted.
fn message(notice: &Notice) -> Value {
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
    let title = cut(&notice.title.split_whitespace().collect::<Vec<_>>().join(" "), HEADER);
    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": filled(title), "emoji": false}})];
    if !notice.summary.trim().is_empty() {
        blocks.push(section(&mrkdwn(&notice.summary, SECTION)));
    }
    for facts in notice.facts.chunks(FIELDS).take(SECTIONS) {
        let fields = facts.iter().map(|(name, value)| {
            let name = filled(mrkdwn(name, FIELD / 4));
            let value = filled(mrkdwn(value, FIELD - FIELD / 4 - 3));
            json!({"type": "mrkdwn", "text": format!("*{name}*\n{value}"), "verbatim": true})
        });
        blocks.push(json!({"type": "section", "fields": fields.collect::<Vec<_>>()}));
    }
    let more = notice.facts.len().saturating_sub(FIELDS * SECTIONS);
    if more > 0 {
        blocks.push(section(&format!("and {more} more")));
    }
    let footer = mrkdwn(&notice.footer(), FIELD);
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": footer, "verbatim": true}]}));
    json!({"text": filled(mrkdwn(&notice.title, SECTION)), "blocks": blocks})
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    fn notice(facts: usize, summary: &str) -> Notice {
        Notice {
            event: Event::Refusal,
            title: "reviews <v8> & 합격".into(),
            summary: summary.into(),
            facts: (0..facts).map(|at| (format!("fact <{at}>"), "a & b".into())).collect(),
            model: "reviews".into(),
            at_ms: 1_793_502_729_000,
        }
    }

    #[test]
    fn a_message_has_text_and_blocks() {
        let message = message(&notice(1, "f1 < 0.55"));
        let expected = json!({
            "text": "reviews &lt;v8&gt; &amp; 합격",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "reviews <v8> & 합격", "emoji": false}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "f1 &lt; 0.55", "verbatim": true}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*fact &lt;0&gt;*\na &amp; b", "verbatim": true}]},
                {"type": "context", "elements": [{"type": "mrkdwn",
                    "text": "mlops · refusal · reviews · 2026-11-01T03:12:09Z", "verbatim": true}]},
            ],
        });
        assert_eq!(message, expected);
    }

    #[test]
    fn slacks_limits_hold_for_any_notice() {
        let long = "한 & <글>\n".repeat(3000);
        let mut big = notice(95, &long);
        big.title.clone_from(&long);
        big.facts[3] = (long.clone(), long.clone());
        let mut empty = notice(1, "");
        empty.title = String::new();
        empty.facts[0] = (String::new(), " ".into());
        for notice in [big, empty, notice(0, " "), notice(40, "x"), notice(41, "x")] {
            let message = message(&notice);
            let blocks = message["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50 && !message["text"].as_str().unwrap().is_empty());
            let length = |value: &Value| value.as_str().unwrap().chars().count();
            for block in blocks {
                let text = &block["text"]["text"];
                match block["type"].as_str().unwrap() {
                    "header" => assert!((1..=150).contains(&length(text)) && !text.as_str().unwrap().contains('\n')),
                    "section" if text.is_string() => assert!((1..=3000).contains(&length(text))),
                    "section" => {
                        let fields = block["fields"].as_array().unwrap();
                        assert!((1..=10).contains(&fields.len()));
                        assert!(fields.iter().all(|field| (1..=2000).contains(&length(&field["text"]))));
                    }
                    "context" => assert!(length(&block["elements"][0]["text"]) <= 2000),
                    other => panic!("{other}"),
                }
            }
            let shown = message.to_string();
            assert!(
                !shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").contains("&l"),
                "no half escape"
            );
            let told = shown.contains("and 55 more") || shown.contains("and 1 more");
            assert_eq!(told, notice.facts.len() > 40);
        }
    }

    #[test]
    fn an_escape_is_kept_whole() {
        assert_eq!(mrkdwn("ab&", 7), "ab&amp;");
        assert_eq!(mrkdwn("ab&", 6), "ab…");
        assert_eq!(mrkdwn("ab&c", 7), "ab…");
        assert_eq!(mrkdwn("abc", 3), "abc");
        assert_eq!(mrkdwn("<!channel> @here", 100), "&lt;!channel&gt; @here");
    }
}
