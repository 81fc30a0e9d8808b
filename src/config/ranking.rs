//! `evaluation.ranking:`, what must be said before a ranking number means anything (`metrics::ranking::convention`).

use serde::Serialize;

use super::field::{Kind, Limits, Preset, words};
use super::section::section;
use crate::metrics::ranking::{Convention, Discount, Divisor, Empty, Gain, HIGHEST_GRADE, Ties};

const GRADE: Kind =
    Kind::Whole(Limits::between(1.0, HIGHEST_GRADE as f64, "a grade lies between 1 and 31 here, got {}"));
const UNKNOWN: &str = "`{}` is not known here";

section! {
    /// The conventions of ranking metrics.
    RANKING: RankingSection derive(Default, Eq, Serialize) {
        /// What a query without a relevant document counts.
        empty: Empty, words(&["zero", "skip", "one"], UNKNOWN);
        /// What a grade is worth in NDCG.
        gain: Gain, words(&["exponential", "linear"], UNKNOWN);
        /// What becomes of equal scores.
        ties: Ties, words(&["stable", "average"], UNKNOWN);
        /// The divisor of AP.
        map_divisor: Divisor, words(&["relevant", "at_most_k"], UNKNOWN);
        /// The lowest grade that is relevant.
        relevant_from: u8, GRADE, preset Preset::Whole(1);
        /// The highest grade that ERR reckons with; that of the training labels when absent.
        highest_grade: Option<u8>, GRADE, omit "Option::is_none";
    }
}

impl RankingSection {
    /// The usual conventions.
    #[must_use]
    pub fn usual() -> Self {
        Self { relevant_from: 1, ..Self::default() }
    }

    /// The conventions by which a model whose training labels go up to `highest` is judged.
    #[must_use]
    pub fn convention(&self, highest: u8) -> Convention {
        Convention {
            gain: self.gain,
            discount: Discount::Log2,
            empty: self.empty,
            ties: self.ties,
            divisor: self.map_divisor,
            relevant_from: self.relevant_from,
            highest_grade: self.highest_grade.unwrap_or(highest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_grade_is_what_the_message_says() {
        assert_eq!(HIGHEST_GRADE, 31);
    }
}
