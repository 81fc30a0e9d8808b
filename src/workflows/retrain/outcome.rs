//! What came of a `retrain`.

use serde::Serialize;

use super::plan::Plan;
use super::state::{Conclusion, End, State};
use crate::names::ModelName;
use crate::notify::Delivery;

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The retrain's name.
    pub name: String,
    /// The model.
    pub model: ModelName,
    /// The period.
    pub period: String,
    /// How it ended, or why it did not begin.
    pub outcome: Conclusion,
    /// The period had its retrain before.
    pub already_done: bool,
    /// The first step that had to be done, where a retrain was gone on with.
    pub resumed_at: Option<String>,
    /// Why nothing was done.
    pub reasons: Vec<String>,
    /// What is known of it.
    pub state: Option<State>,
    /// What would be done.
    pub plan: Option<Plan>,
    /// Who was told, and whether it arrived.
    pub notices: Vec<Delivery>,
    /// Seconds in all.
    pub seconds: f64,
}

impl Outcome {
    /// 0 promoted, done before or nothing to do; 1 rolled back, also when that was before; 3 refused; 5 inconclusive.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            Conclusion::Ended(End::RolledBack) => 1,
            _ if self.already_done => 0,
            Conclusion::Ended(End::Refused) => 3,
            Conclusion::Ended(End::Inconclusive) => 5,
            _ => 0,
        }
    }
}
