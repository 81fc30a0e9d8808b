//! The rows of one part of a split, and what a model says of them.

use crate::bundle::Prediction;
use crate::data::Part;
use crate::data::rows::Rows;

/// The rows of a part: where they stand, and what they are.
pub(super) struct PartRows {
    pub part: Part,
    pub positions: Vec<usize>,
    pub truth: Vec<usize>,
    /// Where the queries begin and end, for ranking.
    pub starts: Vec<usize>,
}

impl PartRows {
    /// The truth as grades of relevance.
    pub fn grades(&self) -> Vec<u8> {
        self.truth.iter().map(|grade| u8::try_from(*grade).unwrap_or(u8::MAX)).collect()
    }

    /// The ids of the queries.
    pub fn query_ids(&self, rows: &Rows) -> Vec<String> {
        let first = self.starts.iter().take(self.starts.len().saturating_sub(1));
        first.map(|start| rows.query(self.positions[*start]).unwrap_or_default().to_owned()).collect()
    }
}

/// A part with what the model says of it.
pub(super) type Predicted<'a> = (&'a PartRows, Prediction);
