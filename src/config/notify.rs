//! `notify:`, who is told of a retrain or a drift check: a list of channels, each with the events that it wants.
//!
//! ```yaml
//! notify:
//!   - slack: ${SLACK_WEBHOOK_URL}          # or {url_file: /run/secrets/slack}
//!     on: [success, refusal, failure, drift]
//!   - teams: {url_file: /run/secrets/teams}
//!   - webhook: https://alerts.example.com/hook
//!     headers: {Authorization: "Bearer ${ALERTS_TOKEN}"}
//!   - command: [sh, -c, "mail -s \"$MLOPS_TITLE\" team@example.com"]
//!     timeout_seconds: 30
//! ```
//!
//! The address of a webhook is its password. It is kept as it was written (`${NAME}` is filled in when a notice is
//! sent) and shown as `scheme://host/…` wherever it could be printed or stored: `Debug`, `Serialize`, the lines of
//! problems. It follows that a channel cannot be read back from what was written of it. A command gets no `${NAME}`
//! filled in: its arguments are visible to every user of the machine, and it inherits the environment anyway.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use serde_json::{Value as Json, json};

use super::decode::{At, Fields};
use super::field::{Field, Kind, Limits, Preset, Section, TEXTS};
use super::value::Value;
use super::yaml::{self, Node};
use crate::catalog::known_hint;
use crate::text::without_secrets;

/// What a notice can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// The job did what it is for.
    Success,
    /// A gate or a check of the data said no; what is in production stays.
    Refusal,
    /// The job broke.
    Failure,
    /// The rows of today are not those of training.
    Drift,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Success, Self::Refusal, Self::Failure, Self::Drift];

    /// The word in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refusal => "refusal",
            Self::Failure => "failure",
            Self::Drift => "drift",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// A value that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// As written; `${NAME}` stands for an environment variable.
    Text(String),
    /// The first line of this file, relative to the project's root.
    File(PathBuf),
}

impl Secret {
    /// What may be shown: variables by name, files by path, addresses by host, nothing of any other text.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Text(text) if is_variable(text) => text.clone(),
            Self::Text(text) if text.contains("://") => without_secrets(text),
            Self::Text(_) => "…".into(),
        }
    }

    /// True when the secret itself stands in the config.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Text(text) if !text.contains("${"))
    }
}

/// True for one `${NAME}` and nothing else.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyTarget {
    /// A Slack incoming webhook.
    Slack(Secret),
    /// A Teams Workflows webhook.
    Teams(Secret),
    /// Any address that takes JSON.
    Webhook {
        /// The address.
        url: Secret,
        /// More headers, such as `Authorization`.
        headers: BTreeMap<String, Secret>,
    },
    /// A program and its arguments; it reads the notice as JSON on stdin.
    Command(Words),
}

/// The words of a command; addresses among them are shown by their host.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl fmt::Debug for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|word| without_secrets(word))).finish()
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|word| without_secrets(word)))
    }
}

impl NotifyTarget {
    /// The word in configs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Webhook { .. } => "webhook",
            Self::Command(_) => "command",
        }
    }

    /// The address, when there is one.
    #[must_use]
    pub fn url(&self) -> Option<&Secret> {
        match self {
            Self::Slack(url) | Self::Teams(url) | Self::Webhook { url, .. } => Some(url),
            Self::Command(_) => None,
        }
    }
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotifyChannel {
    /// Where the notices go.
    #[serde(flatten)]
    pub target: NotifyTarget,
    /// The events that it wants.
    pub on: Vec<NotifyEvent>,
    /// The longest time of one attempt, in seconds.
    pub timeout_seconds: u64,
    /// How often it is tried.
    pub attempts: u32,
}

const URL_KIND: Kind = Kind::Custom("address, `${NAME}`, or a section with its `url` or `url_file`", url);
const HEADERS: Kind = Kind::Custom(
    "mapping to text, which may hold `${NAME}`",
    || json!({"type": "object", "additionalProperties": {"type": "string"}}),
);
const EVENTS: Kind = Kind::Custom("`success`, `refusal`, `failure`, `drift`, or a list of such", events);

/// The fields of a channel.
pub(super) static CHANNEL: Section = Section {
    text: "Who is told of a retrain or a drift check: exactly one of `slack`, `teams`, `webhook`, `command`.",
    fields: &[
        Field::new("slack", URL_KIND, "A Slack incoming webhook. The address is a secret."),
        Field::new("teams", URL_KIND, "A Teams Workflows webhook. The address is a secret."),
        Field::new("webhook", URL_KIND, "Any address that takes JSON. It is a secret."),
        Field::new("command", TEXTS, "A program and its arguments; it reads the notice as JSON on stdin."),
        Field::new("headers", HEADERS, "More headers of a webhook, such as `Authorization`."),
        Field::new("on", EVENTS, "The events that it wants.").preset(Preset::Other("all")),
        Field::new(
            "timeout_seconds",
            Kind::Whole(Limits::between(1.0, 600.0, "must be 1 to 600, got {}")),
            "The longest time of one attempt, in seconds.",
        )
        .preset(Preset::Whole(15)),
        Field::new(
            "attempts",
            Kind::Whole(Limits::between(1.0, 10.0, "must be 1 to 10, got {}")),
            "How often it is tried.",
        )
        .preset(Preset::Whole(3)),
    ],
    short: None,
    refine: Some(one_target),
};

/// A list of channels; one mapping counts as a list of one.
pub(super) const CHANNELS: Kind = Kind::List(&Kind::Section(&CHANNEL));

/// The fields of an address that is kept elsewhere.
static URL: Section = Section {
    text: "Where an address is kept.",
    fields: &[
        Field::new("url", Kind::Text, "The address, or `${NAME}`."),
        Field::new("url_file", Kind::Text, "A file whose first line is the address."),
    ],
    short: None,
    refine: Some(|schema| schema["oneOf"] = json!([{"required": ["url"]}, {"required": ["url_file"]}])),
};

fn one_target(schema: &mut Json) {
    let kinds = ["slack", "teams", "webhook", "command"];
    schema["oneOf"] = kinds.iter().map(|kind| json!({"required": [kind]})).collect();
    schema["dependentSchemas"] = json!({"headers": {"required": ["webhook"]}});
}

fn url() -> Json {
    json!({"anyOf": [{"type": "string", "minLength": 1}, URL.schema()]})
}

fn events() -> Json {
    let events = json!({"enum": NotifyEvent::ALL.map(NotifyEvent::name)});
    json!({"anyOf": [events, {"type": "array", "items": events, "minItems": 1, "uniqueItems": true}]})
}

/// Text that may hold `${NAME}`.
fn secret(at: &At<'_, '_>) -> Option<String> {
    let text = at.text()?.trim().to_owned();
    let open = text.rsplit_once("${").is_some_and(|(_, name)| !name.contains('}'));
    if open {
        at.problem("`${` is not closed", Some("${NAME}".into()));
    }
    if text.is_empty() {
        at.problem("is empty", None);
    }
    Some(text)
}

/// Says what is wrong with a whole address; one with variables is looked at when it is used.
fn check_url(at: &At<'_, '_>, url: &str) {
    let host = url.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', '?', '#']).next().unwrap_or("")));
    let good = host.is_some_and(|(scheme, host)| ["http", "https"].contains(&scheme) && !host.is_empty());
    if !good && !url.contains("${") && !url.is_empty() {
        // The text is not repeated: a token without its address is a secret too.
        at.problem("this is no address that begins with `https://`", Some("${SLACK_WEBHOOK_URL}".into()));
    }
}

/// `${NAME}`, an address, or `{url: …}` or `{url_file: …}`.
fn decode_url(at: &At<'_, '_>) -> Secret {
    if !at.is_map() {
        let text = secret(at).unwrap_or_default();
        check_url(at, &text);
        return Secret::Text(text);
    }
    let fields = at.section(&URL);
    let (url, file) = (fields.at("url"), fields.at("url_file"));
    match (url.is_given(), file.is_given()) {
        (true, false) => decode_url(&url),
        (false, true) => Secret::File(file.text().unwrap_or_default().into()),
        (true, true) => {
            file.problem("`url` and `url_file` are both given", Some("keep one".into()));
            Secret::Text(String::new())
        }
        (false, false) => {
            at.problem("needs `url` or `url_file`", Some("{url_file: /run/secrets/slack}".into()));
            Secret::Text(String::new())
        }
    }
}

fn decode_headers(at: &At<'_, '_>) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, (_, value)) in at.free_map() {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            value.problem(format!("`{name}` is not the name of a header"), None);
        }
        if ["content-type", "content-length", "host"].contains(&name.to_ascii_lowercase().as_str()) {
            value.problem(format!("`{name}` is set by mlops"), None);
        }
        let text = secret(&value).unwrap_or_default();
        if text.chars().any(char::is_control) {
            value.problem("a header is one line", None);
        }
        headers.insert(name, Secret::Text(text));
    }
    headers
}

fn decode_events(at: &At<'_, '_>) -> Vec<NotifyEvent> {
    if !at.is_given() && at.node.is_none() {
        return NotifyEvent::ALL.to_vec();
    }
    let mut events = Vec::new();
    for item in at.items() {
        let Some(word) = item.text() else { continue };
        match NotifyEvent::parse(&word.to_lowercase()) {
            Some(event) if events.contains(&event) => item.problem(format!("`{word}` stands twice"), None),
            Some(event) => events.push(event),
            None => {
                let hint = known_hint(&word, NotifyEvent::ALL.map(NotifyEvent::name));
                item.problem(format!("`{word}` is not an event"), Some(hint));
            }
        }
    }
    if at.items().is_empty() {
        at.problem("no event: this channel would never be used", Some("on: [refusal, failure, drift]".into()));
    }
    events.sort_unstable();
    events
}

/// The one of the four keys that says where notices go.
fn decode_target(fields: &Fields<'_, '_>) -> NotifyTarget {
    let (slack, teams) = (fields.at("slack"), fields.at("teams"));
    let (webhook, command, headers) = (fields.at("webhook"), fields.at("command"), fields.at("headers"));
    let given: Vec<&At<'_, '_>> = [&slack, &teams, &webhook, &command].into_iter().filter(|at| at.is_given()).collect();
    match given.as_slice() {
        [] => fields.own().problem(
            "a channel needs one of `slack`, `teams`, `webhook`, `command`",
            Some("{slack: \"${SLACK_WEBHOOK_URL}\", on: [failure]}".into()),
        ),
        [_] => {}
        [_, second, ..] => second.problem("a channel goes to one place", Some("write another item".into())),
    }
    if headers.is_given() && !webhook.is_given() {
        headers.problem("`headers` go with `webhook`", None);
    }
    if slack.is_given() {
        NotifyTarget::Slack(decode_url(&slack))
    } else if teams.is_given() {
        NotifyTarget::Teams(decode_url(&teams))
    } else if webhook.is_given() {
        NotifyTarget::Webhook { url: decode_url(&webhook), headers: decode_headers(&headers) }
    } else {
        let words = command.texts();
        if command.is_given() && words.first().is_none_or(String::is_empty) {
            command.problem("names no program", Some("[sh, -c, \"…\"]".into()));
        }
        if words.iter().any(|word| word.contains('\0')) {
            command.problem("a word holds a null character", None);
        }
        NotifyTarget::Command(Words(words))
    }
}

/// Keeps whatever may be an address or a token out of the problems, wherever a slip of the finger has put it. Addresses
/// with a scheme are shortened anyway, and then say more than `…`.
fn hide_secrets(item: &At<'_, '_>, node: &Node) {
    match &node.value {
        yaml::Value::Text(text) if !is_variable(text) && !text.contains("://") && text.len() > 12 => item.hide(text),
        yaml::Value::List(items) => items.iter().for_each(|node| hide_secrets(item, node)),
        yaml::Value::Map(entries) => entries
            .iter()
            .filter(|(key, ..)| !["on", "command", "url_file"].contains(&key.as_str()))
            .for_each(|(_, _, node)| hide_secrets(item, node)),
        _ => {}
    }
}

impl Value for NotifyChannel {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        at.node.into_iter().for_each(|node| hide_secrets(at, node));
        let fields = at.section(&CHANNEL);
        Some(Self {
            target: decode_target(&fields),
            on: decode_events(&fields.at("on")),
            timeout_seconds: fields.get("timeout_seconds"),
            attempts: fields.get("attempts"),
        })
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        unreachable!("a list of channels is never filled up")
    }
}

#[cfg(test)]
mod tests {
    use super::super::load_notify;
    use super::*;
    use crate::error::Error;

    const PATH: &str = "services/T000/B000/verysecret";

    fn load(text: &str) -> Result<Vec<NotifyChannel>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.yaml");
        std::fs::write(&path, text).unwrap();
        load_notify(&path)
    }

    #[test]
    fn each_kind_reads_and_defaults_are_filled_in() {
        let list = "- slack: ${HOOK}\n- {teams: {url_file: /run/t}, on: failure}\n- webhook: {url: \"https://a/b\"}\n  \
                    headers: {Authorization: \"Bearer ${TOKEN}\"}\n  attempts: 1\n\
                    - {command: [sh, -c, 'a ${B}'], timeout_seconds: 5}\n";
        let channels = load(list).unwrap();
        assert_eq!(load(&format!("model: x\nnotify:\n{list}")).unwrap(), channels);
        let [slack, teams, webhook, command] = channels.as_slice() else { unreachable!("four channels") };
        assert_eq!(slack.target, NotifyTarget::Slack(Secret::Text("${HOOK}".into())));
        assert_eq!((slack.on.len(), slack.timeout_seconds, slack.attempts), (4, 15, 3));
        assert_eq!(teams.target.url(), Some(&Secret::File("/run/t".into())));
        assert_eq!(teams.on, [NotifyEvent::Failure]);
        assert!(matches!(&webhook.target, NotifyTarget::Webhook { headers, .. } if headers.len() == 1));
        assert_eq!((command.timeout_seconds, command.target.kind()), (5, "command"));
        assert!(!slack.target.url().unwrap().is_literal() && webhook.target.url().unwrap().is_literal());
    }

    #[test]
    fn every_problem_is_told_at_once_and_none_shows_a_secret() {
        let text = format!(
            "- slak: https://hooks.slack.com/{PATH}\n- {{slack: hooks.slack.com/{PATH}, on: [sucess, drift, drift]}}\n\
             - {{teams: {{url: \"https://a/{PATH}\", url_file: b}}}}\n- {{slack: \"${{HOOK\", command: [a]}}\n\
             - {{slack: [\"https://a/{PATH}\"]}}\n- {{command: [], on: []}}\n- https://hooks.slack.com/{PATH}\n\
             - {{webhook: \"https://a/{PATH}\", attempts: 0, headers: {{\"a b\": x, Host: y}}}}\n"
        );
        let error = load(&text).unwrap_err();
        let told = format!("{error:?}");
        assert!(!told.contains("T000") && !told.contains("verysecret") && told.contains("hooks.slack.com"), "{told}");
        let messages: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
        for message in [
            "unknown key `slak`",
            "a channel needs one of `slack`, `teams`, `webhook`, `command`",
            "this is no address that begins with `https://`",
            "`sucess` is not an event",
            "`drift` stands twice",
            "`url` and `url_file` are both given",
            "`${` is not closed",
            "a channel goes to one place",
            "expected a string, got a list",
            "no event: this channel would never be used",
            "expected a mapping `key: value`, got `https://hooks.slack.com/…`",
            "must be 1 to 10, got 0",
            "`a b` is not the name of a header",
            "`Host` is set by mlops",
        ] {
            assert!(messages.contains(&message), "{message} is not in {messages:#?}");
        }
        let hint = error.problems.iter().find(|problem| problem.message.contains("sucess")).unwrap().hint.clone();
        assert_eq!(hint.as_deref(), Some("did you mean `success`?"));
        assert_eq!(load("model: x\n").unwrap_err().kind, crate::error::ErrorKind::Invalid);
        assert!(load("").is_err() && load("notify: []\n").unwrap().is_empty());
    }

    #[test]
    fn an_address_is_shown_by_its_host() {
        let channels = load(&format!(
            "- slack: https://hooks.slack.com/{PATH}\n- webhook: https://${{HOST}}/{PATH}\n  \
             headers: {{X-Key: verysecret}}\n- slack: a${{B}}verysecret\n- command: [curl, \"https://hooks.slack.com/{PATH}\"]\n"
        ));
        // The third is no address, but that is only known when its variable is.
        let channels = channels.unwrap();
        let shown = format!("{channels:?} {}", serde_json::to_string(&channels).unwrap());
        assert!(!shown.contains("verysecret") && !shown.contains("T000"), "{shown}");
        assert!(shown.contains("https://hooks.slack.com/…") && shown.contains("https://${HOST}/…"), "{shown}");
        assert_eq!(serde_json::to_value(&channels[0]).unwrap()["slack"], "https://hooks.slack.com/…");
    }
}
