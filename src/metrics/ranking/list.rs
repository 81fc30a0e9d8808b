//! One query's documents in the order of their scores: what a ranking metric is given.

use super::convention::Convention;
use crate::error::{Error, Result};

/// A list, ranked.
#[derive(Debug, Clone)]
pub struct Ranked<'a> {
    /// Grades in the order of the scores, best first; ties in input order.
    pub grades: Vec<u8>,
    /// Ranks, from 0, at which a group of equal scores ends: ascending, the last is the number of documents.
    pub tie_ends: Vec<usize>,
    /// Grades, best first: the ideal order.
    pub ideal: Vec<u8>,
    /// What the numbers mean.
    pub convention: &'a Convention,
}

impl<'a> Ranked<'a> {
    /// Sorts by score, descending; −0 and 0 tie.
    ///
    /// # Errors
    /// `Invalid` for a NaN score, naming the document (from 1); for lengths that differ.
    pub fn new(scores: &[f64], grades: &[u8], convention: &'a Convention) -> Result<Self> {
        if scores.len() != grades.len() {
            return Err(Error::invalid(format!("expected {} scores, got {}", grades.len(), scores.len())));
        }
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(Error::invalid(format!("the score of document {} is NaN", at + 1)));
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Adding 0 turns −0 into 0.
        order.sort_by(|left, right| (scores[*right] + 0.0).total_cmp(&(scores[*left] + 0.0)));
        let ends =
            (1..=order.len()).filter(|end| *end == order.len() || scores[order[*end]] != scores[order[*end - 1]]);
        let mut ideal = grades.to_vec();
        ideal.sort_unstable_by(|left, right| right.cmp(left));
        Ok(Self {
            tie_ends: ends.collect(),
            grades: order.into_iter().map(|document| grades[document]).collect(),
            ideal,
            convention,
        })
    }

    /// Whether the document at each rank is relevant, best first.
    pub fn relevant(&self) -> impl Iterator<Item = bool> + '_ {
        self.grades.iter().map(|grade| *grade >= self.convention.relevant_from)
    }

    /// The number of relevant documents.
    #[must_use]
    pub fn n_relevant(&self) -> usize {
        self.relevant().filter(|relevant| *relevant).count()
    }

    /// k, or all documents.
    #[must_use]
    pub fn cut(&self, at: Option<usize>) -> usize {
        at.unwrap_or(usize::MAX).min(self.grades.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Ranked;
    use crate::metrics::ranking::Convention;

    #[test]
    fn zeros_tie_and_nan_is_an_error() {
        let convention = Convention::new(4);
        let ranked = Ranked::new(&[0.0, -0.0, 2.0, -1.0], &[1, 2, 3, 4], &convention).unwrap();
        assert_eq!((&*ranked.grades, &*ranked.tie_ends), (&[3, 1, 2, 4][..], &[1, 3, 4][..]));
        let error = Ranked::new(&[0.0, f64::NAN], &[1, 2], &convention).unwrap_err();
        assert_eq!(error.message, "the score of document 2 is NaN");
        assert!(Ranked::new(&[0.0], &[1, 2], &convention).is_err());
    }
}
