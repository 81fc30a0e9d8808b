//! What `compare` is asked: which runs, by what, and whether a paired test is made.

use crate::comparison::TestKind;
use crate::metrics::Direction;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Runs, experiments or model versions.
    pub items: Vec<String>,
    /// What the runs are judged by: a metric or `min loss`; the first run's primary metric when absent.
    pub metric: Option<String>,
    /// What the rows are sorted by, when not by `metric`.
    pub sort: Option<String>,
    /// Whether a higher or a lower value of `metric` is better, where nobody knows.
    pub order: Option<Direction>,
    /// More columns.
    pub columns: Vec<String>,
    /// The item that the others are held against; the first of two when absent.
    pub baseline: Option<String>,
    /// How many rows of the table at most.
    pub top: usize,
    /// Compare runs that were tested on different rows.
    pub allow_different_data: bool,
    /// The paired test, and whether it must be made.
    pub test: Wish,
    /// Name the rows whose answer changed, or the queries that moved.
    pub why: bool,
}

/// Which paired test is wished for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// The test.
    pub test: TestKind,
    /// Whether it is made.
    pub made: Made,
    /// The seed of what is drawn.
    pub seed: u64,
    /// Replicates or permutations.
    pub replicates: usize,
}

/// Whether a paired test is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Made {
    /// Where the runs allow it; what stands in its way is a remark for runs that were logged by hand, else an error.
    #[default]
    WherePossible,
    /// Always: what stands in its way is an error.
    Always,
    /// Never: the table alone.
    Never,
}
