//! Metrics by name, whichever task they belong to: `f1`, `ndcg@10`.

use super::metric::Direction;
use super::ranking::Wanted;
use super::{METRICS, ranking::RANKING_METRICS};
use crate::catalog::find;
use crate::data::Task;
use crate::error::{Error, Result};

/// The name of a metric of this task, as it is written everywhere: `precision@5` for `p@5`.
///
/// # Errors
/// `Invalid` for a metric that the task does not have; a metric of the other task is named as such.
pub fn name(task: Task, written: &str) -> Result<String> {
    let base = written.split('@').next().unwrap_or(written);
    let of_ranking = RANKING_METRICS.iter().any(|metric| metric.name() == base) || base == "p";
    let of_classes = METRICS.iter().any(|metric| metric.name() == written);
    let other = |other: Task, known: &str| {
        let message = format!("`{written}` is a metric of {}, and the task is {}", other.name(), task.name());
        Error::invalid(message).hint(format!("such as {known}"))
    };
    match task {
        Task::Classification if of_ranking && !of_classes => Err(other(Task::Ranking, "`f1`, `roc_auc`, `log_loss`")),
        Task::Classification => Ok(find("metric", METRICS, written)?.name().to_owned()),
        Task::Ranking if of_classes && !of_ranking => Err(other(Task::Classification, "`ndcg@10`, `map`, `mrr`")),
        Task::Ranking => Ok(Wanted::parse(written)?.name()),
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
        assert_eq!(name(Task::Ranking, "p@5").unwrap(), "precision@5");
        assert_eq!(name(Task::Classification, "precision").unwrap(), "precision");
        let error = name(Task::Classification, "ndcg@10").unwrap_err();
        assert_eq!(error.message, "`ndcg@10` is a metric of ranking, and the task is classification");
        let error = name(Task::Ranking, "f1").unwrap_err();
        assert_eq!(error.message, "`f1` is a metric of classification, and the task is ranking");
        assert!(name(Task::Ranking, "ndgc@10").unwrap_err().hint.unwrap().contains("ndcg"));
        assert!(name(Task::Ranking, "precision").unwrap_err().message.contains("needs a k"));
    }

    #[test]
    fn the_direction_is_known_for_both_tasks() {
        assert_eq!(direction("log_loss").unwrap(), Direction::Minimize);
        assert_eq!(direction("ndcg@10").unwrap(), Direction::Maximize);
        assert_eq!(direction("nothing").unwrap_err().message, "unknown metric `nothing`");
    }
}
