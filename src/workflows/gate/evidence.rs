//! What a decision rested on, as the ledger keeps it.
//!
//! A promotion writes one `Evidence` into the ledger's row of its decision. `format_version` counts the forms of this
//! document: 0 are rows of builds that did not write it; their fields are the same, but for those of the first
//! builds, which wrote no verdict. Rows of other actions (a rollback, a prune) hold other objects, which are no
//! `Evidence`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{Check, Verdict, overall};
use super::versus::ComparedOn;
use crate::error::{Context, Result};
use crate::tracking::LedgerEntry;

/// The form that this build writes.
const FORMAT_VERSION: u32 = 1;

/// The file with the rules, where they were not those of the version's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFile {
    /// Its path, or what stands for it.
    pub file: String,
    /// SHA-256 of its text.
    pub sha256: String,
}

/// What the decision about a promotion rested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Evidence {
    /// The form of this document; 0 where an older build wrote it.
    pub format_version: u32,
    /// What the gate said.
    pub verdict: Verdict,
    /// Its lines.
    pub checks: Vec<Check>,
    /// The rows on which the version was compared with production.
    pub compared_on: Option<ComparedOn>,
    /// The file with the rules.
    pub policy: Option<PolicyFile>,
    /// The rules, as a config has them.
    pub rules: Value,
    /// The versions among which `--best` chose.
    pub candidates: Value,
    /// Golden rows that were asked again.
    pub golden_rows: usize,
    /// The files that were made for other systems.
    pub release: Value,
}

/// The document as the ledger has it.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    format_version: u32,
    verdict: Option<Verdict>,
    checks: Vec<Check>,
    compared_on: Option<ComparedOn>,
    policy: Option<PolicyFile>,
    #[serde(default)]
    rules: Value,
    #[serde(default)]
    candidates: Value,
    #[serde(default)]
    golden_rows: usize,
    #[serde(default)]
    release: Value,
}

impl From<Stored> for Evidence {
    fn from(stored: Stored) -> Self {
        let Stored { format_version, verdict, checks, compared_on, policy, rules, candidates, golden_rows, release } =
            stored;
        let verdict = verdict.unwrap_or_else(|| overall(&checks));
        Self { format_version, verdict, checks, compared_on, policy, rules, candidates, golden_rows, release }
    }
}

impl Evidence {
    /// The evidence of a gate that was asked.
    #[must_use]
    pub fn new(verdict: Verdict, checks: Vec<Check>, compared_on: Option<ComparedOn>) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            verdict,
            checks,
            compared_on,
            policy: None,
            rules: Value::Null,
            candidates: Value::Null,
            golden_rows: 0,
            release: Value::Null,
        }
    }

    /// The evidence of a decision about a promotion; none where the row holds something else, or what a newer build wrote.
    #[must_use]
    pub fn of(entry: &LedgerEntry) -> Option<Self> {
        let evidence: Self = serde_json::from_value(entry.evidence.clone()).ok()?;
        (evidence.format_version <= FORMAT_VERSION).then_some(evidence)
    }

    /// As the ledger keeps it.
    ///
    /// # Errors
    /// `Failed` when a number has no place in JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::to_value(self).context(|| "cannot write the evidence".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workflows::gate::Kind;

    #[test]
    fn what_is_written_is_read_and_so_is_what_older_builds_wrote() {
        let check = Check::new(Kind::Require, "f1", Some(0.6), ">= 0.55".into(), Verdict::Pass);
        let evidence = Evidence { golden_rows: 8, ..Evidence::new(Verdict::Pass, vec![check], None) };
        let json = evidence.json().unwrap();
        assert_eq!((&json["format_version"], &json["policy"]), (&json!(1), &json!(null)));
        assert_eq!(serde_json::from_value::<Evidence>(json.clone()).unwrap(), evidence);
        // A row of the build before `format_version`.
        let older = json!({
            "verdict": "inconclusive", "policy": null, "candidates": [], "golden_rows": 8, "rules": {"to": "Production"},
            "checks": [{"kind": "versus_production", "metric": "f1", "value": 0.61, "rule": "better than production",
                        "verdict": "inconclusive", "passed": false, "detail": "n = 40"}],
            "compared_on": {"rows": 40, "learned": 3, "candidate": "a".repeat(32), "production": "b".repeat(32),
                            "test_ids": "c"},
        });
        let read: Evidence = serde_json::from_value(older).unwrap();
        assert_eq!((read.format_version, read.verdict, read.checks.len()), (0, Verdict::Inconclusive, 1));
        assert_eq!(read.compared_on.map(|on| (on.rows, on.learned)), Some((40, 3)));
        // A row of the first build: its lines had neither kind nor verdict.
        let first = json!({
            "checks": [{"metric": "f1", "value": 0.51, "rule": ">= 0.55", "passed": false}], "candidates": [],
            "golden_rows": 8,
        });
        let read: Evidence = serde_json::from_value(first).unwrap();
        let line = Check::new(Kind::Require, "f1", Some(0.51), ">= 0.55".into(), Verdict::Fail);
        assert_eq!((read.verdict, read.checks), (Verdict::Fail, vec![line]));
        // A rollback's row.
        assert!(serde_json::from_value::<Evidence>(json!({"golden_rows": 8})).is_err());
    }
}
