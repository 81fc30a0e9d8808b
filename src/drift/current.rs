//! The current side of a column, counted as it streams by: memory does not grow with the number of rows.
//!
//! Numbers fall into the reference's grid, words into its categories, OTHER (rare in the reference) and UNSEEN. Parts that
//! were counted by different threads join in the order of their rows, so the answer does not depend on the threads.
//! A NaN is a missing value; ±∞ is counted, falls into the outermost cell, and stays out of mean and deviation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::bins::Grid;
use super::profile::{Column, Content, Words, hash};
use super::sampler::Sampler;
use crate::data::labels::canonical;

/// Names of unseen categories that are kept, and characters of each.
const EXAMPLES: (usize, usize) = (5, 60);

/// The categories of the reference, ready to be looked up.
#[derive(Debug)]
struct Index {
    places: HashMap<String, usize>,
    words: Words,
}

/// What is counted of a numeric column.
#[derive(Debug, Clone)]
pub struct NumbersSeen {
    grid: Arc<Grid>,
    single: bool,
    ends: (f64, f64),
    /// Counts in the reference's grid.
    pub counts: Vec<u64>,
    /// Values that are +∞ or −∞.
    pub infinite: u64,
    /// Cells that hold something that is no number.
    pub wrong: u64,
    /// The first of them.
    pub example: Option<String>,
    /// Finite values.
    pub finite: u64,
    mean: f64,
    squares: f64,
    /// The smallest finite value; ∞ for none.
    pub min: f64,
    /// The largest; −∞ for none.
    pub max: f64,
    /// Values below the smallest and above the largest of the reference.
    pub outside: u64,
    /// A sample of the finite values.
    pub sample: Sampler,
}

/// What is counted of a categorical column.
#[derive(Debug, Clone)]
pub struct WordsSeen {
    index: Arc<Index>,
    /// Counts of the reference's categories, in the order of their names.
    pub counts: Vec<u64>,
    /// Values that are rare in the reference.
    pub other: u64,
    /// Values that the reference never had.
    pub unseen: u64,
    /// Some of them.
    pub examples: BTreeMap<String, u64>,
    /// Values that read as numbers.
    pub numbers: u64,
}

/// What is counted of a column.
#[derive(Debug, Clone)]
pub enum Values {
    /// Of numbers.
    Numbers(NumbersSeen),
    /// Of words.
    Words(WordsSeen),
}

/// The current side of one column.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Rows, those without a value included.
    pub rows: u64,
    /// Rows without a value.
    pub nulls: u64,
    /// The values.
    pub values: Values,
}

impl Seen {
    /// Nothing seen yet of a column with this reference; the sample holds so many values at most.
    #[must_use]
    pub fn new(column: &Column, sample: usize) -> Self {
        let values = match &column.content {
            Content::Numeric(numbers) => Values::Numbers(NumbersSeen {
                grid: Arc::new(numbers.grid()),
                single: numbers.single,
                ends: (numbers.min, numbers.max),
                counts: vec![0; numbers.counts.len()],
                infinite: 0,
                wrong: 0,
                example: None,
                finite: 0,
                mean: 0.0,
                squares: 0.0,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
                outside: 0,
                sample: Sampler::new(sample),
            }),
            Content::Categorical(words) => {
                let places = words.categories.keys().enumerate().map(|(at, word)| (word.clone(), at)).collect();
                let counts = vec![0; words.categories.len()];
                let index = Arc::new(Index { places, words: words.clone() });
                Values::Words(WordsSeen { index, counts, other: 0, unseen: 0, examples: BTreeMap::new(), numbers: 0 })
            }
        };
        Self { rows: 0, nulls: 0, values }
    }

    /// Counts numbers of consecutive rows; NaN stands for a cell without one. Words of a categorical column must not come
    /// here.
    pub fn add_numbers(&mut self, first_row: u64, numbers: &[f64]) {
        self.rows += numbers.len() as u64;
        let Values::Numbers(seen) = &mut self.values else { return };
        for (row, number) in (first_row..).zip(numbers) {
            if number.is_nan() {
                self.nulls += 1;
            } else {
                seen.add(row, *number);
            }
        }
    }

    /// Says that so many of the NaN were cells that hold something else, such as `example`.
    pub fn add_wrong(&mut self, wrong: u64, example: Option<&str>) {
        if let Values::Numbers(seen) = &mut self.values {
            seen.wrong += wrong;
            seen.example = seen.example.take().or_else(|| example.map(shortened));
        }
    }

    /// Counts words.
    pub fn add_words<'a>(&mut self, words: impl Iterator<Item = Option<&'a str>>) {
        let Values::Words(seen) = &mut self.values else { return };
        for word in words {
            self.rows += 1;
            match word {
                None => self.nulls += 1,
                Some(word) => self.nulls += u64::from(!seen.add(word)),
            }
        }
    }

    /// Joins what was counted of later rows.
    pub fn join(&mut self, later: Self) {
        self.rows += later.rows;
        self.nulls += later.nulls;
        match (&mut self.values, later.values) {
            (Values::Numbers(seen), Values::Numbers(later)) => seen.join(later),
            (Values::Words(seen), Values::Words(later)) => seen.join(later),
            _ => {}
        }
    }

    /// Values that are there: m of the statistics.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.rows - self.nulls
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(EXAMPLES.1).collect()
}

impl NumbersSeen {
    fn add(&mut self, row: u64, number: f64) {
        let number = if self.single { f64::from(number as f32) } else { number };
        if let Some(count) = self.counts.get_mut(self.grid.cell(number)) {
            *count += 1;
        }
        if number.is_infinite() {
            self.infinite += 1;
            return;
        }
        self.finite += 1;
        let step = number - self.mean;
        self.mean += step / self.finite as f64;
        self.squares += step * (number - self.mean);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.outside += u64::from(number < self.ends.0 || number > self.ends.1);
        self.sample.add(row, number);
    }

    fn join(&mut self, later: Self) {
        self.counts.iter_mut().zip(&later.counts).for_each(|(count, more)| *count += more);
        self.infinite += later.infinite;
        self.wrong += later.wrong;
        self.example = self.example.take().or(later.example);
        let (n, m) = (self.finite as f64, later.finite as f64);
        if m > 0.0 {
            // Chan, Golub and LeVeque 1983.
            let step = later.mean - self.mean;
            self.mean += step * m / (n + m);
            self.squares += later.squares + step * step * n * m / (n + m);
        }
        self.finite += later.finite;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.outside += later.outside;
        self.sample.join(later.sample);
    }

    /// The mean of the finite values; none for none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.finite > 0).then_some(self.mean)
    }

    /// Their standard deviation (divisor m).
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        (self.finite > 0).then(|| (self.squares / self.finite as f64).max(0.0).sqrt())
    }
}

impl WordsSeen {
    /// False for a word that means "no value".
    fn add(&mut self, word: &str) -> bool {
        if let Some(place) = self.index.places.get(word) {
            self.counts[*place] += 1;
            return true;
        }
        let Some(word) = canonical(Some(word)) else { return false };
        self.numbers += u64::from(word.parse::<f64>().is_ok());
        let words = &self.index.words;
        if let Some(place) = self.index.places.get(&word) {
            self.counts[*place] += 1;
        } else if words.rare.contains(&hash(&word)) || (!words.complete && words.other > 0) {
            self.other += 1;
        } else {
            self.unseen += 1;
            let word = shortened(&word);
            if self.examples.contains_key(&word) || self.examples.len() < EXAMPLES.0 {
                *self.examples.entry(word).or_insert(0) += 1;
            }
        }
        true
    }

    fn join(&mut self, later: Self) {
        self.counts.iter_mut().zip(&later.counts).for_each(|(count, more)| *count += more);
        self.other += later.other;
        self.unseen += later.unseen;
        self.numbers += later.numbers;
        for (word, count) in later.examples {
            if self.examples.contains_key(&word) || self.examples.len() < EXAMPLES.0 {
                *self.examples.entry(word).or_insert(0) += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::{Role, Room};
    use super::*;

    fn numbers(values: &[f64]) -> Column {
        Column::of_numbers(("x", Role::Column), "train", values.to_vec(), 0, Room::ALL)
    }

    fn seen(seen: &Seen) -> &NumbersSeen {
        match &seen.values {
            Values::Numbers(numbers) => numbers,
            Values::Words(_) => panic!("words"),
        }
    }

    #[test]
    fn parts_join_to_what_one_pass_counts() {
        let column = numbers(&(0..1000).map(f64::from).collect::<Vec<_>>());
        let values: Vec<f64> = (0..500).map(|row| f64::from(row * 7 % 500) * 2.3).collect();
        let mut once = Seen::new(&column, 100);
        once.add_numbers(0, &values);
        let mut joined = Seen::new(&column, 100);
        for (at, part) in values.chunks(77).enumerate() {
            let mut one = Seen::new(&column, 100);
            one.add_numbers(at as u64 * 77, part);
            joined.join(one);
        }
        let (one, other) = (seen(&once), seen(&joined));
        assert_eq!(
            (one.counts.clone(), one.outside, one.sample.sorted()),
            (other.counts.clone(), other.outside, other.sample.sorted())
        );
        let mean = values.iter().sum::<f64>() / 500.0;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 500.0).sqrt();
        for numbers in [one, other] {
            assert!((numbers.mean().unwrap() - mean).abs() < 1e-9);
            assert!((numbers.deviation().unwrap() - deviation).abs() < 1e-9);
        }
    }

    #[test]
    fn missing_infinite_and_wrong_cells_are_counted_apart() {
        let column = numbers(&(0..100).map(f64::from).collect::<Vec<_>>());
        let mut current = Seen::new(&column, 10);
        current.add_numbers(0, &[1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 500.0, f64::NAN]);
        current.add_wrong(1, Some("abc"));
        let numbers = seen(&current);
        assert_eq!((current.rows, current.nulls, current.present()), (6, 2, 4));
        assert_eq!((numbers.infinite, numbers.finite, numbers.outside, numbers.wrong), (2, 2, 1, 1));
        assert_eq!((numbers.mean(), numbers.example.as_deref()), (Some(250.5), Some("abc")));
        assert_eq!(numbers.counts.iter().sum::<u64>(), 4);
        assert_eq!(seen(&Seen::new(&column, 10)).mean(), None);
    }

    #[test]
    fn words_are_known_rare_or_unseen() {
        let cells: Vec<Option<String>> = [("a", 600), ("b", 395), ("1", 5)]
            .iter()
            .flat_map(|(word, n)| vec![Some((*word).to_owned()); *n])
            .collect();
        let column = Column::of_cells("c", "train", &cells, Room::ALL);
        let mut current = Seen::new(&column, 0);
        current.add_words([Some("a"), Some(" b "), Some("1.0"), Some("zz"), None, Some("NaN"), Some("zz")].into_iter());
        match &current.values {
            Values::Words(words) => {
                assert_eq!((words.counts.clone(), words.other, words.unseen, words.numbers), (vec![1, 1], 1, 2, 1));
                assert_eq!(words.examples, BTreeMap::from([("zz".to_owned(), 2)]));
            }
            Values::Numbers(_) => panic!("numbers"),
        }
        assert_eq!((current.rows, current.nulls), (7, 2));
    }

    #[test]
    fn a_feature_is_rounded_as_the_model_sees_it() {
        let values: Vec<f64> = (0..40).map(|row| f64::from(0.1 * (row % 30) as f32)).collect();
        let column = Column::of_numbers(("x", Role::Feature), "train", values, 0, Room::ALL);
        let mut current = Seen::new(&column, 100);
        current.add_numbers(0, &[0.7, 0.1 * 3.0]);
        assert!(seen(&current).sample.sorted().iter().all(|value| *value == f64::from(*value as f32)));
    }
}
