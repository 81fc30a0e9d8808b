//! What training tells of each epoch: a row of `training_history.json`, and what a progress line is drawn from.

use std::collections::BTreeMap;

/// One epoch.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Mean over the training lists of their loss, each before its batch's step.
    pub loss: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// How long it took, validation included.
    pub seconds: f64,
    /// Metrics on the validation lists.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the metric that decides is the best so far.
    pub best: bool,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// All epochs are over.
    Epochs,
    /// The metric that decides had not risen for `patience` epochs.
    Patience,
}

/// What came of training.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// A row for each epoch, those before a resumption included.
    pub history: Vec<EpochRow>,
    /// The epoch whose weights are kept, from 1.
    pub best_epoch: usize,
    /// Why it ended.
    pub stop: Stop,
}

impl EpochRow {
    /// The numbers of the row by name: `loss`, `val_…`, `learning_rate`, `seconds`.
    #[must_use]
    pub fn values(&self) -> Vec<(String, f64)> {
        let metrics = self.metrics.iter().map(|(name, value)| (format!("val_{name}"), *value));
        let rest = [("learning_rate".to_owned(), self.learning_rate), ("seconds".to_owned(), self.seconds)];
        std::iter::once(("loss".to_owned(), self.loss)).chain(metrics).chain(rest).collect()
    }

    /// `Epoch 45/100: loss=0.298 val_ndcg@10=0.525 ★`.
    #[must_use]
    pub fn line(&self, epochs: usize) -> String {
        let metrics: String = self.metrics.iter().map(|(name, value)| format!(" val_{name}={value:.3}")).collect();
        let star = if self.best { " ★" } else { "" };
        format!("Epoch {}/{epochs}: loss={:.3}{metrics}{star}", self.epoch, self.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::EpochRow;

    #[test]
    fn a_row_is_one_line() {
        let metrics = [("ndcg@10".to_owned(), 0.5251)].into();
        let row = EpochRow { epoch: 45, loss: 0.2981, learning_rate: 1e-3, seconds: 0.1, metrics, best: true };
        let names: Vec<String> = row.values().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["loss", "val_ndcg@10", "learning_rate", "seconds"]);
        assert_eq!(row.line(100), "Epoch 45/100: loss=0.298 val_ndcg@10=0.525 ★");
    }
}
