//! The decision: drift is what is significant *and* large enough, over all columns of a check.
//!
//! Every column gives a p-value; Holm's procedure over them keeps the chance of even one false alarm in a check below α,
//! whatever the number of columns (Benjamini–Hochberg's q-values are reported beside it). The threshold that is shown is
//! what the value had to exceed: the larger of τ at the level where Holm's procedure stood for that column, and the effect
//! floor.
//!
//! **The floor.** With 100,000 rows τ falls below 0.0005, and every column of real data drifts. The floor is KL = 0.01, a
//! move of 0.14 standard deviations, below Cohen's "small effect" (0.2): at the default window of 1,000 rows it never
//! decides (τ is 0.018 there), so no power is lost; it only keeps large windows from crying wolf.
//!
//! `rule: bands` takes the bands literally instead: drift is KL > 0.3, without a test. Severity is by the bands: normal,
//! slight (0.3–0.5), significant (> 0.5), severe (> 1.0). What is no drift is normal.

use serde::{Deserialize, Serialize};

use super::chosen::Statistic;
use super::statistic::{DriftStatistic, Null, Sides};
use crate::error::{Error, Result};
use crate::stats::adjust::{benjamini_hochberg, holm};
use crate::tracking::Severity;

/// What counts as drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Significant, and above the effect floor.
    #[default]
    Significant,
    /// Above the first band.
    Bands,
}

impl Rule {
    /// Both, in the order in which they are told.
    pub const NAMES: [(&str, Self); 2] = [("significant", Self::Significant), ("bands", Self::Bands)];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Significant => "significant",
            Self::Bands => "bands",
        }
    }
}

/// How a model is checked: the part of `drift:` that is frozen with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The statistic of columns that fall into its kinds.
    pub statistic: Statistic,
    /// The chance of a false alarm in one check, over all columns.
    pub alpha: f64,
    /// The effect floor of that statistic; its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_floor: Option<f64>,
    /// Predictions of the log that make a window.
    pub window: u64,
    /// What counts as drift.
    pub rule: Rule,
}

impl Default for Settings {
    fn default() -> Self {
        Self { statistic: Statistic::default(), alpha: 0.01, effect_floor: None, window: 1000, rule: Rule::Significant }
    }
}

/// The severity of an effect, by a statistic's bands.
#[must_use]
pub fn severity_of(effect: f64, bands: [f64; 3]) -> Severity {
    match effect {
        effect if effect > bands[2] => Severity::Severe,
        effect if effect > bands[1] => Severity::Significant,
        effect if effect > bands[0] => Severity::Slight,
        _ => Severity::Normal,
    }
}

/// One hypothesis of a check: a column has not changed.
pub struct Case<'a> {
    /// The statistic.
    pub statistic: &'static dyn DriftStatistic,
    /// Both sides.
    pub sides: Sides<'a>,
    /// The statistic's value.
    pub value: f64,
    /// What it would be without a change.
    pub null: Null,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The p-value.
    pub p: f64,
    /// Holm's adjusted p-value, which decides.
    pub p_holm: f64,
    /// Benjamini and Hochberg's.
    pub q: f64,
    /// What the value had to exceed.
    pub threshold: f64,
    /// Whether it did.
    pub drift: bool,
    /// How bad it is.
    pub severity: Severity,
}

/// Replicates that a drawn null may need, so that a small p-value can be small enough for Holm's first step.
#[must_use]
pub fn replicates(cases: usize, alpha: f64) -> usize {
    ((4.0 * cases as f64 / alpha) as usize).clamp(999, 49_999)
}

/// Judges all hypotheses of a check together.
#[must_use]
pub fn judge(cases: &[Case<'_>], settings: &Settings) -> Vec<Verdict> {
    let p: Vec<f64> = cases.iter().map(|case| case.null.p(case.value)).collect();
    let (adjusted, q) = (holm(&p), benjamini_hochberg(&p));
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|left, right| p[*left].total_cmp(&p[*right]));
    let rejected = adjusted.iter().filter(|p| **p <= settings.alpha).count();
    let mut verdicts = vec![None; p.len()];
    for (rank, at) in order.into_iter().enumerate() {
        let (case, statistic) = (&cases[at], cases[at].statistic);
        let scale = statistic.scale();
        let effect = statistic.effect(&case.sides, case.value);
        let (threshold, drift) = match settings.rule {
            Rule::Bands => (statistic.value_of_effect(&case.sides, scale.bands[0]), effect > scale.bands[0]),
            Rule::Significant => {
                let own = statistic.name() == settings.statistic.name();
                let floor = settings.effect_floor.filter(|_| own).unwrap_or(scale.floor);
                // Where Holm's procedure stood for this column: it stops at the first that is not significant.
                let level = settings.alpha / (p.len() - rank.min(rejected)) as f64;
                let tau = case.null.tau(level).max(statistic.value_of_effect(&case.sides, floor));
                (tau, adjusted[at] <= settings.alpha && effect > floor)
            }
        };
        let severity = if drift { severity_of(effect, scale.bands) } else { Severity::Normal };
        verdicts[at] = Some(Verdict { p: p[at], p_holm: adjusted[at], q: q[at], threshold, drift, severity });
    }
    verdicts.into_iter().flatten().collect()
}

/// Days of a month: 365.25 / 12.
const MONTH: f64 = 30.4375;

/// Something so many times in a period: `1/month`, `4/day`.
///
/// # Errors
/// `Invalid` when it is not a number above 0 and a period.
pub fn per_day(text: &str) -> Result<f64> {
    let wrong = || {
        Error::invalid(format!("`{text}` is not a rate")).hint("a number and a period: `1/month`, `2/week`, `24/day`")
    };
    let (count, period) = text.split_once('/').ok_or_else(wrong)?;
    let days = match period.trim() {
        "hour" => 1.0 / 24.0,
        "day" => 1.0,
        "week" => 7.0,
        "month" => MONTH,
        "year" => 365.25,
        _ => return Err(wrong()),
    };
    let count: f64 = count.trim().parse().map_err(|_| wrong())?;
    if count > 0.0 && count.is_finite() { Ok(count / days) } else { Err(wrong()) }
}

/// α of one check: false alarms per month divided by checks per month.
///
/// # Errors
/// `Invalid` when a rate is none, or the alarms are so many that a test would mean nothing.
pub fn alpha_of(false_alarms: &str, checks: &str) -> Result<f64> {
    let alpha = per_day(false_alarms)? / per_day(checks)?;
    if alpha >= 0.5 {
        return Err(Error::invalid(format!("{false_alarms} false alarms with {checks} checks make α = {alpha:.2}"))
            .hint("α must stay below 0.5: allow fewer alarms, or check more often"));
    }
    Ok(alpha)
}

#[cfg(test)]
mod tests {
    use super::super::kl::Kl;
    use super::super::statistic::{Counts, Draws};
    use super::*;

    fn case(reference: [u64; 4], current: [u64; 4]) -> Case<'static> {
        let counts = Counts { reference: reference.to_vec(), current: current.to_vec() };
        let sides = Sides { counts, ..Sides::default() };
        let value = Kl.value(&sides).unwrap();
        let null = Kl.null(&sides, value, Draws { most: 999, seed: 1 });
        Case { statistic: &Kl, sides, value, null }
    }

    #[test]
    fn significant_alone_is_not_enough() {
        // 1,000,000 rows and a share of 26 % for 25 %: certain, and without meaning.
        let sure = case([250_000; 4], [260_000, 250_000, 245_000, 245_000]);
        let verdict = judge(std::slice::from_ref(&sure), &Settings::default())[0];
        assert!(verdict.p < 1e-9 && !verdict.drift && verdict.severity == Severity::Normal);
        assert_eq!(verdict.threshold, 0.01);
        let lower = Settings { effect_floor: Some(0.0001), ..Settings::default() };
        assert!(judge(&[sure], &lower)[0].drift);
    }

    #[test]
    fn large_alone_is_not_enough() {
        let few = case([25; 4], [4, 1, 0, 3]);
        let verdict = judge(std::slice::from_ref(&few), &Settings::default())[0];
        assert!(few.value > 0.1 && !verdict.drift, "{} {verdict:?}", few.value);
        let bands = Settings { rule: Rule::Bands, ..Settings::default() };
        assert_eq!(judge(&[case([250; 4], [800, 100, 50, 50])], &bands)[0].threshold, 0.3);
        assert!(judge(&[case([250; 4], [800, 100, 50, 50])], &bands)[0].drift);
        assert!(!judge(&[case([250; 4], [400, 200, 200, 200])], &bands)[0].drift);
    }

    #[test]
    fn drift_is_a_value_above_the_threshold_that_is_shown() {
        let moved = [
            [250, 250, 250, 250],
            [290, 250, 250, 210],
            [300, 250, 250, 200],
            [330, 250, 250, 170],
            [360, 250, 250, 140],
        ];
        let cases: Vec<Case<'_>> = moved.into_iter().map(|current| case([2500; 4], current)).collect();
        let verdicts = judge(&cases, &Settings::default());
        for (case, verdict) in cases.iter().zip(&verdicts) {
            assert_eq!(verdict.drift, case.value > verdict.threshold, "{} {verdict:?}", case.value);
            assert!(verdict.p <= verdict.q && verdict.q <= verdict.p_holm);
        }
        assert_eq!(verdicts.iter().map(|verdict| verdict.drift).collect::<Vec<_>>(), [false, false, true, true, true]);
        assert!(judge(&[], &Settings::default()).is_empty());
    }

    #[test]
    fn severity_is_by_the_bands() {
        let bands = [0.3, 0.5, 1.0];
        let of = [0.3, 0.31, 0.5, 0.51, 1.0, 1.01].map(|effect| severity_of(effect, bands).as_str());
        assert_eq!(of, ["normal", "slight", "slight", "significant", "significant", "severe"]);
        assert!(Severity::Severe > Severity::Slight);
    }

    #[test]
    fn false_alarms_make_alpha() {
        assert!((alpha_of("1/month", "1/day").unwrap() - 1.0 / 30.4375).abs() < 1e-15);
        assert!((alpha_of("12/year", "24/day").unwrap() - 12.0 / 365.25 / 24.0).abs() < 1e-15);
        for (alarms, checks) in
            [("1", "1/day"), ("x/day", "1/day"), ("0/day", "1/day"), ("1/fortnight", "1/day"), ("1/day", "1/day")]
        {
            assert!(alpha_of(alarms, checks).is_err(), "{alarms} {checks}");
        }
    }
}
