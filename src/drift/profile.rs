//! The reference: what the columns looked like when the model was made, frozen beside it as `reference.json`.
//!
//! At most 1 MiB, whatever the number of rows, so that a check needs no training data: of a numeric column the fine grid
//! of `bins` with its counts, and up to 1,000 order statistics, evenly spaced (for Kolmogorov–Smirnov and Wasserstein);
//! of a categorical one the categories with at least 1 % of the rows, and hashes of the rarer ones, so that "rare" and
//! "never seen" stay two things; of vectors the centroid and a sample in 8 bits a number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bins::{CELLS, Grid};
use super::decision::Settings;
use super::statistic::Kind;
use super::vectors::VectorSample;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::{document, read_text, write_atomic};

/// The file in a version's folder.
pub const FILE: &str = "reference.json";
const FORMAT_VERSION: u32 = 1;
/// Bytes that all columns together may take; the rest of the mebibyte is for vectors.
const BYTES: usize = 500_000;
/// Bytes of a number of the sample, and of an edge with its count.
const BYTES_OF: (usize, usize) = (20, 28);
/// Columns with less room than this are left out.
const LEAST_BYTES: usize = 1400;
/// Rare categories whose hashes are kept.
const RARE: usize = 1000;

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The model's score: of the positive class, or of the likeliest of many.
    Score,
    /// The label.
    Label,
    /// A numeric feature of the model.
    Feature,
    /// A column that the config names under `drift.columns`, or a column of two files that are compared.
    Column,
    /// Characters of the text.
    TextLength,
    /// The Euclidean length of the row's vector.
    VectorNorm,
    /// The cosine of the row's vector with the centroid of the training vectors.
    CentroidCosine,
}

impl Role {
    /// The name of a column that is no column of the data.
    #[must_use]
    pub fn own_name(self) -> Option<&'static str> {
        match self {
            Self::Score => Some("prediction_score"),
            Self::TextLength => Some("text_length"),
            Self::VectorNorm => Some("vector_norm"),
            Self::CentroidCosine => Some("centroid_cosine"),
            Self::Label | Self::Feature | Self::Column => None,
        }
    }
}

/// A numeric column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// True when the model sees the values as 32-bit numbers: current ones are rounded the same way.
    pub single: bool,
    /// The mean.
    pub mean: f64,
    /// The standard deviation (divisor n).
    pub deviation: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// True when each cell holds one value.
    pub discrete: bool,
    /// The inner edges of the grid.
    pub edges: Vec<f64>,
    /// The counts between them.
    pub counts: Vec<u64>,
    /// Order statistics, ascending and evenly spaced.
    pub sample: Vec<f64>,
}

/// A categorical column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The categories with at least 1 % of the values, by name.
    pub categories: BTreeMap<String, u64>,
    /// Values of the rarer categories.
    pub other: u64,
    /// Hashes of the rarer categories.
    pub rare: BTreeSet<u64>,
    /// False when there were too many rare ones to keep: an unknown one may then have been seen.
    pub complete: bool,
    /// Values that read as numbers.
    pub numbers: u64,
    /// Categories that were met once: as many values as these were new when they came, so that is how many new ones are
    /// to be expected of as many rows (Good 1953).
    pub singletons: u64,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// Numbers.
    Numeric(Numbers),
    /// Words.
    Categorical(Words),
}

/// One column of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub role: Role,
    /// Which rows it is of: `train`, `validation`, `test`, or a file.
    pub rows: String,
    /// Rows, those without a value included.
    pub n: u64,
    /// Rows without a value.
    pub nulls: u64,
    /// The values.
    pub content: Content,
}

/// How much of a column is kept.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Cells of the grid.
    pub cells: usize,
    /// Order statistics.
    pub sample: usize,
}

impl Room {
    /// All values: for two files that are compared here and now.
    pub const ALL: Self = Self { cells: CELLS, sample: usize::MAX };

    /// The room that each of so many columns has in the file; none when there are too many.
    #[must_use]
    pub fn of(columns: usize) -> Option<Self> {
        let bytes = BYTES / columns.max(1);
        (bytes >= LEAST_BYTES)
            .then(|| Self { cells: (bytes / 2 / BYTES_OF.1).min(CELLS), sample: (bytes / 2 / BYTES_OF.0).min(1000) })
    }

    /// Columns that the file has room for.
    #[must_use]
    pub fn columns() -> usize {
        BYTES / LEAST_BYTES
    }
}

/// A hash of a category's name (FNV-1a).
#[must_use]
pub fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Numbers {
    /// The profile of finite values, in any order.
    #[must_use]
    pub fn of(mut values: Vec<f64>, single: bool, room: Room) -> Self {
        use rayon::prelude::*;
        // −0 and 0 are one value.
        values.par_iter_mut().for_each(|value| *value += 0.0);
        values.par_sort_unstable_by(f64::total_cmp);
        let n = values.len() as f64;
        let mean = if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / n };
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n.max(1.0);
        let grid = Grid::of_sorted(&values, room.cells);
        let (min, max) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
        let sample = if values.len() <= room.sample {
            values
        } else {
            let rank = |at: usize| ((at as f64 + 0.5) * n / room.sample as f64) as usize;
            (0..room.sample).map(|at| values[rank(at).min(values.len() - 1)]).collect()
        };
        let Grid { edges, counts, discrete } = grid;
        Self { single, mean, deviation: variance.sqrt(), min, max, discrete, edges, counts, sample }
    }

    /// The grid.
    #[must_use]
    pub fn grid(&self) -> Grid {
        Grid { edges: self.edges.clone(), counts: self.counts.clone(), discrete: self.discrete }
    }

    /// A value inside each cell, ascending.
    #[must_use]
    pub fn places(&self) -> Vec<f64> {
        let left = std::iter::once(&self.min).chain(&self.edges);
        let right = self.edges.iter().chain(std::iter::once(&self.max));
        left.zip(right).map(|(left, right)| f64::midpoint(*left, *right)).collect()
    }
}

impl Words {
    /// The profile of counted categories.
    #[must_use]
    pub fn of(counted: BTreeMap<String, u64>) -> Self {
        let n: u64 = counted.values().sum();
        let numbers =
            counted.iter().filter(|(word, _)| word.trim().parse::<f64>().is_ok()).map(|(_, count)| count).sum();
        let (frequent, rare): (BTreeMap<String, u64>, BTreeMap<String, u64>) =
            counted.into_iter().partition(|(_, count)| *count * 100 >= n);
        let complete = rare.len() <= RARE;
        let singletons = rare.values().filter(|count| **count == 1).count() as u64;
        Self {
            categories: frequent,
            other: rare.values().sum(),
            rare: if complete { rare.keys().map(|word| hash(word)).collect() } else { BTreeSet::new() },
            complete,
            numbers,
            singletons,
        }
    }
}

impl Column {
    /// Numeric or categorical.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Numeric(_) => Kind::Numeric,
            Content::Categorical(_) => Kind::Categorical,
        }
    }

    /// Values that are there: n of the statistics.
    #[must_use]
    pub fn values(&self) -> u64 {
        match &self.content {
            Content::Numeric(numbers) => numbers.counts.iter().sum(),
            Content::Categorical(words) => words.categories.values().sum::<u64>() + words.other,
        }
    }

    /// A column of texts: numeric when more than half of the cells that are there read as finite numbers (the others then
    /// count as rows without a value), else categorical.
    #[must_use]
    pub fn of_cells(name: &str, rows: &str, cells: &[Option<String>], room: Room) -> Self {
        let present: Vec<&str> = cells.iter().flatten().map(String::as_str).collect();
        let number = |cell: &&str| cell.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let numbers: Vec<f64> = present.iter().filter_map(number).collect();
        if numbers.len() * 2 > present.len() {
            let nulls = (cells.len() - numbers.len()) as u64;
            return Self::of_numbers((name, Role::Column), rows, numbers, nulls, room);
        }
        let mut counted = BTreeMap::new();
        present.iter().for_each(|cell| *counted.entry((*cell).to_owned()).or_insert(0) += 1);
        let content = Content::Categorical(Words::of(counted));
        let (n, nulls) = (cells.len() as u64, (cells.len() - present.len()) as u64);
        Self { name: name.to_owned(), role: Role::Column, rows: rows.to_owned(), n, nulls, content }
    }

    /// A numeric column of finite values, with so many rows that have none.
    #[must_use]
    pub fn of_numbers((name, role): (&str, Role), rows: &str, values: Vec<f64>, nulls: u64, room: Room) -> Self {
        let n = values.len() as u64 + nulls;
        let single = role == Role::Feature;
        let content = Content::Numeric(Numbers::of(values, single, room));
        Self { name: name.to_owned(), role, rows: rows.to_owned(), n, nulls, content }
    }
}

/// `reference.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The format of this file.
    pub format_version: u32,
    /// How the model is to be checked, unless the command says otherwise.
    pub settings: Settings,
    /// The columns.
    pub columns: Vec<Column>,
    /// Columns that there was no room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The centroid of the training vectors and a sample of them, for models that see vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorSample>,
}

impl Reference {
    /// A reference of this build's format.
    #[must_use]
    pub fn new(settings: Settings, columns: Vec<Column>, vectors: Option<VectorSample>) -> Self {
        Self { format_version: FORMAT_VERSION, settings, columns, left_out: Vec::new(), vectors }
    }

    /// Writes `reference.json` into a version's folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).context(|| "cannot write the reference".into())?;
        write_atomic(&folder.join(FILE), &bytes)
    }

    /// Reads the reference of a version's folder.
    ///
    /// # Errors
    /// `NotFound` for a version that was made before there were references, `Failed` when it is damaged or newer.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = read_text(&path).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::not_found(format!("`{}` has no {FILE}", folder.display()))
                .hint("it was trained before references were kept: train it again, or compare two files with `--reference F --current F`"),
            _ => error,
        })?;
        document(&path.display().to_string(), &text, FORMAT_VERSION)
    }

    /// The column of this role.
    #[must_use]
    pub fn of_role(&self, role: Role) -> Option<&Column> {
        self.columns.iter().find(|column| column.role == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
    }

    #[test]
    fn a_column_is_numeric_when_most_of_its_cells_are() {
        let kind = |texts: &[&str]| Column::of_cells("c", "train", &cells(texts), Room::ALL).kind();
        assert_eq!(kind(&["1", " 2.5", "", "-3e2"]), Kind::Numeric);
        assert_eq!(kind(&["1", "2", "x"]), Kind::Numeric);
        assert_eq!(kind(&["1", "x"]), Kind::Categorical);
        assert_eq!(kind(&["1", "inf"]), Kind::Categorical);
        assert_eq!(kind(&["", ""]), Kind::Categorical);
        let column = Column::of_cells("c", "train", &cells(&["1", "", "3"]), Room::ALL);
        assert_eq!((column.n, column.nulls, column.values()), (3, 1, 2));
        // What is no number counts as missing.
        let column = Column::of_cells("c", "train", &cells(&["1", "4,992", "3", "", "5"]), Room::ALL);
        assert_eq!((column.n, column.nulls, column.values()), (5, 2, 3));
    }

    #[test]
    fn numbers_keep_moments_ends_and_order_statistics() {
        let values: Vec<f64> = (0..5000).rev().map(f64::from).collect();
        let numbers = Numbers::of(values, false, Room { cells: 50, sample: 100 });
        assert_eq!((numbers.mean, numbers.min, numbers.max), (2499.5, 0.0, 4999.0));
        // np.std(np.arange(5000))
        assert!((numbers.deviation - 1_443.375_644_106_550_7).abs() < 1e-9);
        assert_eq!((numbers.counts.len(), numbers.sample.len()), (50, 100));
        assert_eq!((numbers.sample[0], numbers.sample[99]), (25.0, 4975.0));
        let places = numbers.places();
        assert!(places.len() == 50 && places.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn rare_categories_are_other_and_stay_known() {
        let counted = [("a", 970), ("b", 25), ("c", 3), ("7", 2)];
        let words = Words::of(counted.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect());
        assert_eq!(words.categories.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((words.other, words.numbers, words.complete), (5, 2, true));
        assert!(words.rare.contains(&hash("c")) && !words.rare.contains(&hash("d")));
        let many = Words::of((0..5000).map(|word| (format!("w{word}"), 1)).collect());
        assert!(!many.complete && many.rare.is_empty() && many.other == 5000);
    }

    #[test]
    fn many_columns_stay_below_a_mebibyte() {
        let full = |columns: usize| {
            let room = Room::of(columns).unwrap();
            let values: Vec<f64> = (0..3000).map(|row| (f64::from(row) * 0.731).sin() * 1e5).collect();
            let column = |at: usize| {
                Column::of_numbers(
                    (&format!("a_rather_long_name_{at}"), Role::Feature),
                    "train",
                    values.clone(),
                    0,
                    room,
                )
            };
            let reference = Reference::new(Settings::default(), (0..columns).map(column).collect(), None);
            serde_json::to_vec(&reference).unwrap().len()
        };
        assert!(full(1) < 40_000);
        assert!([20, 100, Room::columns()].into_iter().all(|columns| full(columns) < 700_000));
        assert!(Room::of(Room::columns() + 1).is_none());
    }

    #[test]
    fn what_is_written_is_read_and_its_want_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Reference::read(folder.path()).unwrap_err();
        assert!(missing.kind == ErrorKind::NotFound && missing.hint.unwrap().contains("train it again"));
        let columns = vec![
            Column::of_cells("c", "train", &cells(&["x", "y", "", "x"]), Room::ALL),
            Column::of_numbers(("prediction_score", Role::Score), "validation", vec![0.1, 0.7, 0.7], 1, Room::ALL),
        ];
        let reference = Reference::new(Settings::default(), columns, None);
        reference.write(folder.path()).unwrap();
        assert_eq!(Reference::read(folder.path()).unwrap(), reference);
        assert_eq!(reference.of_role(Role::Score).map(|column| column.name.as_str()), Some("prediction_score"));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        std::fs::write(folder.path().join(FILE), text.replacen("\"format_version\":1", "\"format_version\":9", 1))
            .unwrap();
        assert!(Reference::read(folder.path()).unwrap_err().message.contains("has format 9"));
    }
}
