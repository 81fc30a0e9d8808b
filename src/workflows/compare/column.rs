//! A column of the table: a metric's last value, or what its history says: `min loss`, `max f1`, `first loss`,
//! `loss step` (the step of the last value), `min loss step` (the step at which it was smallest).

use serde::Serialize;

use crate::error::{Cause, Error, Result};
use crate::metrics::ranking::Wanted;
use crate::metrics::{self, Direction};
use crate::tracking::{Metric, Run, Tracker};

/// Which point of a metric's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    /// The first one.
    First,
    /// The latest one.
    Last,
    /// The smallest value, the earliest of equals.
    Min,
    /// The largest value, the earliest of equals.
    Max,
}

impl Point {
    const NAMES: [(&str, Self); 4] =
        [("first", Self::First), ("last", Self::Last), ("min", Self::Min), ("max", Self::Max)];
}

/// What a column shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As it was written.
    pub text: String,
    /// The metric.
    pub metric: String,
    /// Which point of its history.
    point: Point,
    /// The point's step instead of its value.
    step: bool,
}

impl Column {
    /// Reads `[first|last|min|max] METRIC [step]`.
    ///
    /// # Errors
    /// `Invalid` when there are more words.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let named = |word: &str| Point::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, point)| point);
        let (point, rest) = match words.as_slice() {
            [first, rest @ ..] if !rest.is_empty() && *rest != ["step"] && named(first).is_some() => {
                (named(first).unwrap_or(Point::Last), rest)
            }
            all => (Point::Last, all),
        };
        let (metric, step) = match rest {
            [metric] => (metric, false),
            [metric, "step"] => (metric, true),
            _ => {
                return Err(Error::invalid(format!("`{text}` names no metric"))
                    .hint("[first|last|min|max] METRIC [step], such as `f1` or `min loss step`"));
            }
        };
        // `p@5` is stored as `precision@5`.
        let cut = if metric.contains('@') { Wanted::parse(metric).ok() } else { None };
        let metric = cut.map_or_else(|| (*metric).to_owned(), |cut| cut.name());
        Ok(Self { text: words.join(" "), metric, point, step })
    }

    /// A metric's last value.
    #[must_use]
    pub fn last(metric: &str) -> Self {
        Self { text: metric.to_owned(), metric: metric.to_owned(), point: Point::Last, step: false }
    }

    /// True when it is a metric's last value: the value that a run is known by.
    #[must_use]
    pub fn is_last_value(&self) -> bool {
        self.point == Point::Last && !self.step
    }

    /// Whether a higher one is better; a step has no better one, so an earlier one counts as such.
    ///
    /// # Errors
    /// `Invalid` when nobody knows.
    pub fn direction(&self) -> Result<Direction> {
        if self.step { Ok(Direction::Minimize) } else { direction(&self.metric) }
    }

    /// The value for a run; none when it has none, or when it is not a number.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn value(&self, tracker: &Tracker, run: &Run) -> Result<Option<f64>> {
        let defined = |value: f64| (!value.is_nan()).then_some(value);
        if self.is_last_value() || !run.metrics.contains_key(&self.metric) {
            return Ok(run.metrics.get(&self.metric).copied().and_then(defined));
        }
        let history = tracker.metric_history(&run.id, &self.metric)?;
        let points = || history.iter().filter(|point| !point.value.is_nan());
        // The first of equals stays.
        let least = |better: fn(f64, f64) -> bool| {
            points().reduce(|left, right| if better(right.value, left.value) { right } else { left })
        };
        let found: Option<&Metric> = match self.point {
            Point::First => history.first(),
            Point::Last => history.last(),
            Point::Min => least(|new, old| new < old),
            Point::Max => least(|new, old| new > old),
        };
        Ok(found.and_then(|point| if self.step { Some(point.step as f64) } else { defined(point.value) }))
    }
}

/// Words in the name of a metric that nobody has told us about, which say that lower is better.
const LOWER_IS_BETTER: [&str; 11] =
    ["loss", "error", "rmse", "mse", "mae", "mape", "latency", "seconds", "brier", "perplexity", "cost"];
/// Words that say that higher is better.
const HIGHER_IS_BETTER: [&str; 16] = [
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "ndcg",
    "map",
    "mrr",
    "r2",
    "bleu",
    "rouge",
    "iou",
    "score",
    "reward",
    "hit",
    "throughput",
];

/// The direction of a metric: its own where a catalog knows it (also with `validation_`, `val_` or `train_` before it), else
/// what the words of its name say.
///
/// # Errors
/// `Invalid` when they say nothing.
pub fn direction(metric: &str) -> Result<Direction> {
    let base = ["validation_", "val_", "train_"].iter().find_map(|part| metric.strip_prefix(part)).unwrap_or(metric);
    if let Ok(direction) = metrics::direction(base) {
        return Ok(direction);
    }
    let lower = metric.to_lowercase();
    let words = || lower.split(|letter: char| !letter.is_alphanumeric());
    let says = |list: &[&str]| words().any(|word| list.contains(&word));
    if says(&LOWER_IS_BETTER) || LOWER_IS_BETTER[..3].iter().any(|word| lower.contains(word)) {
        Ok(Direction::Minimize)
    } else if says(&HIGHER_IS_BETTER) {
        Ok(Direction::Maximize)
    } else {
        Err(Error::invalid(format!("the metric `{metric}` has no direction: is a higher or a lower value better?"))
            .hint("`compare --order higher|lower` and `runs best --maximize|--minimize` say it")
            .because(Cause::NoDirection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_word_by_word() {
        let read = |text: &str| {
            let column = Column::parse(text).expect("it is one");
            (column.metric, column.point, column.step)
        };
        assert_eq!(read("f1"), ("f1".into(), Point::Last, false));
        assert_eq!(read(" min  loss step "), ("loss".into(), Point::Min, true));
        assert_eq!(read("p@5"), ("precision@5".into(), Point::Last, false));
        assert_eq!(read("max f1"), ("f1".into(), Point::Max, false));
        assert_eq!(read("loss step"), ("loss".into(), Point::Last, true));
        // A metric may be called `min`.
        assert_eq!(read("min"), ("min".into(), Point::Last, false));
        assert_eq!(read("min step"), ("min".into(), Point::Last, true));
        for wrong in ["", "a b", "min loss step step", "least loss"] {
            assert!(Column::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn directions_are_known_or_told_by_the_name() {
        let known = |name: &str| direction(name).expect("it has one");
        assert_eq!((known("f1"), known("validation_log_loss")), (Direction::Maximize, Direction::Minimize));
        assert_eq!((known("my_loss"), known("val-accuracy")), (Direction::Minimize, Direction::Maximize));
        assert_eq!((known("ndcg@10"), known("val_err@5")), (Direction::Maximize, Direction::Maximize));
        assert_eq!((known("train_loss"), known("seconds_fit")), (Direction::Minimize, Direction::Minimize));
        for unknown in ["n_iter", "temperature", "mapper"] {
            assert!(direction(unknown).expect_err("nobody knows").message.contains("has no direction"), "{unknown}");
        }
    }
}
