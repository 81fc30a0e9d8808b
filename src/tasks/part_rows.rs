//! The rows of one part of a split, and what a model says of them.

use crate::bundle::Prediction;
use crate::data::rows::Rows;
use crate::data::{Part, Truth};

/// The rows of a part: where they stand, and what they are.
#[derive(Debug, Clone)]
pub struct PartRows {
    /// The part.
    pub part: Part,
    /// The places of its rows among all rows.
    pub positions: Vec<usize>,
    /// What is known of them.
    pub truth: Truth,
    /// Query `i` has the rows `starts[i]..starts[i + 1]` of the part; empty where the rows have no queries.
    pub starts: Vec<usize>,
}

impl PartRows {
    /// The rows at these positions, as this part.
    #[must_use]
    pub fn of(rows: &Rows, part: Part, positions: Vec<usize>) -> Self {
        let truth = rows.truth.rows(&positions);
        let starts = if rows.queries.is_empty() { Vec::new() } else { rows.starts(&positions) };
        Self { part, positions, truth, starts }
    }

    /// Whether these are test rows: only they have intervals, calibration and groups.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.part == Part::Test
    }

    /// The ids of the rows.
    #[must_use]
    pub fn ids(&self, rows: &Rows) -> Vec<String> {
        self.positions.iter().map(|position| rows.ids[*position].clone()).collect()
    }

    /// The query of each row, where the rows have queries.
    #[must_use]
    pub fn queries(&self, rows: &Rows) -> Vec<String> {
        self.positions.iter().filter_map(|position| rows.query(*position).map(str::to_owned)).collect()
    }

    /// The ids of the queries.
    #[must_use]
    pub fn query_ids(&self, rows: &Rows) -> Vec<String> {
        let first = self.starts.iter().take(self.starts.len().saturating_sub(1));
        first.map(|start| rows.query(self.positions[*start]).unwrap_or_default().to_owned()).collect()
    }
}

/// A part with what the model says of it.
pub type Predicted<'a> = (&'a PartRows, Prediction);
