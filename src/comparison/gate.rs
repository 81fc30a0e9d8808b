//! The gate in front of production: a difference, a rule, and pass, fail or inconclusive.
//!
//! All bounds are one-sided at the difference's `alpha`.
//!
//! | rule | pass | fail |
//! |---|---|---|
//! | superiority | lower bound > 0 | upper bound ≤ 0 |
//! | minimum effect m | lower bound > 0 and effect ≥ m | upper bound < m |
//! | non-inferiority, margin d | lower bound > −d | upper bound ≤ −d |
//!
//! Everything else is inconclusive, also a difference that could not be tested. A minimum effect asks that the gain is
//! certain and that the best estimate of it is worth the change; it does not ask that the lower bound reaches m, which
//! a candidate exactly m better would almost never pass. Two equal models pass superiority with a chance of `alpha`.

use serde::{Deserialize, Serialize};

use super::difference::Difference;
use crate::error::{Error, Result};
use crate::text::thousands;

/// What a candidate must show against the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It is better.
    Superiority,
    /// It is better, by at least this much as far as can be seen.
    MinimumEffect(f64),
    /// It is not worse by this much.
    NonInferiority(f64),
}

/// How a gate decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The rule is met.
    Pass,
    /// It is certain that it is not met.
    Fail,
    /// Neither is certain.
    Inconclusive,
}

/// A decision and its evidence in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How it was decided.
    pub outcome: Outcome,
    /// The numbers, for people.
    pub explanation: String,
}

impl Rule {
    /// Checks the number of the rule.
    ///
    /// # Errors
    /// `Invalid` when it is not a number of at least 0 (a margin: above 0).
    pub fn check(self) -> Result<()> {
        match self {
            Self::MinimumEffect(least) if !(least >= 0.0 && least.is_finite()) => {
                Err(Error::invalid(format!("a minimum effect of {least}, expected a number of at least 0")))
            }
            Self::NonInferiority(margin) if !(margin > 0.0 && margin.is_finite()) => {
                Err(Error::invalid(format!("a non-inferiority margin of {margin}, expected a number above 0")))
            }
            _ => Ok(()),
        }
    }
}

/// Decides a rule.
#[must_use]
pub fn decide(difference: &Difference, rule: Rule) -> Decision {
    let metric = &difference.metric;
    let (Some(effect), Some(lower), Some(upper)) = (difference.effect, difference.lower, difference.upper) else {
        let reason = difference.reason.as_deref().unwrap_or("not tested");
        return Decision { outcome: Outcome::Inconclusive, explanation: format!("{metric}: no test, {reason}") };
    };
    let (pass, fail, asks) = match rule {
        Rule::Superiority => (lower > 0.0, upper <= 0.0, "superiority asks for a lower bound above 0".to_owned()),
        Rule::MinimumEffect(least) => (
            lower > 0.0 && effect >= least,
            upper < least,
            format!("minimum effect asks for a gain of at least {least} and a lower bound above 0"),
        ),
        Rule::NonInferiority(margin) => {
            (lower > -margin, upper <= -margin, format!("non-inferiority asks for a lower bound above {:+}", -margin))
        }
    };
    let outcome = match (pass, fail) {
        (true, _) => Outcome::Pass,
        (_, true) => Outcome::Fail,
        _ => Outcome::Inconclusive,
    };
    let word = match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
    };
    let sure = sureness(difference.alpha);
    let explanation =
        format!("{metric}: gain {effect:+.4}, {sure} at least {lower:+.4} and at most {upper:+.4}; {asks}: {word}");
    Decision { outcome, explanation }
}

/// One line on what the rows can see, for before the training; none where the spread is not known.
#[must_use]
pub fn sight(difference: &Difference, rows: u64) -> Option<String> {
    let gain = 100.0 * difference.detectable_gain(rows)?;
    let (rows, alpha) = (thousands(rows), difference.alpha);
    Some(format!("n = {rows} cannot see a gain under about {gain:.1} points (80 % power, one-sided, alpha {alpha})"))
}

/// `1 - alpha` as a percentage.
fn sureness(alpha: f64) -> String {
    format!("{} % sure", (1000.0 * (1.0 - alpha)).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare::compare_values;
    use crate::comparison::options::Options;
    use crate::metrics::Direction;

    fn with(effect: f64, lower: f64, upper: f64) -> Difference {
        let values: (&[f64], &[f64]) = (&[0.1, 0.2, 0.3], &[0.2, 0.2, 0.4]);
        let found = compare_values("f1", Direction::Maximize, values, &Options::default()).expect("they fit");
        Difference { effect: Some(effect), lower: Some(lower), upper: Some(upper), ..found }
    }

    #[test]
    fn rules_pass_fail_or_leave_it_open() {
        use Outcome::{Fail, Inconclusive, Pass};
        for (rule, effect, lower, upper, outcome) in [
            (Rule::Superiority, 0.02, 0.001, 0.04, Pass),
            (Rule::Superiority, 0.02, 0.0, 0.04, Inconclusive),
            (Rule::Superiority, -0.02, -0.04, -0.001, Fail),
            (Rule::Superiority, 0.0, 0.0, 0.0, Fail),
            (Rule::MinimumEffect(0.01), 0.02, 0.001, 0.04, Pass),
            (Rule::MinimumEffect(0.03), 0.02, 0.001, 0.04, Inconclusive),
            (Rule::MinimumEffect(0.05), 0.02, 0.001, 0.04, Fail),
            (Rule::MinimumEffect(0.01), 0.02, -0.001, 0.04, Inconclusive),
            (Rule::NonInferiority(0.01), -0.002, -0.009, 0.005, Pass),
            (Rule::NonInferiority(0.01), -0.002, -0.011, 0.007, Inconclusive),
            (Rule::NonInferiority(0.01), -0.03, -0.04, -0.02, Fail),
            (Rule::NonInferiority(0.01), 0.0, 0.0, 0.0, Pass),
        ] {
            let decision = decide(&with(effect, lower, upper), rule);
            assert_eq!(decision.outcome, outcome, "{rule:?}: {}", decision.explanation);
        }
    }

    #[test]
    fn explanations_hold_the_numbers() {
        let explained = |rule| decide(&with(0.02, 0.001, 0.04), rule).explanation;
        assert_eq!(
            explained(Rule::MinimumEffect(0.03)),
            "f1: gain +0.0200, 95 % sure at least +0.0010 and at most +0.0400; minimum effect asks for a gain of at \
             least 0.03 and a lower bound above 0: inconclusive"
        );
        assert!(
            explained(Rule::NonInferiority(0.01)).ends_with("non-inferiority asks for a lower bound above -0.01: pass")
        );
        let none = compare_values("f1", Direction::Maximize, (&[], &[]), &Options::default()).expect("no error");
        let decision = decide(&none, Rule::Superiority);
        assert_eq!(
            (decision.outcome, decision.explanation.as_str()),
            (Outcome::Inconclusive, "f1: no test, no queries")
        );
    }

    #[test]
    fn numbers_of_rules_are_checked() {
        assert!(Rule::MinimumEffect(0.0).check().is_ok() && Rule::Superiority.check().is_ok());
        let wrong = |rule: Rule| rule.check().expect_err("out of range").message;
        assert_eq!(wrong(Rule::NonInferiority(0.0)), "a non-inferiority margin of 0, expected a number above 0");
        assert_eq!(wrong(Rule::MinimumEffect(-0.1)), "a minimum effect of -0.1, expected a number of at least 0");
    }

    #[test]
    fn sight_shrinks_with_the_root_of_the_rows() {
        // (1.644854 + 0.841621)·0.02 = 4.97 points at the same number of rows, half at four times.
        let found = Difference { se: Some(0.02), n: 500, ..with(0.02, 0.001, 0.04) };
        let line = "n = 500 cannot see a gain under about 5.0 points (80 % power, one-sided, alpha 0.05)";
        assert_eq!(sight(&found, 500).as_deref(), Some(line));
        assert!(
            sight(&found, 2000).is_some_and(|line| line.starts_with("n = 2,000 cannot see a gain under about 2.5 "))
        );
        assert_eq!(sight(&Difference { se: Some(0.0), ..found }, 500), None);
    }
}
