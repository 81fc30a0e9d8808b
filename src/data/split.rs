//! Which rows train, which validate, which test: read from a column, or made (stratified, by group, by time).

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The rows that the model is fitted on.
    Train,
    /// The rows for choices: thresholds, early stopping.
    Validation,
    /// The rows for the final numbers.
    Test,
}

impl Part {
    /// All parts in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The part's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Reads a cell of a split column: `train`, `validation` (or `valid`, `val`, `dev`), `test`.
    #[must_use]
    pub fn parse(cell: &str) -> Option<Self> {
        match cell.trim().to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "validation" | "valid" | "val" | "vali" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// How a split is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// A column says it.
    Column(String),
    /// Shares of the rows; they add up to 1.
    Made {
        /// Share for training.
        train: f64,
        /// Share for validation; may be 0.
        validation: f64,
        /// Share for test.
        test: f64,
        /// How rows are drawn.
        by: By,
    },
    /// Each part is a file of its own.
    Files,
}

/// How rows are drawn into a made split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// At random.
    Random,
    /// At random, each class in the same shares.
    Stratified,
    /// Whole groups: all rows with the same value of the column stay together.
    Group(String),
    /// Oldest rows train, newest test, by a column of times or numbers.
    Time(String),
}

/// What `By` needs to know of the rows.
#[derive(Debug, Clone, Copy)]
pub enum Keys<'a> {
    /// Nothing.
    None,
    /// The class of each row.
    Classes(&'a [usize]),
    /// The group of each row.
    Groups(&'a [String]),
    /// The time of each row, in any unit.
    Times(&'a [f64]),
}

/// Row counts for the three parts that follow the shares: largest remainders, so that they add up to `n`.
fn counts(n: usize, shares: [f64; 3]) -> [usize; 3] {
    let exact = shares.map(|share| share * n as f64);
    let mut counts = exact.map(|count| (count + 1e-9).floor() as usize);
    let mut order = [0, 1, 2];
    order.sort_by(|left, right| {
        let remainder = |part: usize| exact[part] - counts[part] as f64;
        remainder(*right).total_cmp(&remainder(*left))
    });
    let missing = n - counts.iter().sum::<usize>().min(n);
    for part in order.into_iter().cycle().take(missing) {
        counts[part] += 1;
    }
    counts
}

fn assign(rows: &[usize], shares: [f64; 3], parts: &mut [Part]) {
    let [train, validation, _] = counts(rows.len(), shares);
    for (place, row) in rows.iter().enumerate() {
        parts[*row] = match place {
            place if place < train => Part::Train,
            place if place < train + validation => Part::Validation,
            _ => Part::Test,
        };
    }
}

/// Makes a split of `n` rows. The same seed and keys give the same split.
///
/// By time, rows of the same time stay on one side (a part ends where the time changes, nearest to its share); by group, groups in random order fill the parts, each group going
/// to the part that is furthest below its share.
#[must_use]
pub fn make(n: usize, shares: [f64; 3], keys: Keys<'_>, seed: u64) -> Vec<Part> {
    let mut parts = vec![Part::Train; n];
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut rows: Vec<usize> = (0..n).collect();
    match keys {
        Keys::None => {
            rows.shuffle(&mut rng);
            assign(&rows, shares, &mut parts);
        }
        Keys::Classes(classes) => {
            let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            rows.iter().for_each(|row| by_class.entry(classes[*row]).or_default().push(*row));
            for rows in by_class.values_mut() {
                rows.shuffle(&mut rng);
                assign(rows, shares, &mut parts);
            }
        }
        Keys::Groups(groups) => {
            let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            rows.iter().for_each(|row| by_group.entry(&groups[*row]).or_default().push(*row));
            let mut members: Vec<Vec<usize>> = by_group.into_values().collect();
            members.shuffle(&mut rng);
            let mut filled = [0usize; 3];
            for group in members {
                let lack = |part: usize| shares[part] * n as f64 - filled[part] as f64;
                let part = (0..3).max_by(|left, right| lack(*left).total_cmp(&lack(*right))).unwrap_or(0);
                filled[part] += group.len();
                group.iter().for_each(|row| parts[*row] = Part::ALL[part]);
            }
        }
        Keys::Times(times) => {
            rows.sort_by(|left, right| times[*left].total_cmp(&times[*right]));
            // Where the time changes: only there may one part end and the next begin.
            let steps: Vec<usize> =
                (1..n).filter(|at| times[rows[at - 1]].total_cmp(&times[rows[*at]]).is_ne()).collect();
            let [train, validation, _] = counts(n, shares);
            let nearest = |wanted: usize, after: usize, spare: usize| {
                let allowed = steps.iter().take(steps.len().saturating_sub(spare)).filter(|at| **at > after);
                allowed.copied().min_by_key(|at| at.abs_diff(wanted)).unwrap_or(n)
            };
            // The last step is kept for the test rows when validation wants rows of its own.
            let first = nearest(train, 0, usize::from(shares[1] > 0.0));
            let second = if shares[1] > 0.0 { nearest(train + validation, first, 0) } else { first };
            for (place, row) in rows.iter().enumerate() {
                parts[*row] = if place < first {
                    Part::Train
                } else if place < second {
                    Part::Validation
                } else {
                    Part::Test
                };
            }
        }
    }
    parts
}

/// Reads a time cell as seconds: a number, a date, a date and time with or without an offset.
#[must_use]
pub fn parse_time(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    if let Ok(number) = cell.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let seconds = |time: jiff::Timestamp| time.as_millisecond() as f64 / 1000.0;
    if let Ok(time) = cell.parse::<jiff::Timestamp>() {
        return Some(seconds(time));
    }
    let time = cell.parse::<jiff::civil::DateTime>().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| seconds(time.timestamp()))
}

/// Checks that training and test have rows, and validation too where the split promised it.
///
/// # Errors
/// `Invalid`, naming the empty part.
pub fn check_parts(parts: &[Part], validation_expected: bool) -> Result<()> {
    for part in Part::ALL {
        let expected = part != Part::Validation || validation_expected;
        if expected && !parts.contains(&part) {
            return Err(Error::invalid(format!("the {} split is empty ({} rows in all)", part.name(), parts.len()))
                .hint("check `data.split`: a larger share, or rows with that value in the split column"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(parts: &[Part], part: Part) -> usize {
        parts.iter().filter(|given| **given == part).count()
    }

    #[test]
    fn stratified_keeps_the_shares_of_each_class() {
        let classes: Vec<usize> = (0..1000).map(|row| usize::from(row % 10 == 0)).collect();
        let parts = make(1000, [0.6, 0.2, 0.2], Keys::Classes(&classes), 7);
        for class in [0, 1] {
            let of_class: Vec<Part> =
                parts.iter().zip(&classes).filter(|(_, c)| **c == class).map(|(p, _)| *p).collect();
            let n = of_class.len();
            assert_eq!(Part::ALL.map(|part| share(&of_class, part)), [n * 6 / 10, n * 2 / 10, n * 2 / 10]);
        }
        assert_eq!(parts, make(1000, [0.6, 0.2, 0.2], Keys::Classes(&classes), 7));
        assert_ne!(parts, make(1000, [0.6, 0.2, 0.2], Keys::Classes(&classes), 8));
    }

    #[test]
    fn a_group_is_never_on_two_sides() {
        let groups: Vec<String> = (0..500).map(|row| format!("user{}", row % 37)).collect();
        let parts = make(500, [0.6, 0.2, 0.2], Keys::Groups(&groups), 1);
        let mut side: BTreeMap<&str, Part> = BTreeMap::new();
        for (group, part) in groups.iter().zip(&parts) {
            assert_eq!(side.entry(group).or_insert(*part), part);
        }
        assert!((250..=350).contains(&share(&parts, Part::Train)), "{}", share(&parts, Part::Train));
    }

    #[test]
    fn by_time_the_newest_rows_test_and_ties_stay_together() {
        let times: Vec<f64> = (0..100).map(|row| f64::from((row * 37) % 100) / 3.0).map(f64::floor).collect();
        let parts = make(100, [0.6, 0.2, 0.2], Keys::Times(&times), 1);
        for (left, part) in times.iter().zip(&parts) {
            for (right, other) in times.iter().zip(&parts) {
                assert!(left < right || part >= other);
                assert!(left.total_cmp(right).is_ne() || part == other);
            }
        }
    }

    #[test]
    fn three_days_are_three_parts() {
        let times: Vec<f64> = (0..600).map(|row| f64::from(row / 200)).collect();
        for shares in [[0.6, 0.2, 0.2], [0.4, 0.3, 0.3]] {
            let parts = make(600, shares, Keys::Times(&times), 1);
            assert_eq!(Part::ALL.map(|part| share(&parts, part)), [200, 200, 200]);
        }
        let parts = make(600, [0.7, 0.0, 0.3], Keys::Times(&times), 1);
        assert_eq!(Part::ALL.map(|part| share(&parts, part)), [400, 0, 200]);
    }

    #[test]
    fn counts_add_up() {
        assert_eq!(counts(10, [0.6, 0.2, 0.2]), [6, 2, 2]);
        assert_eq!(counts(5, [0.6, 0.2, 0.2]), [3, 1, 1]);
        assert_eq!(counts(1, [0.34, 0.33, 0.33]), [1, 0, 0]);
        assert_eq!(counts(7, [0.5, 0.0, 0.5]).iter().sum::<usize>(), 7);
    }

    #[test]
    fn times_are_read_in_the_usual_forms() {
        assert_eq!(parse_time("2026-01-01"), parse_time("2026-01-01T00:00:00Z"));
        assert_eq!(parse_time("2026-01-01 09:00:00"), parse_time("2026-01-01T00:00:00-09:00"));
        assert_eq!(parse_time("12.5"), Some(12.5));
        assert_eq!(parse_time("gestern"), None);
    }
}
