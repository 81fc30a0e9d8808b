//! What boosting lowers: an objective gives, for scores, the first and second derivative of each row.

/// A loss that is twice differentiable in the scores.
pub trait Objective: Sync {
    /// The score from which boosting starts.
    fn start(&self) -> f64 {
        0.0
    }

    /// Writes gradient and second derivative of each row; the second must not be negative.
    fn gradients(&self, scores: &[f64], gradients: &mut [[f32; 2]]);
}
