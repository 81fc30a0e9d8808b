//! What a decision rested on, line by line. The gate's lines have a shape that is known (`checks`: metric, rule, value,
//! verdict, interval, detail); everything else, also fields that are not known yet, is shown as `name  value`. What was
//! written into the ledger is shown, never obeyed by the terminal, and never fills it.

use serde_json::{Map, Value};

use crate::cli::ui::format::{plain, value};
use crate::cli::ui::style::{bad, dim, good};
use crate::cli::ui::{Align, table};

/// No more lines of one decision.
const MOST_LINES: usize = 40;
/// No more characters of one value.
const LONGEST: usize = 200;
/// No deeper into what is nested; below, it is shown as JSON.
const DEEPEST: usize = 3;
/// The fields of a check that have a place of their own.
const KNOWN: [&str; 15] = [
    "metric",
    "rule",
    "value",
    "passed",
    "kind",
    "verdict",
    "detail",
    "interval",
    "low",
    "high",
    "lower",
    "upper",
    "text",
    "name",
    "difference",
];

/// The evidence of one decision, each line with this indent; nothing for none.
pub fn lines(evidence: &Value, indent: &str) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    match evidence {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("checks", Value::Array(checks)) => rows.extend(checks.iter().map(check)),
                    ("candidates", Value::Array(candidates)) => {
                        rows.extend(candidates.iter().map(|one| named("candidate", &facts(one, &[]))));
                    }
                    // The gate's lines say them.
                    ("rules" | "verdict" | "format_version", _) => {}
                    ("release", Value::Object(release)) => rows.push(named("release", &parity(release))),
                    _ => spread(name, value, 1, &mut rows),
                }
            }
        }
        Value::Null => {}
        other => spread("evidence", other, 1, &mut rows),
    }
    let left_out = rows.len().saturating_sub(MOST_LINES);
    rows.truncate(MOST_LINES);
    if rows.is_empty() {
        return String::new();
    }
    let drawn = table(&[("", Align::Left), ("", Align::Cut)], &rows);
    let mut text: String = drawn.lines().map(|line| format!("{indent}{line}\n")).collect();
    if left_out > 0 {
        text += &format!("{indent}{}\n", dim(&format!("and {left_out} more (`--json` has all)")));
    }
    text
}

/// A release in a line: how near its exported file is to the model.
fn parity(release: &Map<String, Value>) -> String {
    let files = release.get("files").and_then(Value::as_object);
    let files =
        files.map_or_else(String::new, |files| files.keys().map(|name| plain(name)).collect::<Vec<_>>().join(", "));
    match release.get("parity").and_then(|parity| Some((parity.get("worst")?.as_f64()?, parity.get("runtime")?))) {
        Some((worst, runtime)) => format!("{files}, within {worst:.0e} of the model by {}", short(runtime)),
        None => files,
    }
}

fn named(name: &str, what: &str) -> Vec<String> {
    vec![dim(&name.replace('_', " ")), what.to_owned()]
}

/// One line of a gate: `yes  f1 >= 0.55  is 0.8571`.
fn check(check: &Value) -> Vec<String> {
    let Value::Object(fields) = check else { return named("gate", &short(check)) };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(plain).filter(|text| !text.is_empty());
    let verdict = match (text("verdict"), fields.get("passed")) {
        (Some(verdict), _) => verdict,
        (None, Some(Value::Bool(true))) => "pass".into(),
        (None, Some(Value::Bool(false))) => "fail".into(),
        _ => "?".into(),
    };
    let verdict = match verdict.as_str() {
        "pass" | "passed" => good("yes"),
        "fail" | "failed" => bad("no"),
        _ => verdict,
    };
    let mut parts = vec![verdict];
    parts.extend(text("kind").map(|kind| dim(&kind)));
    let what: Vec<String> = ["metric", "name", "rule"].into_iter().filter_map(text).collect();
    parts.extend((!what.is_empty()).then(|| what.join(" ")));
    if let Some(found) = fields.get("value") {
        parts.push(format!("is {}", short(found)));
    }
    parts.extend(interval(fields));
    parts.extend(["detail", "text"].into_iter().filter_map(text));
    let rest = facts(check, &KNOWN);
    parts.extend((!rest.is_empty()).then_some(rest));
    named("gate", &parts.join("  "))
}

/// An interval: `[low, high]`, or its ends by name, in the check itself or in a field of its own.
fn interval(fields: &Map<String, Value>) -> Option<String> {
    let ends = |low: &Value, high: &Value| Some(format!("[{}, {}]", value(low.as_f64()?), value(high.as_f64()?)));
    let by_name = |fields: &Map<String, Value>| {
        let pair = |low: &str, high: &str| ends(fields.get(low)?, fields.get(high)?);
        pair("low", "high").or_else(|| pair("lower", "upper"))
    };
    match fields.get("interval") {
        Some(Value::Array(pair)) => match pair.as_slice() {
            [low, high] => ends(low, high),
            _ => Some(short(&Value::Array(pair.clone()))),
        },
        Some(Value::Object(inner)) => by_name(inner).or_else(|| Some(short(&Value::Object(inner.clone())))),
        Some(Value::Null) | None => by_name(fields),
        Some(other) => Some(short(other)),
    }
}

/// The fields of an object as `name value, name value`, without those that are told elsewhere and those that are null.
fn facts(object: &Value, told: &[&str]) -> String {
    let Value::Object(fields) = object else { return short(object) };
    let left = fields.iter().filter(|(name, value)| !told.contains(&name.as_str()) && !value.is_null());
    let parts: Vec<String> = left.map(|(name, value)| format!("{} {}", plain(name), short(value))).collect();
    limited(&parts.join(", "))
}

/// A value under its name; what is nested gets a line for each part.
fn spread(name: &str, value: &Value, depth: usize, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Null => {}
        Value::Array(parts) if parts.is_empty() => {}
        Value::Object(fields) if depth < DEEPEST => {
            for (inner, value) in fields {
                spread(&format!("{name} {inner}"), value, depth + 1, rows);
            }
        }
        Value::Array(parts) if depth < DEEPEST && parts.iter().any(|part| part.is_object() || part.is_array()) => {
            rows.extend(parts.iter().map(|part| named(&plain(name), &facts(part, &[]))));
        }
        other => rows.push(named(&limited(&plain(name)), &short(other))),
    }
}

/// A value on one line.
fn short(found: &Value) -> String {
    match found {
        Value::Null => "n/a".into(),
        Value::String(text) => limited(&plain(text)),
        Value::Number(number) if number.is_f64() => value(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => limited(&plain(&other.to_string())),
    }
}

fn limited(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gate_reads_line_by_line() {
        let evidence = json!({
            "checks": [
                {"metric": "f1", "rule": ">= 0.55", "value": 0.857_142, "passed": true},
                {"metric": "f1", "kind": "superiority", "rule": "better than v1", "value": 0.012,
                 "verdict": "inconclusive", "interval": [-0.004, 0.02], "detail": "3,000 more rows would decide", "n": 40},
                {"metric": "auc", "rule": ">= 0.9", "value": null, "passed": false, "low": 0.1, "high": 0.2},
            ],
            "candidates": [{"named": "lr", "version": 1, "value": 0.5, "chosen": true}],
            "golden_rows": 8,
        });
        assert_eq!(
            lines(&evidence, "  "),
            "  candidate    chosen yes, named lr, value 0.5000, version 1
  gate         yes  f1 >= 0.55  is 0.8571
  gate         inconclusive  superiority  f1 better than v1  is 0.0120  [-0.0040, 0.0200]  3,000 more rows would decide  n 40
  gate         no  auc >= 0.9  is n/a  [0.1000, 0.2000]
  golden rows  8
"
        );
    }

    #[test]
    fn unknown_shapes_are_shown_and_bounded() {
        assert_eq!(lines(&Value::Null, ""), "");
        assert_eq!(lines(&json!({"checks": [], "candidates": []}), ""), "");
        assert_eq!(lines(&json!([1, 2]), ""), "evidence  [1,2]\n");
        let nested = json!({"a": {"b": {"c": {"d": 1}}}, "rows": [{"x": 1.5}, 2], "checks": "none", "no": null});
        assert_eq!(lines(&nested, ""), "a b c   {\"d\":1}\nchecks  none\nrows    x 1.5000\nrows    2\n");
        let hostile = json!({"\u{1b}[2J": "a\u{1b}]0;x\u{7}\nb", "checks": [7, {"metric": "\u{1b}[31m"}]});
        let shown = lines(&hostile, "");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
        let long = json!({"text": "x".repeat(5000)});
        assert!(lines(&long, "").chars().count() < 300);
        let many: Map<String, Value> = (0..100).map(|at| (format!("k{at:03}"), at.into())).collect();
        let shown = lines(&Value::Object(many), "");
        assert_eq!(shown.lines().count(), MOST_LINES + 1);
        assert!(shown.ends_with("and 60 more (`--json` has all)\n"));
    }
}
