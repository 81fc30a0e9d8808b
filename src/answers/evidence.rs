//! What a decision rested on, line by line. A decision about a promotion is typed evidence, and is shown as a gate;
//! the rows of other actions, and of newer builds, are shown as `name  value`. What was written into the ledger is
//! shown, never obeyed by the terminal, and never fills it.

use serde_json::{Map, Value, json};

use super::format::{plain, value};
use crate::report::document::{Line, bad, dim, good};
use crate::tracking::LedgerEntry;
use crate::workflows::gate::{Check, Evidence, Verdict};

/// A name and what is known under it.
type Fact = (String, Line);

/// No more lines of one decision.
const MOST_LINES: usize = 40;
/// No more characters of one value.
const LONGEST: usize = 200;
/// No deeper into what is nested; below, it is shown as JSON.
const DEEPEST: usize = 3;

/// The evidence of one decision as facts; nothing for none.
#[must_use]
pub fn facts_of(entry: &LedgerEntry) -> Vec<Fact> {
    let mut facts = match Evidence::of(entry) {
        Some(evidence) => promotion(&evidence),
        None => other(&entry.evidence),
    };
    let left_out = facts.len().saturating_sub(MOST_LINES);
    facts.truncate(MOST_LINES);
    if left_out > 0 {
        facts.push((String::new(), dim(format!("and {left_out} more (`--json` has all)"))));
    }
    facts
}

/// A decision about a promotion. Its verdict and its rules are in the lines of the gate.
fn promotion(evidence: &Evidence) -> Vec<Fact> {
    let mut rows: Vec<Fact> = Vec::new();
    let candidates = evidence.candidates.as_array().map_or(&[][..], Vec::as_slice);
    rows.extend(candidates.iter().map(|one| plain_fact("candidate", facts(one))));
    rows.extend(evidence.checks.iter().map(check));
    spread("compared_on", &json!(evidence.compared_on), 1, &mut rows);
    if evidence.golden_rows > 0 {
        rows.push(plain_fact("golden_rows", evidence.golden_rows.to_string()));
    }
    spread("policy", &json!(evidence.policy), 1, &mut rows);
    rows.extend(evidence.release.as_object().map(|release| plain_fact("release", parity(release))));
    rows
}

/// What is no evidence of a promotion.
fn other(evidence: &Value) -> Vec<Fact> {
    let mut rows = Vec::new();
    match evidence {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| spread(name, value, 1, &mut rows)),
        other => spread("evidence", other, 1, &mut rows),
    }
    rows
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

fn plain_fact(name: &str, what: impl Into<Line>) -> Fact {
    (name.replace('_', " "), what.into())
}

/// One line of a gate: `yes  require  f1 >= 0.55  is 0.8571`.
fn check(check: &Check) -> Fact {
    let verdict = match check.verdict {
        Verdict::Pass => good("yes"),
        Verdict::Fail => bad("no"),
        Verdict::Inconclusive => "inconclusive".into(),
        Verdict::NotApplicable => "not_applicable".into(),
    };
    let value = check.value.map_or_else(|| "n/a".to_owned(), value);
    let what = limited(&plain(&format!("{} {}", check.metric, check.rule)));
    let mut parts = vec![verdict, dim(check.kind.as_str()), what.into(), format!("is {value}").into()];
    parts.extend((!check.detail.is_empty()).then(|| limited(&plain(&check.detail)).into()));
    plain_fact("gate", Line::joined(parts, "  "))
}

/// The fields of an object as `name value, name value`, without those that are null.
fn facts(object: &Value) -> String {
    let Value::Object(fields) = object else { return short(object) };
    let known = fields.iter().filter(|(_, value)| !value.is_null());
    let parts: Vec<String> = known.map(|(name, value)| format!("{} {}", plain(name), short(value))).collect();
    limited(&parts.join(", "))
}

/// A value under its name; what is nested gets a line for each part.
fn spread(name: &str, value: &Value, depth: usize, rows: &mut Vec<Fact>) {
    match value {
        Value::Null => {}
        Value::Array(parts) if parts.is_empty() => {}
        Value::Object(fields) if depth < DEEPEST => {
            for (inner, value) in fields {
                spread(&format!("{name} {inner}"), value, depth + 1, rows);
            }
        }
        Value::Array(parts) if depth < DEEPEST && parts.iter().any(|part| part.is_object() || part.is_array()) => {
            rows.extend(parts.iter().map(|part| plain_fact(&plain(name), facts(part))));
        }
        other => rows.push(plain_fact(&limited(&plain(name)), short(other))),
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
    use super::*;

    fn shown(evidence: &Value, indent: &str) -> String {
        let entry = LedgerEntry {
            id: 1,
            model: "points".into(),
            version: crate::names::Version(1),
            at_ms: 0,
            action: "promoted".into(),
            from: None,
            to: None,
            previous: None,
            actor: "kim".into(),
            forced: false,
            reason: String::new(),
            evidence: evidence.clone(),
        };
        let facts = facts_of(&entry);
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
        facts.iter().map(|(name, fact)| format!("{indent}{name:<width$}{fact}\n")).collect()
    }

    #[test]
    fn a_gate_reads_line_by_line() {
        let evidence = json!({
            "format_version": 1,
            "verdict": "inconclusive",
            "checks": [
                {"kind": "require", "metric": "f1", "rule": ">= 0.55", "value": 0.857_142, "verdict": "pass",
                 "passed": true},
                {"kind": "versus_production", "metric": "f1", "rule": "better than production", "value": 0.012,
                 "verdict": "inconclusive", "passed": false, "detail": "3,000 rows would decide"},
                {"kind": "require", "metric": "auc", "rule": ">= 0.9", "value": null, "verdict": "fail",
                 "passed": false},
                {"kind": "latency", "metric": "latency p95", "rule": "<= 2 x production", "value": null,
                 "verdict": "not_applicable", "passed": true, "detail": "nothing in production"},
            ],
            "candidates": [{"named": "lr", "version": 1, "value": 0.5, "chosen": true, "validation": null}],
            "compared_on": {"rows": 40, "learned": 3, "candidate": "a".repeat(32), "production": "b".repeat(32),
                            "test_ids": "c"},
            "policy": {"file": "gate.yaml", "sha256": "d"},
            "rules": {"to": "Production"},
            "release": {"files": {"model.onnx": "e"}, "parity": {"worst": 2.744e-8, "runtime": "tract 0.23.9"}},
            "golden_rows": 8,
        });
        let (candidate, production) = ("a".repeat(32), "b".repeat(32));
        assert_eq!(
            shown(&evidence, "  "),
            format!(
                "  candidate               chosen yes, named lr, value 0.5000, version 1
  gate                    yes  require  f1 >= 0.55  is 0.8571
  gate                    inconclusive  versus_production  f1 better than production  is 0.0120  3,000 rows would decide
  gate                    no  require  auc >= 0.9  is n/a
  gate                    not_applicable  latency  latency p95 <= 2 x production  is n/a  nothing in production
  compared on candidate   {candidate}
  compared on learned     3
  compared on production  {production}
  compared on rows        40
  compared on test ids    c
  golden rows             8
  policy file             gate.yaml
  policy sha256           d
  release                 model.onnx, within 3e-8 of the model by tract 0.23.9
"
            )
        );
    }

    #[test]
    fn what_the_first_builds_decided_reads_as_a_gate_too() {
        let first = json!({
            "checks": [{"metric": "f1", "rule": ">= 0.55", "value": 0.857_142, "passed": true}], "candidates": [],
            "golden_rows": 8,
        });
        assert_eq!(shown(&first, ""), "gate         yes  require  f1 >= 0.55  is 0.8571\ngolden rows  8\n");
    }

    #[test]
    fn unknown_shapes_are_shown_and_bounded() {
        assert_eq!(shown(&Value::Null, ""), "");
        assert_eq!(shown(&json!({"checks": [], "candidates": []}), ""), "");
        assert_eq!(shown(&json!([1, 2]), ""), "evidence  [1,2]\n");
        let nested = json!({"a": {"b": {"c": {"d": 1}}}, "rows": [{"x": 1.5}, 2], "checks": "none", "no": null});
        assert_eq!(shown(&nested, ""), "a b c   {\"d\":1}\nchecks  none\nrows    x 1.5000\nrows    2\n");
        // A line of a newer build.
        let newer = json!({"checks": [{"metric": "f1", "kind": "fairness", "value": 0.1, "passed": true}]});
        assert_eq!(shown(&newer, ""), "checks  kind fairness, metric f1, passed yes, value 0.1000\n");
        let hostile = json!({"\u{1b}[2J": "a\u{1b}]0;x\u{7}\nb", "checks": [7, {"metric": "\u{1b}[31m"}]});
        let escaped = shown(&hostile, "");
        assert!(!escaped.contains('\u{1b}') && !escaped.contains('\u{7}'), "{escaped:?}");
        let typed = json!({"checks": [
            {"metric": "\u{1b}[31m", "rule": "\u{7}", "value": 1.0, "passed": true, "detail": "\u{1b}]0;x"},
        ]});
        let escaped = shown(&typed, "");
        assert!(
            escaped.starts_with("gate") && !escaped.contains('\u{1b}') && !escaped.contains('\u{7}'),
            "{escaped:?}"
        );
        let long = json!({"text": "x".repeat(5000)});
        assert!(shown(&long, "").chars().count() < 300);
        let many: Map<String, Value> = (0..100).map(|at| (format!("k{at:03}"), at.into())).collect();
        let all = shown(&Value::Object(many), "");
        assert_eq!(all.lines().count(), MOST_LINES + 1);
        assert!(all.ends_with(" and 60 more (`--json` has all)\n"));
    }
}
