//! Metrics by name, whichever task they belong to: `f1`, `ndcg@10`.

use super::metric::Direction;
use super::ranking::Wanted;
use super::{METRICS, ranking::RANKING_METRICS};
use crate::catalog::find;
use crate::data::Task;
use crate::error::{Error, Result};

/// The metrics of a task.
struct Names {
    /// Whether a name, which may have a cut such as `@10`, is one of them.
    knows: fn(&str) -> bool,
    /// The name as it is stored.
    find: fn(&str) -> Result<String>,
    /// Some of them, for hints.
    examples: &'static str,
}

fn names_of(task: Task) -> Names {
    match task {
        Task::Classification => Names {
            knows: |written| METRICS.iter().any(|metric| metric.name() == written),
            find: |written| Ok(find("metric", METRICS, written)?.name().to_owned()),
            examples: "`f1`, `roc_auc`, `log_loss`",
        },
        Task::Ranking => Names {
            knows: |written| {
                let base = written.split('@').next().unwrap_or(written);
                RANKING_METRICS.iter().any(|metric| metric.name() == base) || base == "p"
            },
            find: |written| Ok(Wanted::parse(written)?.name()),
            examples: "`ndcg@10`, `map`, `mrr`",
        },
    }
}

/// The name of a metric of this task, as it is written everywhere: `precision@5` for `p@5`.
///
/// # Errors
/// `Invalid` for a metric that the task does not have; a metric of the other task is named as such.
pub fn name(task: Task, written: &str) -> Result<String> {
    let own = names_of(task);
    let other = Task::ALL.into_iter().find(|other| *other != task && (names_of(*other).knows)(written));
    match other {
        Some(other) if !(own.knows)(written) => {
            let message = format!("`{written}` is a metric of {}, and the task is {}", other.name(), task.name());
            Err(Error::invalid(message).hint(format!("such as {}", own.examples)))
        }
        _ => (own.find)(written),
    }
}

/// Whether more is better; `name` may be a metric of either task.
///
/// # Errors
/// `Invalid` for an unknown metric.
pub fn direction(name: &str) -> Result<Direction> {
    match find("metric", METRICS, name) {
        Ok(metric) => Ok(metric.direction()),
        Err(unknown) => Wanted::parse(name).map(|_| Direction::Maximize).map_err(|_| unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_their_task() {
        let [classification, ranking] = Task::ALL;
        assert_eq!(name(ranking, "p@5").unwrap(), "precision@5");
        assert_eq!(name(classification, "precision").unwrap(), "precision");
        let error = name(classification, "ndcg@10").unwrap_err();
        assert_eq!(error.message, "`ndcg@10` is a metric of ranking, and the task is classification");
        let error = name(ranking, "f1").unwrap_err();
        assert_eq!(error.message, "`f1` is a metric of classification, and the task is ranking");
        assert!(name(ranking, "ndgc@10").unwrap_err().hint.unwrap().contains("ndcg"));
        assert!(name(ranking, "precision").unwrap_err().message.contains("needs a k"));
    }

    #[test]
    fn the_direction_is_known_for_both_tasks() {
        assert_eq!(direction("log_loss").unwrap(), Direction::Minimize);
        assert_eq!(direction("ndcg@10").unwrap(), Direction::Maximize);
        assert_eq!(direction("nothing").unwrap_err().message, "unknown metric `nothing`");
    }
}
