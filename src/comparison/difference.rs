//! The difference between two models in one metric, and what it proves.
//!
//! `effect` is a gain in the metric's better direction: positive when the candidate is better, for losses too. All bounds
//! are of the effect.
//!
//! **One rule decides**: better when p is at most 1 − level *and* the two-sided interval lies above 0; worse when it lies
//! below 0; else inconclusive. The tests are built so that the two agree; where they disagree at the edge, `note` says so.
//! When only m rows are answered differently, no paired test can reach a p below 2^(1−m) (each of them could as well have
//! gone the other way): p is raised to that, and bounds that claim more are moved to 0.
//!
//! `rows_needed` is the number of rows at which this verdict would be reached with a power of 80 % if the effect and the
//! spread seen here were the true ones. It is given for inconclusive verdicts.

use serde::{Deserialize, Serialize};

use super::options::Options;
use super::test_kind::TestKind;
use crate::metrics::metric::{Direction, Value};
use crate::stats::sample_size::{Aim, Sides};
use crate::text::thousands;

/// How the note ends that p and interval disagree.
const EDGE: &str = ": inconclusive";

/// What a difference proves of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The candidate is better.
    Better,
    /// The candidate is worse.
    Worse,
    /// Either may be.
    Inconclusive,
}

/// What is paired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Rows.
    #[default]
    Rows,
    /// Queries, each with one value.
    Queries,
}

impl Unit {
    /// `1 row`, `2 queries`.
    #[must_use]
    pub fn counted(self, number: u64) -> String {
        let word = match (self, number) {
            (Self::Rows, 1) => "row",
            (Self::Rows, _) => "rows",
            (Self::Queries, 1) => "query",
            (Self::Queries, _) => "queries",
        };
        format!("{} {word}", thousands(number))
    }

    /// `rows`, `queries`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Queries => "queries",
        }
    }

    /// `row`, `query`.
    #[must_use]
    pub fn one(self) -> &'static str {
        match self {
            Self::Rows => "row",
            Self::Queries => "query",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_rows(&self) -> bool {
        *self == Self::Rows
    }
}

/// Rows that only one of the models gets right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discordant {
    /// The baseline is wrong and the candidate right.
    pub n01: u64,
    /// The baseline is right and the candidate wrong.
    pub n10: u64,
}

/// Two models in one metric on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The metric.
    pub metric: String,
    /// Whether more is better.
    pub maximize: bool,
    /// Rows, or queries.
    pub n: u64,
    /// Which of the two.
    #[serde(default, skip_serializing_if = "Unit::is_rows")]
    pub unit: Unit,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// The candidate's value.
    pub candidate: Option<f64>,
    /// Why there is no value or no test, such as `1 class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gain of the candidate: positive when it is better.
    pub effect: Option<f64>,
    /// The lower end of the two-sided interval of the effect.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The level of the two-sided interval, and 1 − the p at which the verdict is decided.
    pub level: f64,
    /// The one-sided lower bound of the effect at `alpha`.
    pub lower: Option<f64>,
    /// The one-sided upper bound of the effect at `alpha`.
    pub upper: Option<f64>,
    /// The chance that a one-sided bound is wrong.
    pub alpha: f64,
    /// The standard error of the effect.
    pub se: Option<f64>,
    /// The two-sided p-value.
    pub p: Option<f64>,
    /// p corrected for many candidates (Holm), where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p: Option<f64>,
    /// The test, in full.
    pub test: String,
    /// How the interval was made, in full.
    pub interval: String,
    /// The test that was run.
    pub kind: TestKind,
    /// For McNemar's test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discordant: Option<Discordant>,
    /// Rows that the two answer differently; none where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differing: Option<u64>,
    /// What it proves.
    pub verdict: Verdict,
    /// Rows that would decide.
    pub rows_needed: Option<u64>,
    /// What a reader should know besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a test found.
pub(super) struct Evidence {
    pub effect: f64,
    /// Two-sided at the level.
    pub interval: (f64, f64),
    /// One-sided at alpha: lower, upper.
    pub bounds: (f64, f64),
    pub se: f64,
    pub p: f64,
    pub test: String,
    pub method: String,
    /// Rows that the two models answer differently.
    pub differing: u64,
    pub discordant: Option<Discordant>,
}

impl Difference {
    /// Both values, and no test yet.
    pub(super) fn of(
        metric: &str,
        direction: Direction,
        n: usize,
        values: [Value; 2],
        (kind, options): (TestKind, &Options),
    ) -> Self {
        let [baseline, candidate] = values;
        let reason = baseline.err().or(candidate.err()).map(Into::into);
        Self {
            metric: metric.to_owned(),
            maximize: direction == Direction::Maximize,
            n: n as u64,
            unit: Unit::Rows,
            baseline: baseline.ok(),
            candidate: candidate.ok(),
            reason,
            effect: None,
            low: None,
            high: None,
            level: options.level,
            lower: None,
            upper: None,
            alpha: options.alpha,
            se: None,
            p: None,
            adjusted_p: None,
            test: String::new(),
            interval: String::new(),
            kind,
            discordant: None,
            differing: None,
            verdict: Verdict::Inconclusive,
            rows_needed: None,
            note: None,
        }
    }

    /// Without a test, for the reason given; the effect stands where there are two values.
    pub(super) fn untested(mut self, reason: &str) -> Self {
        self.effect = self
            .baseline
            .zip(self.candidate)
            .map(|(baseline, candidate)| if self.maximize { candidate - baseline } else { baseline - candidate });
        self.reason.get_or_insert_with(|| reason.to_owned());
        self
    }

    /// With what a test found.
    pub(super) fn judged(mut self, mut evidence: Evidence) -> Self {
        let halvings = i32::try_from(evidence.differing.min(2000)).unwrap_or(i32::MAX);
        let chance = 0.5_f64.powi(halvings);
        if evidence.differing == 0 {
            self.note = Some(format!("no {} tells the two apart", self.unit.one()));
        } else if 2.0 * chance > 1.0 - self.level {
            let be = if evidence.differing == 1 { "is" } else { "are" };
            let rows = self.unit.counted(evidence.differing);
            self.note = Some(format!("only {rows} {be} answered differently: too few to prove anything"));
        }
        if 2.0 * chance > 1.0 - self.level {
            evidence.interval = (evidence.interval.0.min(0.0), evidence.interval.1.max(0.0));
        }
        if chance > self.alpha {
            evidence.bounds = (evidence.bounds.0.min(0.0), evidence.bounds.1.max(0.0));
        }
        self.effect = Some(evidence.effect);
        (self.low, self.high) = (Some(evidence.interval.0), Some(evidence.interval.1));
        (self.lower, self.upper) = (Some(evidence.bounds.0), Some(evidence.bounds.1));
        self.se = Some(evidence.se);
        self.p = Some(evidence.p.max((2.0 * chance).min(1.0)));
        (self.test, self.interval) = (evidence.test, evidence.method);
        self.discordant = evidence.discordant;
        self.differing = Some(evidence.differing);
        self.decide();
        self
    }

    /// Decides the verdict by the corrected p where there is one, and what follows from it.
    pub(super) fn decide(&mut self) {
        let (Some(p), Some(low), Some(high)) = (self.adjusted_p.or(self.p), self.low, self.high) else { return };
        let significant = p <= 1.0 - self.level + 1e-12;
        self.verdict = match (significant, low > 0.0, high < 0.0) {
            (true, true, _) => Verdict::Better,
            (true, _, true) => Verdict::Worse,
            _ => Verdict::Inconclusive,
        };
        let apart = low > 0.0 || high < 0.0;
        // What was said of the uncorrected p does not stay.
        self.note = self.note.take().filter(|note| !note.ends_with(EDGE));
        if significant != apart && self.note.is_none() {
            let word = if self.adjusted_p.is_some() { "corrected p" } else { "p" };
            let side = if apart {
                "not small enough, though the interval leaves 0 out"
            } else {
                "small, but the interval holds 0"
            };
            self.note = Some(format!("{word} is {side}{EDGE}"));
        }
        self.rows_needed = if self.verdict == Verdict::Inconclusive { self.rows_to_decide() } else { None };
    }

    /// Whether the note only says that p and the interval disagree.
    #[must_use]
    pub fn is_at_the_edge(&self) -> bool {
        self.note.as_ref().is_some_and(|note| note.ends_with(EDGE))
    }

    /// Rows at which a test like this, two-sided at the level and corrected as p was, sees the effect.
    fn rows_to_decide(&self) -> Option<u64> {
        let (effect, se) = (self.effect?, self.se?);
        let corrected = self.adjusted_p.zip(self.p).map_or(1.0, |(adjusted, p)| (adjusted / p).max(1.0));
        let aim = Aim { alpha: (1.0 - self.level) / corrected, sides: Sides::Two, ..Aim::default() };
        let rows = match self.discordance() {
            Some(discordance) => aim.mcnemar_rows(discordance, effect),
            None if se > 0.0 => aim.rows(self.n, effect, se),
            None => None,
        };
        rows.map(|rows| rows.max(self.n + 1))
    }

    /// The smallest true gain that a one-sided test at `alpha` over `rows` rows like these sees with a power of 80 %;
    /// none where the spread is not known. With `rows` = `n`, what this comparison could see.
    #[must_use]
    pub fn detectable_gain(&self, rows: u64) -> Option<f64> {
        let aim = Aim { alpha: self.alpha, ..Aim::default() };
        if let Some(discordance) = self.discordance() {
            return (rows > 0 && discordance > 0.0).then(|| aim.mcnemar_effect(discordance, rows));
        }
        let se = self.se.filter(|se| *se > 0.0 && rows > 0)?;
        Some(aim.effect(se * (self.n as f64 / rows as f64).sqrt()))
    }

    fn discordance(&self) -> Option<f64> {
        self.discordant.map(|found| (found.n01 + found.n10) as f64 / self.n as f64)
    }
}
