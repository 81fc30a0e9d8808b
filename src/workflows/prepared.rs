//! Rows that are ready for a fit: split, with the features of each part.

use super::reference::Draft;
use crate::data::Features;
use crate::data::rows::Rows;
use crate::embeddings::TextReport;
use crate::features::{Batch, FittedChain};
use crate::runs::data_window::RowCounts;
use crate::tasks::PartRows;

/// Rows that were read and split, with the features of each part.
pub(super) struct Prepared {
    pub rows: Rows,
    pub counts: RowCounts,
    pub fingerprint: String,
    /// By which the rows are known again, see `Rows::digests`.
    pub digests: Vec<u64>,
    /// Training, validation, test.
    pub parts: [PartRows; 3],
    pub chain: FittedChain,
    pub features: Vec<Features>,
    /// The first test rows.
    pub golden: Batch,
    /// What came of the texts.
    pub texts: TextReport,
    /// What the training rows look like, for drift checks.
    pub draft: Draft,
}
