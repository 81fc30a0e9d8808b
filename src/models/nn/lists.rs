//! Queries with their documents: what a ranking network is trained and measured on.

use super::matrix::Matrix;
use crate::error::{Error, Result};
use crate::kernels::Real;
use crate::metrics::ranking::HIGHEST_GRADE;

/// Lists of documents, one after the other.
#[derive(Debug, Clone)]
pub struct Lists<T: Real> {
    /// Features: a row for each document.
    pub features: Matrix<T>,
    /// Relevance grade of each document.
    pub grades: Vec<u8>,
    /// List `i` holds the documents `starts[i]..starts[i + 1]`.
    pub starts: Vec<usize>,
}

impl<T: Real> Lists<T> {
    /// From features, row-major `n × n_features`, grades and the places where lists start (the first 0, the last n).
    ///
    /// # Errors
    /// `Invalid` for sizes that do not fit, an empty list, a grade above 31, a feature that is NaN or infinite.
    pub fn new(features: &[f32], n_features: usize, grades: &[u8], starts: &[usize]) -> Result<Self> {
        let n = grades.len();
        if n_features == 0 || features.len() != n * n_features {
            return Err(Error::invalid(format!(
                "expected {n} documents of {n_features} features, got {} numbers",
                features.len()
            )));
        }
        if starts.first() != Some(&0) || starts.last() != Some(&n) {
            return Err(Error::invalid("lists do not cover the documents"));
        }
        if let Some(list) = starts.windows(2).position(|ends| ends[0] >= ends[1]) {
            return Err(Error::invalid(format!("query {} has no documents", list + 1)));
        }
        if let Some(at) = grades.iter().position(|grade| *grade > HIGHEST_GRADE) {
            return Err(Error::invalid(format!(
                "the grade of document {} is {}, more than {HIGHEST_GRADE}",
                at + 1,
                grades[at]
            ))
            .hint("grades are whole numbers of 0 to 31"));
        }
        if let Some(at) = features.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(format!(
                "feature {} of document {} is NaN or infinite",
                at % n_features + 1,
                at / n_features + 1
            ))
            .hint("fill or drop such values before training"));
        }
        Ok(Self { features: Matrix::of_rows(features, n_features), grades: grades.to_vec(), starts: starts.to_vec() })
    }

    /// Number of lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The documents of a list.
    #[must_use]
    pub fn documents(&self, list: usize) -> std::ops::Range<usize> {
        self.starts[list]..self.starts[list + 1]
    }

    /// Lists whose grades are all alike: pairs and permutations teach nothing there.
    #[must_use]
    pub fn n_uniform(&self) -> usize {
        let uniform = |list: &usize| {
            let grades = &self.grades[self.documents(*list)];
            grades.iter().all(|grade| *grade == grades[0])
        };
        (0..self.len()).filter(uniform).count()
    }
}

#[cfg(test)]
mod tests {
    use super::Lists;

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = |features: &[f32], grades: &[u8], starts: &[usize]| {
            Lists::<f32>::new(features, 2, grades, starts).unwrap_err().message
        };
        assert_eq!(message(&[0.0; 3], &[0, 1], &[0, 2]), "expected 2 documents of 2 features, got 3 numbers");
        assert_eq!(message(&[0.0; 4], &[0, 1], &[0, 1]), "lists do not cover the documents");
        assert_eq!(message(&[0.0; 4], &[0, 1], &[0, 1, 1, 2]), "query 2 has no documents");
        assert_eq!(message(&[0.0; 4], &[0, 32], &[0, 2]), "the grade of document 2 is 32, more than 31");
        assert_eq!(message(&[0.0, 0.0, 0.0, f32::NAN], &[0, 1], &[0, 2]), "feature 2 of document 2 is NaN or infinite");
        let lists = Lists::<f64>::new(&[0.0; 8], 2, &[0, 1, 1, 1], &[0, 2, 4]).unwrap();
        assert_eq!((lists.len(), lists.n_uniform(), lists.documents(1)), (2, 1, 2..4));
    }
}
