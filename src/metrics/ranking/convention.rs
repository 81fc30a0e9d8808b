//! What must be said before a ranking number means anything: gain, discount, empty queries, ties, the divisor of AP.
//!
//! One and the same model on MQ2008 has NDCG@10 .50, .78 or .70, by what a query without a relevant document counts. The defaults
//! here: exponential gain, discount log2(rank + 1), empty queries 0, ties by input order, AP divided by R, relevant from grade 1 on.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use crate::data::labels::HIGHEST_GRADE;

/// What a grade is worth in NDCG.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// 2^grade − 1.
    #[default]
    Exponential,
    /// The grade.
    Linear,
}

impl Gain {
    /// The gain of a grade.
    #[must_use]
    pub fn of(self, grade: u8) -> f64 {
        match self {
            Self::Exponential => f64::from(grade).exp2() - 1.0,
            Self::Linear => f64::from(grade),
        }
    }

    /// From the word in configs, `exponential` or `linear`.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if word == "linear" { Self::Linear } else { Self::Exponential }
    }
}

/// By what a gain is divided at a rank, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// log2(rank + 1).
    #[default]
    Log2,
    /// LETOR 4.0: 1 for the first two ranks, then log2(rank).
    Letor,
}

impl Discount {
    /// 1 / the discount of a rank, from 1.
    #[must_use]
    pub fn factor(self, rank: usize) -> f64 {
        match self {
            Self::Log2 => 1.0 / (rank as f64 + 1.0).log2(),
            Self::Letor if rank <= 2 => 1.0,
            Self::Letor => 1.0 / (rank as f64).log2(),
        }
    }
}

/// What a query without a relevant document counts in NDCG, MAP, MRR and recall. P@k and ERR are 0 there by their definition, and
/// are only left out by `Skip`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// 0: LETOR's scripts, `trec_eval`, scikit-learn.
    #[default]
    Zero,
    /// Nothing: it is left out.
    Skip,
    /// 1: LightGBM, `XGBoost`, `allRank`.
    One,
}

impl Empty {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Zero, Self::Skip, Self::One];

    /// The word in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Skip => "skip",
            Self::One => "one",
        }
    }
}

/// What becomes of equal scores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// The earlier document comes first.
    #[default]
    Stable,
    /// NDCG: the mean over all orders of the tied documents (scikit-learn). Other metrics: as `Stable`.
    Average,
}

/// By what the sum of precisions is divided in AP@k.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divisor {
    /// The number of relevant documents (`trec_eval`).
    #[default]
    Relevant,
    /// That number or k, whichever is less (LightGBM, `XGBoost`).
    AtMostK,
}

/// All of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convention {
    /// What a grade is worth.
    pub gain: Gain,
    /// By what it is divided.
    pub discount: Discount,
    /// What a query without a relevant document counts.
    pub empty: Empty,
    /// What becomes of equal scores.
    pub ties: Ties,
    /// The divisor of AP.
    pub divisor: Divisor,
    /// The lowest grade that is relevant.
    pub relevant_from: u8,
    /// The highest grade that ERR reckons with; stored with the model.
    pub highest_grade: u8,
}

impl Convention {
    /// How many of these documents are relevant.
    #[must_use]
    pub fn relevant(&self, grades: &[u8]) -> usize {
        grades.iter().filter(|grade| **grade >= self.relevant_from).count()
    }

    /// The defaults, with the highest grade of the training labels.
    #[must_use]
    pub fn new(highest_grade: u8) -> Self {
        Self {
            gain: Gain::default(),
            discount: Discount::default(),
            empty: Empty::default(),
            ties: Ties::default(),
            divisor: Divisor::default(),
            relevant_from: 1,
            highest_grade,
        }
    }

    /// In a line, but for what empty queries count.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{}, highest grade {}", self.usual(), self.highest_grade)
    }

    /// What two runs must have in common, in a line: all but the highest grade, which ERR alone reckons with. That is by default
    /// the one of the training labels, and two models of one convention may have learned from different ones.
    #[must_use]
    pub fn words(&self) -> String {
        let empty = match self.empty {
            Empty::Zero => "count 0",
            Empty::Skip => "are skipped",
            Empty::One => "count 1",
        };
        format!("{}; queries without relevant documents {empty}", self.usual())
    }

    fn usual(self) -> String {
        let gain = match self.gain {
            Gain::Exponential => "gain 2^grade − 1",
            Gain::Linear => "gain grade",
        };
        let discount = match self.discount {
            Discount::Log2 => "discount log2(rank + 1)",
            Discount::Letor => "LETOR's discount",
        };
        let ties = match self.ties {
            Ties::Stable => "equal scores in the order of the data",
            Ties::Average => "equal scores averaged in NDCG",
        };
        let divisor = match self.divisor {
            Divisor::Relevant => "AP over all relevant documents",
            Divisor::AtMostK => "AP@k over at most k relevant documents",
        };
        format!("{gain}, {discount}, {ties}, {divisor}; relevant from grade {}", self.relevant_from)
    }
}

/// Labels as grades.
///
/// # Errors
/// `Invalid`, naming the document (from 1), for a label that is not a whole number of 0 to 31.
pub fn grades(labels: &[f64]) -> Result<Vec<u8>> {
    let grade = |(at, label): (usize, &f64)| {
        if (0.0..=f64::from(HIGHEST_GRADE)).contains(label) && label.fract() == 0.0 {
            return Ok(*label as u8);
        }
        Err(Error::invalid(format!("the label of document {} is {label}", at + 1))
            .hint("ranking labels are whole numbers of 0 to 31; NDCG takes 2 to their power"))
    };
    labels.iter().enumerate().map(grade).collect()
}

#[cfg(test)]
mod tests {
    use super::{Convention, Empty, Gain, grades};

    #[test]
    fn a_convention_in_words_leaves_out_what_only_err_reckons_with() {
        let usual = Convention::new(4);
        assert_eq!(
            usual.words(),
            "gain 2^grade − 1, discount log2(rank + 1), equal scores in the order of the data, AP over all relevant \
             documents; relevant from grade 1; queries without relevant documents count 0"
        );
        assert_eq!(usual.words(), Convention::new(2).words());
        for other in [Convention { gain: Gain::Linear, ..usual }, Convention { empty: Empty::One, ..usual }] {
            assert_ne!(usual.words(), other.words());
        }
    }

    #[test]
    fn labels_are_whole_numbers_up_to_31() {
        assert_eq!(grades(&[0.0, 31.0, -0.0]).unwrap(), [0, 31, 0]);
        for label in [-1.0, 0.5, 32.0, f64::NAN, f64::INFINITY] {
            let error = grades(&[1.0, label]).unwrap_err();
            assert_eq!(error.message, format!("the label of document 2 is {label}"));
        }
    }
}
