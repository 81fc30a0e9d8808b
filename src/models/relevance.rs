//! The rows of a ranking set as estimators take them: features, grades, and where each query begins, looked at once.
//!
//! Refused are: rows with classes instead of grades, no rows, no features, queries that do not cover the rows, a query without
//! documents, a grade above 31, a feature that is NaN or infinite, and a training part in which no query has documents of
//! different grades: there is no order to learn. Queries of one grade among others are counted and told.

use super::family::{Event, FitContext};
use crate::data::dataset::{Dataset, Features, Targets};
use crate::error::{Error, Result};
use crate::metrics::ranking::HIGHEST_GRADE;

/// Documents of several queries.
#[derive(Debug, Clone, Copy)]
pub struct Relevance<'a> {
    /// `n × n_features`.
    pub features: &'a Features,
    /// Grade of each row, 0 to 31.
    pub grades: &'a [u8],
    /// Query `q` holds the rows `starts[q]..starts[q + 1]`.
    pub starts: &'a [usize],
}

impl<'a> Relevance<'a> {
    /// The rows of a part, `training` or `validation`.
    ///
    /// # Errors
    /// `Invalid` for what no model can learn from or be judged by; see the module.
    pub fn of(data: &'a Dataset, part: &str) -> Result<Self> {
        let Targets::Relevance { grades, starts } = &data.targets else {
            return Err(Error::invalid(format!("the {part} rows have classes, and a ranking model learns grades"))
                .hint("set `task: ranking`, or take a kind of model that learns classes"));
        };
        let (n_rows, n_features) = (data.features.n_rows(), data.features.n_features());
        if n_rows == 0 {
            return Err(Error::invalid(format!("there are no {part} rows")));
        }
        if n_features == 0 {
            return Err(Error::invalid(format!("the {part} rows have no features")));
        }
        if grades.len() != n_rows {
            let got = grades.len();
            return Err(Error::invalid(format!(
                "expected {n_rows} grades, one for each of the {part} rows, got {got}"
            )));
        }
        if starts.first() != Some(&0) || starts.last() != Some(&n_rows) {
            return Err(Error::failed(format!("the queries do not cover the {n_rows} {part} rows")));
        }
        if let Some(query) = starts.windows(2).position(|ends| ends[0] >= ends[1]) {
            return Err(Error::invalid(format!("{part} query {} has no documents", query + 1)));
        }
        if let Some(row) = grades.iter().position(|grade| *grade > HIGHEST_GRADE) {
            let grade = grades[row];
            let message = format!("the grade of {part} row {} is {grade}, more than {HIGHEST_GRADE}", row + 1);
            return Err(Error::invalid(message).hint("grades are whole numbers of 0 to 31"));
        }
        if let Err(error) = data.features.check_finite(&data.ids) {
            let message = format!("{part} rows: {}", error.message);
            return Err(Error::invalid(message).hint(error.hint.unwrap_or_default()));
        }
        Ok(Self { features: &data.features, grades, starts })
    }

    /// Number of queries.
    #[must_use]
    pub fn n_queries(&self) -> usize {
        self.starts.len() - 1
    }

    /// The highest grade.
    #[must_use]
    pub fn highest_grade(&self) -> u8 {
        self.grades.iter().copied().max().unwrap_or(0)
    }

    /// Queries for which a rule over their grades holds.
    pub fn n_where(&self, holds: impl Fn(&[u8]) -> bool) -> usize {
        self.starts.windows(2).filter(|ends| holds(&self.grades[ends[0]..ends[1]])).count()
    }

    /// Tells of training queries that teach no order.
    ///
    /// # Errors
    /// `Invalid` when all are such.
    pub fn check_order(&self, context: &FitContext<'_>) -> Result<()> {
        let n_queries = self.n_queries();
        let uniform = self.n_where(|grades| grades.iter().all(|grade| *grade == grades[0]));
        if uniform == n_queries {
            let message = match n_queries {
                1 => format!("the only training query has {} documents of one grade", self.grades.len()),
                _ => format!("none of the {n_queries} training queries has documents of different grades"),
            };
            return Err(Error::invalid(message).hint("there is no order to learn; check the labels"));
        }
        if uniform > 0 {
            let warning = format!(
                "{uniform} of {n_queries} training queries have documents of one grade only: they teach no order"
            );
            context.tell(&Event::Warning(&warning));
        }
        if n_queries == 1 {
            let warning = "all training rows are of one query: what is learned may not hold for others";
            context.tell(&Event::Warning(warning));
        }
        Ok(())
    }
}

/// Scores are for rows of the width of training, all finite.
///
/// # Errors
/// `Invalid`, with both widths, or with the first cell that is NaN or infinite.
pub fn check_scored(features: &Features, expected: usize) -> Result<()> {
    let got = features.n_features();
    if got != expected {
        return Err(Error::invalid_rows(format!("expected {expected} features, got {got}"))
            .hint("predict with the features that the model was trained on"));
    }
    features.check_finite(&[]).map_err(|error| Error::invalid_rows(error.message).hint("fill or drop such values"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use ndarray::Array2;

    use super::*;

    fn data(grades: &[u8], starts: &[usize]) -> Dataset {
        let features = Features::Dense(Array2::zeros((grades.len(), 2)));
        let targets = Targets::Relevance { grades: grades.to_vec(), starts: starts.to_vec() };
        Dataset { features, targets, ids: vec!["a".into(); grades.len()] }
    }

    #[test]
    fn what_cannot_be_ranked_is_refused_by_name() {
        let message = |data: &Dataset| Relevance::of(data, "training").err().unwrap().message;
        assert_eq!(message(&data(&[], &[0])), "there are no training rows");
        assert_eq!(message(&data(&[0, 1], &[0, 1])), "the queries do not cover the 2 training rows");
        assert_eq!(message(&data(&[0, 1], &[0, 1, 1, 2])), "training query 2 has no documents");
        assert_eq!(message(&data(&[0, 32], &[0, 2])), "the grade of training row 2 is 32, more than 31");
        let mut broken = data(&[0, 1], &[0, 2]);
        broken.features = Features::Dense(ndarray::array![[0.0, 1.0], [f32::NAN, 0.0]]);
        assert_eq!(message(&broken), "training rows: feature 1 of row 2 (id `a`) is NaN or infinite");
        broken.features = Features::Dense(Array2::zeros((2, 0)));
        assert_eq!(message(&broken), "the training rows have no features");
        broken.features = Features::Dense(Array2::zeros((3, 2)));
        assert_eq!(message(&broken), "expected 3 grades, one for each of the training rows, got 2");
        broken.targets = Targets::Classes { index: vec![0, 1], labels: vec!["a".into(), "b".into()] };
        assert_eq!(message(&broken), "the training rows have classes, and a ranking model learns grades");
    }

    #[test]
    fn queries_that_teach_no_order_are_counted() {
        let told = Mutex::new(Vec::new());
        let observe = |event: &Event<'_>| {
            if let Event::Warning(text) = event {
                told.lock().unwrap().push((*text).to_owned());
            }
        };
        let never = AtomicBool::new(false);
        let context = FitContext::new(1, &observe, &never);
        let check = |grades: &[u8], starts: &[usize]| {
            let data = data(grades, starts);
            Relevance::of(&data, "training").unwrap().check_order(&context).err().map(|error| error.message)
        };
        assert_eq!(check(&[0, 1, 2, 2, 3], &[0, 2, 4, 5]), None);
        assert_eq!(check(&[0, 1], &[0, 2]), None);
        assert_eq!(check(&[1, 1], &[0, 2]).unwrap(), "the only training query has 2 documents of one grade");
        let none = check(&[1, 1, 0], &[0, 2, 3]).unwrap();
        assert_eq!(none, "none of the 2 training queries has documents of different grades");
        let told = told.into_inner().unwrap();
        assert_eq!(told[0], "2 of 3 training queries have documents of one grade only: they teach no order");
        assert!(told.len() == 2 && told[1].starts_with("all training rows are of one query"));
    }
}
