//! One line of the gate, looked at.

use serde::{Deserialize, Serialize};

use crate::comparison::Difference;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to hold it against: no version is in production.
    NotApplicable,
    /// It holds.
    Pass,
    /// The rows do not say: the interval crosses the bound.
    Inconclusive,
    /// It does not hold.
    Fail,
}

/// Which part of the gate a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A bound on a metric.
    Require,
    /// How many rows the answer rests on.
    Minimum,
    /// The comparison with production.
    VersusProduction,
    /// A metric of a subgroup.
    Subgroup,
    /// The calibration error.
    Calibration,
    /// The time of an answer.
    Latency,
    /// The bytes of a version.
    Size,
    /// The exported file against the model.
    Parity,
}

impl Kind {
    /// The word in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Minimum => "minimum",
            Self::VersusProduction => "versus_production",
            Self::Subgroup => "subgroup",
            Self::Calibration => "calibration",
            Self::Latency => "latency",
            Self::Size => "size",
            Self::Parity => "parity",
        }
    }
}

/// One line of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Check {
    /// The part of the gate.
    pub kind: Kind,
    /// What is looked at: a metric, `f1 (region=서울)`, `rows`, `latency p95`.
    pub metric: String,
    /// Its value; none when it is not defined.
    pub value: Option<f64>,
    /// The rule in words: `>= 0.55`.
    pub rule: String,
    /// What the line says.
    pub verdict: Verdict,
    /// Whether it lets the version through.
    pub passed: bool,
    /// The numbers behind it, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The paired comparison with production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Box<Difference>>,
}

/// A line as the ledger has it. The first builds knew bounds on metrics alone, and wrote neither kind nor verdict.
#[derive(Deserialize)]
struct Stored {
    kind: Option<Kind>,
    metric: String,
    value: Option<f64>,
    rule: String,
    verdict: Option<Verdict>,
    passed: bool,
    #[serde(default)]
    detail: String,
    difference: Option<Box<Difference>>,
}

impl From<Stored> for Check {
    fn from(stored: Stored) -> Self {
        let Stored { kind, metric, value, rule, verdict, passed, detail, difference } = stored;
        let verdict = verdict.unwrap_or(if passed { Verdict::Pass } else { Verdict::Fail });
        Self { kind: kind.unwrap_or(Kind::Require), metric, value, rule, verdict, passed, detail, difference }
    }
}

impl Check {
    /// A line; an inconclusive one does not pass.
    #[must_use]
    pub fn new(kind: Kind, metric: impl Into<String>, value: Option<f64>, rule: String, verdict: Verdict) -> Self {
        let passed = verdict <= Verdict::Pass;
        Self { kind, metric: metric.into(), value, rule, verdict, passed, detail: String::new(), difference: None }
    }

    /// The line with the numbers behind it.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// What all lines say together: the worst of them.
#[must_use]
pub fn overall(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Pass).max(Verdict::Pass)
}

/// How the rule of non-inferiority begins; the margin follows.
pub const NOT_WORSE_BY: &str = "not worse than production by ";

/// The refusal in one line: `f1 0.51 (needs >= 0.55)`, `roc_auc is 0.0819 below production, allowed 0.01`.
#[must_use]
pub fn refusal(checks: &[Check]) -> String {
    let failed = checks.iter().filter(|check| !check.passed);
    let text = failed.map(|check| {
        against_production(check).unwrap_or_else(|| {
            let value = check.value.map_or("n/a".to_owned(), |value| format!("{value:.4}"));
            let word = if check.verdict == Verdict::Inconclusive { "inconclusive: needs" } else { "needs" };
            format!("{} {value} ({word} {})", check.metric, check.rule)
        })
    });
    text.collect::<Vec<_>>().join(", ")
}

/// How far a version is from the one in production, and how far it may be; none where the two could not be compared.
fn against_production(check: &Check) -> Option<String> {
    let difference = check.difference.as_ref()?;
    let (baseline, candidate) = difference.baseline.zip(difference.candidate)?;
    let distance = (candidate - baseline).abs();
    let side = if candidate < baseline { "below" } else { "above" };
    let needs = match check.rule.strip_prefix(NOT_WORSE_BY) {
        Some(margin) => format!("allowed {margin}"),
        None => format!("must be {}", check.rule.replacen(" than production", "", 1)),
    };
    let unclear =
        if check.verdict == Verdict::Inconclusive { " (inconclusive: the interval reaches beyond it)" } else { "" };
    Some(format!("{} is {distance:.4} {side} production, {needs}{unclear}", check.metric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::TestKind;

    #[test]
    fn a_refusal_says_how_far_it_is_and_how_far_it_may_be() {
        let between = |rule: &str, baseline: f64, candidate: f64, verdict| {
            let difference = serde_json::json!({
                "metric": "roc_auc", "maximize": true, "n": 100, "baseline": baseline, "candidate": candidate,
                "effect": candidate - baseline, "low": -0.1, "high": 0.1, "level": 0.95, "lower": -0.1, "upper": 0.1,
                "alpha": 0.05, "se": 0.05, "p": 0.5, "test": "", "interval": "", "kind": TestKind::default(),
                "verdict": "inconclusive", "rows_needed": null,
            });
            let value = Some(candidate - baseline);
            let check = Check::new(Kind::VersusProduction, "roc_auc", value, rule.to_owned(), verdict);
            Check { difference: Some(Box::new(serde_json::from_value(difference).unwrap())), ..check }
        };
        let rule = format!("{NOT_WORSE_BY}0.01");
        let failed = between(&rule, 0.9919, 0.91, Verdict::Fail);
        let unclear = between("better than production by 0.05", 0.9, 0.92, Verdict::Inconclusive);
        let bound = Check::new(Kind::Require, "f1", Some(0.51), ">= 0.55".into(), Verdict::Fail);
        let passed = Check::new(Kind::Require, "f1", Some(0.6), ">= 0.55".into(), Verdict::Pass);
        assert_eq!(
            refusal(&[failed, unclear, bound, passed]),
            "roc_auc is 0.0819 below production, allowed 0.01, \
             roc_auc is 0.0200 above production, must be better by 0.05 (inconclusive: the interval reaches beyond it), f1 0.5100 (needs >= 0.55)"
        );
    }
}
