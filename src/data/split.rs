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

/// Row counts of each class for the three parts: whole rows first, then what is left over goes where the part, over all
/// classes together, lacks most, so that many small classes do not all round in the same direction.
///
/// A class of several rows has one in training, and one in the test part where it can.
fn class_counts(sizes: &[usize], shares: [f64; 3]) -> Vec<[usize; 3]> {
    let total = counts(sizes.iter().sum(), shares);
    let exact = |size: usize| shares.map(|share| share * size as f64);
    let floors = |size: usize| exact(size).map(|count| (count + 1e-9).floor() as usize);
    let mut given: Vec<[usize; 3]> = sizes.iter().map(|size| floors(*size)).collect();
    let mut open = [0, 1, 2]
        .map(|part| total[part].cast_signed() - given.iter().map(|counts| counts[part]).sum::<usize>().cast_signed());
    // Small classes choose first: a large one has rows in every part already.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|class| (sizes[*class], *class));
    for class in order {
        let (size, exact) = (sizes[class], exact(sizes[class]));
        let mut rest = size.saturating_sub(given[class].iter().sum());
        while rest > 0 {
            let counts = given[class];
            let worth = |part: usize| {
                let first = counts[part] == 0 && shares[part] > 0.0;
                // Training first, then test: a class without these is not learned, or its number is not known.
                let need = match part {
                    0 => first,
                    2 => first && counts[0] > 0,
                    _ => false,
                };
                (need, open[part] > 0, exact[part] - counts[part] as f64)
            };
            let better = |left: &usize, right: &usize| {
                let (left, right) = (worth(*left), worth(*right));
                (left.0, left.1).cmp(&(right.0, right.1)).then(left.2.total_cmp(&right.2))
            };
            let part = [2, 1, 0].into_iter().filter(|part| shares[*part] > 0.0).max_by(better).unwrap_or(0);
            given[class][part] += 1;
            open[part] -= 1;
            rest -= 1;
        }
    }
    given
}

fn assign(rows: &[usize], shares: [f64; 3], parts: &mut [Part]) {
    assign_counts(rows, counts(rows.len(), shares), parts);
}

fn assign_counts(rows: &[usize], [train, validation, _]: [usize; 3], parts: &mut [Part]) {
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
/// By time, rows of the same time stay on one side (a part ends where the time changes, nearest to its share); by group, groups fill the parts, large
/// ones first and equal ones in random order, each group going to the part that is furthest below its share.
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
            let mut members: Vec<Vec<usize>> = by_class.into_values().collect();
            members.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
            let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
            for (rows, counts) in members.iter().zip(class_counts(&sizes, shares)) {
                assign_counts(rows, counts, &mut parts);
            }
        }
        Keys::Groups(groups) => {
            let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            rows.iter().for_each(|row| by_group.entry(&groups[*row]).or_default().push(*row));
            let mut members: Vec<Vec<usize>> = by_group.into_values().collect();
            members.shuffle(&mut rng);
            // Large groups first: one that is placed late finds no part with room for it. Equal ones stay as shuffled.
            members.sort_by_key(|group| std::cmp::Reverse(group.len()));
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
    fn small_classes_have_test_rows_and_the_parts_keep_their_shares() {
        let mut classes = vec![0; 200];
        classes.extend(vec![1; 200]);
        (2..32).for_each(|class| classes.extend([class; 3]));
        let parts = make(classes.len(), [0.6, 0.2, 0.2], Keys::Classes(&classes), 3);
        for class in 0..32 {
            let tested = parts.iter().zip(&classes).any(|(part, of)| *of == class && *part == Part::Test);
            assert!(tested, "class {class}");
        }
        let rare: Vec<usize> = (0..200).map(|row| usize::from(row < 6)).collect();
        for seed in 0..20 {
            let parts = make(200, [0.8, 0.1, 0.1], Keys::Classes(&rare), seed);
            assert!(parts.iter().zip(&rare).any(|(part, class)| *class == 1 && *part == Part::Test));
            assert_eq!(Part::ALL.map(|part| share(&parts, part)), [160, 20, 20]);
        }
    }

    #[test]
    fn a_group_of_most_rows_is_placed_with_every_seed() {
        let groups: Vec<String> =
            (0..500).map(|row| if row < 400 { "big".to_owned() } else { format!("u{}", row % 25) }).collect();
        for seed in 0..20 {
            let parts = make(500, [0.6, 0.2, 0.2], Keys::Groups(&groups), seed);
            assert!(check_parts(&parts, true).is_ok(), "seed {seed}");
        }
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
}
