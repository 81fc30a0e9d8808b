//! Whether drift asks for a retrain: events, the last reset and now → advice, with its reasons in words.
//!
//! Advised when at least `min_windows` (5) windows with drift ended in the last `days` (7) days, or when one severe event
//! stands on a full window of that time; never within `cool_down_days` (7) after a reset, which a retrain leaves behind.
//! Seven days of cool-down are the days that are counted: whatever the reset has set aside is out of sight when it ends,
//! and a drift that a retrain cannot mend asks at most once a week.
//!
//! Windows are counted, not events: several columns of one window are one. Windows count by the time of their data and
//! do not overlap: of those that share time the ones that end first are taken (the largest number of windows without
//! overlap). An event counts when its window ended within the days, it was found for the version that serves, and it is
//! not from before the reset: recorded after it, about a window that ended after it. An event of the future counts when
//! its time has come. A reset that lies more than a day ahead was written by a clock that went wrong: it is told, and
//! does not count, or no retrain would be advised before that clock comes true.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::Version;
use crate::text::DAY_MS;
use crate::tracking::{DriftEvent, DriftReset, Severity};

/// The longest span of a rule, in days.
pub const LONGEST_DAYS: u32 = 36_500;

/// When drift asks for a retrain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RetrainRule {
    /// So many windows with drift.
    pub min_windows: u32,
    /// In so many days.
    pub days: u32,
    /// But not within so many days after a reset.
    pub cool_down_days: u32,
}

impl Default for RetrainRule {
    fn default() -> Self {
        Self { min_windows: 5, days: 7, cool_down_days: 7 }
    }
}

impl RetrainRule {
    /// Checks the numbers.
    ///
    /// # Errors
    /// `Invalid`, naming the one that is out of bounds.
    pub fn check(&self) -> Result<()> {
        let bounds = [
            ("windows", self.min_windows, 1, 1_000_000),
            ("days", self.days, 1, LONGEST_DAYS),
            ("days of cool-down", self.cool_down_days, 0, LONGEST_DAYS),
        ];
        for (what, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(format!("{value} {what}: expected {least} to {most}")));
            }
        }
        Ok(())
    }
}

/// Whether an event counts towards a retrain, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    Counts,
    /// Its window ended before the days that are counted.
    TooOld,
    /// The time of its window has not come yet.
    Future,
    /// It was found, or its window ended, before the last reset.
    BeforeReset,
    /// It is about a version that does not serve.
    OtherVersion,
}

/// What is known beside the events.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The last reset.
    pub reset: Option<&'a DriftReset>,
    /// The version in production; without one, events of all versions count.
    pub serving: Option<Version>,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
}

impl<'a> Situation<'a> {
    /// The last reset, unless its time has not come yet.
    fn believed(&self) -> Option<&'a DriftReset> {
        self.reset.filter(|reset| reset.at_ms <= self.now_ms.saturating_add(DAY_MS))
    }
}

/// Whether to retrain, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Whether to.
    pub should_retrain: bool,
    /// Why, or why not: at least one line.
    pub reasons: Vec<String>,
    /// Windows with drift that count.
    pub events: usize,
    /// Severe events on full windows that count.
    pub severe: usize,
    /// The days that were looked at.
    pub days: u32,
    /// Until when no retrain is advised, in milliseconds since the epoch.
    pub cooling_down_until_ms: Option<i64>,
}

/// Whether an event counts.
#[must_use]
pub fn standing(rule: &RetrainRule, event: &DriftEvent, situation: &Situation<'_>) -> Standing {
    let (reset, serving, now_ms) = (situation.believed(), situation.serving, situation.now_ms);
    let before = |reset: &DriftReset| event.recorded_ms <= reset.at_ms || event.window_to_ms <= reset.at_ms;
    if serving.is_some_and(|serving| serving != event.version) {
        Standing::OtherVersion
    } else if reset.is_some_and(before) {
        Standing::BeforeReset
    } else if event.window_to_ms < now_ms.saturating_sub(i64::from(rule.days) * DAY_MS) {
        Standing::TooOld
    } else if event.window_to_ms > now_ms.saturating_add(DAY_MS) {
        Standing::Future
    } else {
        Standing::Counts
    }
}

/// The largest number of windows, `(from, to)`, that do not overlap; windows that touch do not.
#[must_use]
pub fn distinct_windows(events: &[&DriftEvent]) -> usize {
    let mut windows: Vec<(i64, i64)> = events.iter().map(|event| (event.window_to_ms, event.window_from_ms)).collect();
    windows.sort_unstable();
    windows.dedup();
    let (mut count, mut end) = (0, i64::MIN);
    for (to, from) in windows {
        if from >= end {
            count += 1;
            end = to;
        }
    }
    count
}

/// What the rule says of these events.
#[must_use]
pub fn advise(rule: &RetrainRule, events: &[DriftEvent], situation: &Situation<'_>) -> Advice {
    let counted: Vec<&DriftEvent> =
        events.iter().filter(|event| standing(rule, event, situation) == Standing::Counts).collect();
    let windows = distinct_windows(&counted);
    let severe: Vec<&&DriftEvent> =
        counted.iter().filter(|event| event.severity == Severity::Severe && event.full_window).collect();
    let (least, days) = (rule.min_windows as usize, rule.days);
    let mut reasons = Vec::new();
    if windows >= least {
        reasons.push(format!(
            "{} in {} (at least {least})",
            many(windows, "drifted window"),
            many(days as usize, "day")
        ));
    }
    if let Some(last) = severe.iter().max_by_key(|event| event.window_to_ms) {
        let latest = if severe.len() > 1 { "the latest " } else { "" };
        let (count, what) = (many(severe.len(), "severe event"), &last.statistic);
        reasons.push(format!("{count} on a full window: {latest}{what} of `{}`", last.feature));
    }
    let asked = !reasons.is_empty();
    let cooling = situation.believed().map(|reset| (reset, reset.at_ms.saturating_add(cool_down_ms(rule))));
    let cooling = cooling.filter(|(_, until)| situation.now_ms < *until);
    if !asked {
        let span = many(days as usize, "day");
        let windows = many(windows, "drifted window");
        reasons.push(format!("{windows} in {span} (needs {least}, or one severe on a full window)"));
    }
    if let Some((reset, until)) = cooling {
        let left = (until - situation.now_ms) as f64 / DAY_MS as f64;
        let why = if reset.reason.is_empty() { String::new() } else { format!(" ({})", reset.reason) };
        let whole = many(rule.cool_down_days as usize, "day");
        reasons.push(format!("cooling down for {left:.1} of {whole} since the reset by {}{why}", reset.actor));
    }
    if let Some(reset) = situation.reset.filter(|_| situation.believed().is_none()) {
        let ahead = (reset.at_ms - situation.now_ms) as f64 / DAY_MS as f64;
        reasons
            .push(format!("the reset by {} lies {ahead:.1} days ahead of this clock and does not count", reset.actor));
    }
    Advice {
        should_retrain: asked && cooling.is_none(),
        reasons,
        events: windows,
        severe: severe.len(),
        days,
        cooling_down_until_ms: cooling.map(|(_, until)| until),
    }
}

fn cool_down_ms(rule: &RetrainRule) -> i64 {
    i64::from(rule.cool_down_days) * DAY_MS
}

fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ModelName;

    const NOW: i64 = 1_795_276_800_000;
    const HOUR_MS: i64 = DAY_MS / 24;

    /// An event whose window, an hour long, ended so many milliseconds ago.
    fn event(ago_ms: i64) -> DriftEvent {
        DriftEvent {
            id: ago_ms.to_string(),
            model: ModelName::parse("reviews").unwrap(),
            version: Version(2),
            feature: "score".into(),
            statistic: "kl".into(),
            value: 0.4,
            threshold: 0.02,
            severity: Severity::Slight,
            window_from_ms: NOW - ago_ms - HOUR_MS,
            window_to_ms: NOW - ago_ms,
            n: 1000,
            full_window: true,
            recorded_ms: NOW - ago_ms + 1,
        }
    }

    fn severe(ago_ms: i64, full_window: bool) -> DriftEvent {
        DriftEvent { severity: Severity::Severe, value: 1.25, full_window, ..event(ago_ms) }
    }

    /// One event on each of the last so many days.
    fn daily(days: i64) -> Vec<DriftEvent> {
        (0..days).map(|day| event(day * DAY_MS)).collect()
    }

    fn reset(ago_ms: i64) -> DriftReset {
        DriftReset { model: "reviews".into(), at_ms: NOW - ago_ms, actor: "kim".into(), reason: "retrained: v2".into() }
    }

    fn asked(events: &[DriftEvent], reset: Option<&DriftReset>) -> Advice {
        advise(&RetrainRule::default(), events, &Situation { reset, serving: Some(Version(2)), now_ms: NOW })
    }

    #[test]
    fn five_windows_in_seven_days_ask_for_a_retrain_and_four_do_not() {
        let five = asked(&daily(5), None);
        assert!(five.should_retrain);
        assert_eq!((five.events, five.severe, five.days, five.cooling_down_until_ms), (5, 0, 7, None));
        assert_eq!(five.reasons, ["5 drifted windows in 7 days (at least 5)"]);
        let four = asked(&daily(4), None);
        assert!(!four.should_retrain);
        assert_eq!(four.reasons, ["4 drifted windows in 7 days (needs 5, or one severe on a full window)"]);
        assert_eq!(asked(&[], None).reasons, ["0 drifted windows in 7 days (needs 5, or one severe on a full window)"]);
    }

    #[test]
    fn the_seven_days_end_where_they_end() {
        let on_the_edge = [daily(4), vec![event(7 * DAY_MS)]].concat();
        assert!(asked(&on_the_edge, None).should_retrain);
        let beyond = [daily(4), vec![event(7 * DAY_MS + 1)]].concat();
        assert_eq!((asked(&beyond, None).should_retrain, asked(&beyond, None).events), (false, 4));
        let to_come = [daily(4), vec![event(-DAY_MS)]].concat();
        assert!(asked(&to_come, None).should_retrain, "clocks differ by less than a day");
        let future = [daily(4), vec![event(-DAY_MS - 1)]].concat();
        assert!(!asked(&future, None).should_retrain);
    }

    #[test]
    fn columns_of_one_window_are_one_and_windows_that_overlap_are_not_two() {
        let columns: Vec<DriftEvent> =
            (0..20).map(|column| DriftEvent { feature: column.to_string(), ..event(DAY_MS) }).collect();
        assert_eq!(asked(&columns, None).events, 1);
        // A sliding window, checked every ten minutes for five hours: five hours hold five windows of an hour.
        let sliding: Vec<DriftEvent> = (0..=24).map(|step| event(step * HOUR_MS / 6)).collect();
        assert_eq!(asked(&sliding, None).events, 5);
        // One window that holds all others does not hide them.
        let long = DriftEvent { window_from_ms: NOW - 6 * DAY_MS, ..event(0) };
        assert_eq!(asked(&[vec![long], daily(4)].concat(), None).events, 4);
        // Windows of one moment each, and one that begins where another ends.
        let moment = |ago_ms: i64| DriftEvent { window_from_ms: NOW - ago_ms, ..event(ago_ms) };
        assert_eq!(asked(&[moment(1), moment(2), moment(2), event(2)], None).events, 3);
    }

    #[test]
    fn one_severe_event_on_a_full_window_is_enough() {
        let advice = asked(&[severe(HOUR_MS, true)], None);
        assert!(advice.should_retrain);
        assert_eq!((advice.events, advice.severe), (1, 1));
        assert_eq!(advice.reasons, ["1 severe event on a full window: kl of `score`"]);
        let partial = asked(&[severe(HOUR_MS, false)], None);
        assert_eq!((partial.should_retrain, partial.events, partial.severe), (false, 1, 0));
        assert!(!asked(&[severe(8 * DAY_MS, true)], None).should_retrain);
        let both = asked(&[daily(5), vec![severe(HOUR_MS, true)]].concat(), None);
        assert_eq!(both.reasons.len(), 2);
        let two = [severe(2 * HOUR_MS, true), DriftEvent { feature: "a".into(), ..severe(HOUR_MS, true) }];
        assert_eq!(asked(&two, None).reasons, ["2 severe events on a full window: the latest kl of `a`"]);
    }

    #[test]
    fn after_a_reset_older_events_do_not_count_and_newer_ones_wait() {
        let events = [daily(6), vec![severe(3 * DAY_MS, true)]].concat();
        assert!(asked(&events, None).should_retrain);
        let just_now = asked(&events, Some(&reset(0)));
        assert_eq!((just_now.should_retrain, just_now.events, just_now.severe), (false, 0, 0));
        assert_eq!(just_now.cooling_down_until_ms, Some(NOW + 7 * DAY_MS));
        let newer = asked(&[severe(HOUR_MS, true)], Some(&reset(2 * DAY_MS)));
        assert_eq!((newer.should_retrain, newer.severe), (false, 1));
        assert_eq!(
            newer.reasons,
            [
                "1 severe event on a full window: kl of `score`",
                "cooling down for 5.0 of 7 days since the reset by kim (retrained: v2)",
            ]
        );
        assert!(asked(&[severe(HOUR_MS, true)], Some(&reset(7 * DAY_MS))).should_retrain, "the cool-down is over");
        assert!(!asked(&[severe(HOUR_MS, true)], Some(&reset(7 * DAY_MS - 1))).should_retrain);
        // A window of before the reset that was looked at after it is of before it.
        let late = DriftEvent { recorded_ms: NOW, ..severe(9 * DAY_MS, true) };
        let rule = RetrainRule { days: 30, ..RetrainRule::default() };
        let reset = reset(8 * DAY_MS);
        let situation = Situation { reset: Some(&reset), serving: None, now_ms: NOW };
        assert!(!advise(&rule, &[late], &situation).should_retrain);
    }

    #[test]
    fn a_reset_by_a_clock_that_was_ahead_does_not_count() {
        let found = asked(&[severe(HOUR_MS, true)], Some(&reset(-1136 * DAY_MS)));
        assert_eq!((found.should_retrain, found.severe, found.cooling_down_until_ms), (true, 1, None));
        assert_eq!(found.reasons[1], "the reset by kim lies 1136.0 days ahead of this clock and does not count");
        // Clocks differ by less than a day.
        let close = asked(&[severe(HOUR_MS, true)], Some(&reset(-DAY_MS)));
        assert_eq!((close.should_retrain, close.severe), (false, 0));
        assert_eq!(close.cooling_down_until_ms, Some(NOW + 8 * DAY_MS));
    }

    #[test]
    fn only_the_version_that_serves_counts() {
        let events = daily(5);
        let advice = |serving| {
            advise(&RetrainRule::default(), &events, &Situation { reset: None, serving, now_ms: NOW }).should_retrain
        };
        assert_eq!([advice(Some(Version(2))), advice(Some(Version(3))), advice(None)], [true, false, true]);
    }

    #[test]
    fn the_numbers_of_the_rule_are_options_with_bounds() {
        let rule = RetrainRule { min_windows: 2, days: 1, cool_down_days: 0 };
        let reset = reset(HOUR_MS);
        let situation = Situation { reset: Some(&reset), serving: None, now_ms: NOW };
        let events = [event(0), DriftEvent { window_from_ms: NOW, window_to_ms: NOW + 5, ..event(0) }];
        let advice = advise(&rule, &events, &situation);
        assert!(advice.should_retrain, "{advice:?}");
        assert_eq!(advice.reasons, ["2 drifted windows in 1 day (at least 2)"]);
        for wrong in [
            RetrainRule { min_windows: 0, ..rule },
            RetrainRule { days: 0, ..rule },
            RetrainRule { days: LONGEST_DAYS + 1, ..rule },
            RetrainRule { cool_down_days: u32::MAX, ..rule },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert!(rule.check().is_ok() && RetrainRule::default().check().is_ok());
    }
}
