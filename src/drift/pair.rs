//! The two sides of a column brought together for a window: the bins that the window allows, and their names.

use serde::Serialize;

use super::bins::{own_bins, sums};
use super::current::{Seen, Values};
use super::profile::{Column, Content, Numbers, Words};
use super::statistic::{Counts, Samples, Sides};

/// The bin of what is rare.
pub const OTHER: &str = "OTHER";
/// The bin of what the reference never had.
pub const UNSEEN: &str = "UNSEEN";

/// Bars of a histogram of numbers.
const BARS: usize = 10;

/// Bars of both sides over the same axis, as shares.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// Of the reference.
    pub reference: Vec<f64>,
    /// Of the current values.
    pub current: Vec<f64>,
}

/// Both sides of a column, with what the statistics borrow.
#[derive(Debug, Clone)]
pub struct Pair<'a> {
    /// The counts in the bins of the window.
    pub counts: Counts,
    /// What lies in each bin: `-1.2 … 0.4`, `3`, a category.
    pub names: Vec<String>,
    grid: Counts,
    places: Vec<f64>,
    reference: &'a [f64],
    current: Vec<f64>,
    deviation: f64,
}

impl<'a> Pair<'a> {
    /// Brings the sides together. Bins that neither side has are left out.
    #[must_use]
    pub fn new(column: &'a Column, seen: &Seen) -> Self {
        match (&column.content, &seen.values) {
            (Content::Numeric(numbers), Values::Numbers(current)) => {
                let mut pair = of_numbers(numbers, &current.counts, seen.present());
                pair.current = current.sample.sorted();
                pair
            }
            (Content::Categorical(words), Values::Words(current)) => {
                let now = (&current.counts[..], current.other, current.unseen);
                of_words(words, now, seen.present())
            }
            _ => of_words(&Words::of(std::collections::BTreeMap::new()), (&[], 0, 0), 0),
        }
    }

    /// Both sides over the same axis: ten equal steps between the 1 % and the 99 % point of the reference (what lies
    /// beyond is in the outer steps), or the bins where there are few.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        let shares = |counts: &[u64]| {
            let all = counts.iter().sum::<u64>().max(1) as f64;
            counts.iter().map(|count| *count as f64 / all).collect::<Vec<f64>>()
        };
        let n_cells = self.places.len();
        if n_cells <= BARS {
            let few = self.counts.reference.len().min(2 * BARS);
            return Histogram {
                reference: shares(&self.counts.reference)[..few].to_vec(),
                current: shares(&self.counts.current)[..few].to_vec(),
            };
        }
        let all = self.grid.reference.iter().sum::<u64>() as f64;
        let mut below = 0.0;
        let place_at = |share: f64, below: &mut f64| {
            let reached = self.grid.reference.iter().position(|count| {
                *below += *count as f64;
                *below >= share * all
            });
            self.places[reached.unwrap_or(n_cells - 1)]
        };
        let low = place_at(0.01, &mut below);
        below = 0.0;
        let high = place_at(0.99, &mut below);
        let step = |place: f64| (((place - low) / (high - low) * BARS as f64) as usize).min(BARS - 1);
        let steps: Vec<usize> = self.places.iter().map(|place| step(*place)).collect();
        Histogram {
            reference: shares(&sums(&self.grid.reference, &steps, BARS)),
            current: shares(&sums(&self.grid.current, &steps, BARS)),
        }
    }

    /// What a statistic is given.
    #[must_use]
    pub fn sides(&self) -> Sides<'_> {
        let (n, m) = self.counts.sizes();
        let numeric = !self.places.is_empty();
        let samples = Samples {
            reference: self.reference,
            current: &self.current,
            n,
            m,
            deviation: self.deviation,
            places: &self.places,
        };
        Sides {
            counts: self.counts.clone(),
            grid: self.grid.clone(),
            samples: numeric.then_some(samples),
            vectors: None,
        }
    }
}

fn of_numbers<'a>(numbers: &'a Numbers, current: &[u64], m: u64) -> Pair<'a> {
    let grid = numbers.grid();
    let (bins, n_bins) = if grid.counts.is_empty() { (Vec::new(), 0) } else { grid.merged(m) };
    let counts = Counts { reference: sums(&grid.counts, &bins, n_bins), current: sums(current, &bins, n_bins) };
    let constant = grid.counts.iter().filter(|count| **count > 0).count() == 1;
    let names = if constant {
        vec![number(numbers.min), format!("not {}", number(numbers.min))]
    } else {
        (0..n_bins).map(|bin| range_name(numbers, &bins, bin)).collect()
    };
    let places = numbers.places();
    Pair {
        counts,
        names,
        grid: Counts { reference: grid.counts, current: current.to_vec() },
        places,
        reference: &numbers.sample,
        current: Vec::new(),
        deviation: numbers.deviation,
    }
}

/// The name of a bin of cells: its value where there is one, else its ends.
fn range_name(numbers: &Numbers, bins: &[usize], bin: usize) -> String {
    let first = bins.iter().position(|other| *other == bin).unwrap_or(0);
    let last = bins.iter().rposition(|other| *other == bin).unwrap_or(0);
    if numbers.discrete && first == last {
        // The edges lie half-way between the values, so the sample knows the value itself.
        let inside = |value: &&f64| numbers.edges.partition_point(|edge| edge < *value) == first;
        if let Some(value) = numbers.sample.iter().find(inside) {
            return number(*value);
        }
    }
    let left = first.checked_sub(1).and_then(|edge| numbers.edges.get(edge));
    match (left, numbers.edges.get(last)) {
        (None, None) => "all".to_owned(),
        (None, Some(right)) => format!("≤ {}", number(*right)),
        (Some(left), None) => format!("> {}", number(*left)),
        (Some(left), Some(right)) => {
            // As many digits as keep the two ends apart.
            let ends = (4..17).map(|digits| (digits_of(*left, digits), digits_of(*right, digits)));
            let (left, right) = ends.into_iter().find(|(left, right)| left != right).unwrap_or_default();
            format!("{left} … {right}")
        }
    }
}

/// A number with four significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    digits_of(value, 4)
}

fn digits_of(value: f64, significant: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs().log10().floor();
    if !(-4.0..7.0).contains(&size) {
        return format!("{value:.*e}", significant - 1);
    }
    let digits = (significant as f64 - 1.0 - size).max(0.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn of_words<'a>(words: &Words, (current, other, unseen): (&[u64], u64, u64), m: u64) -> Pair<'a> {
    let reference: Vec<u64> = words.categories.values().copied().collect();
    let n = reference.iter().sum::<u64>() + words.other;
    let own = own_bins(&reference, n, m);
    let (mut counts, mut names) = (Counts::default(), Vec::new());
    let mut rest = (words.other, other);
    for (at, word) in words.categories.keys().enumerate() {
        let (then, now) = (reference[at], current.get(at).copied().unwrap_or(0));
        if own[at] {
            counts.reference.push(then);
            counts.current.push(now);
            names.push(word.clone());
        } else {
            rest = (rest.0 + then, rest.1 + now);
        }
    }
    // What the reference met once was unseen when it came: that much is to be expected.
    let new = words.singletons.min(rest.0);
    for (name, (then, now)) in [(OTHER, (rest.0 - new, rest.1)), (UNSEEN, (new, unseen))] {
        if then + now > 0 {
            counts.reference.push(then);
            counts.current.push(now);
            names.push(name.to_owned());
        }
    }
    Pair {
        counts,
        names,
        grid: Counts::default(),
        places: Vec::new(),
        reference: &[],
        current: Vec::new(),
        deviation: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::{Role, Room};
    use super::*;

    #[test]
    fn numbers_fall_into_the_bins_of_the_window() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let column = Column::of_numbers(("x", Role::Column), "train", values.clone(), 0, Room::ALL);
        let mut seen = Seen::new(&column, 1000);
        seen.add_numbers(0, &values[..100]);
        let pair = Pair::new(&column, &seen);
        assert_eq!(pair.counts.sizes(), (1000.0, 100.0));
        assert_eq!((pair.counts.reference.len(), pair.names[0].as_str()), (12, "≤ 84.5"));
        assert_eq!(pair.names[11], "> 914.5");
        assert!(pair.sides().samples.is_some_and(|samples| samples.current.len() == 100));
    }

    #[test]
    fn values_and_categories_are_named() {
        let stars: Vec<f64> = (0..500).map(|row| f64::from(row % 5) + 1.0).collect();
        let column = Column::of_numbers(("stars", Role::Column), "train", stars.clone(), 0, Room::ALL);
        let mut seen = Seen::new(&column, 10);
        seen.add_numbers(0, &stars);
        assert_eq!(Pair::new(&column, &seen).names, ["1", "2", "3", "4", "5"]);
        let cells: Vec<Option<String>> = [("a", 600), ("b", 390), ("c", 10)]
            .iter()
            .flat_map(|(word, n)| vec![Some((*word).to_owned()); *n])
            .collect();
        let column = Column::of_cells("c", "train", &cells, Room::ALL);
        let mut seen = Seen::new(&column, 0);
        seen.add_words((0..100).map(|row| Some(if row < 90 { "a" } else { "new" })));
        let pair = Pair::new(&column, &seen);
        assert_eq!(pair.names, ["a", "b", OTHER, UNSEEN]);
        assert_eq!((pair.counts.reference, pair.counts.current), (vec![600, 390, 10, 0], vec![90, 0, 0, 10]));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 84.5, -0.012_345, 123_456.0, 1e9, 2.0].map(number),
            ["0", "84.5", "-0.01235", "123456", "1.000e9", "2"]
        );
    }
}
