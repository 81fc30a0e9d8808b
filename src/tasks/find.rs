//! From a task's name to what it does.

use super::TASKS;
use super::task_kind::TaskKind;
use crate::data::Task;

/// What a task does.
#[must_use]
pub fn kind_of(task: Task) -> &'static dyn TaskKind {
    TASKS.iter().copied().find(|kind| kind.task() == task).expect("every task is listed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_listed_once() {
        assert_eq!(TASKS.len(), Task::ALL.len());
        assert!(Task::ALL.into_iter().all(|task| kind_of(task).task() == task));
    }
}
