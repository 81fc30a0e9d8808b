//! Probabilities that class weights have moved, moved back.
//!
//! A model that is fitted with weight w(k) for the rows of class k learns q(k) ∝ w(k)·p(k), as if class k were w(k)
//! times as frequent. What it ranks stays; what it says is no longer a probability: at a base rate of 6.7 % the mean
//! prediction of a balanced model is about 40 %. The way back is exact for a model that is right under its weights:
//! p(k) ∝ q(k) / w(k), normalised over the classes (Saerens, Latinne and Decaestecker 2002). For two classes, with the
//! base rate π, and π' as the weights make it (½ when balanced), that is logit p = logit q + logit π − logit π'. The
//! order of the rows does not change for two classes; 0 and 1 stay.

use ndarray::Array2;

/// Takes the weights of the classes out of probabilities, `n_rows × n_classes`, in place.
///
/// # Panics
/// When there is not one weight above 0 per class: weights are checked where they are read.
pub fn undo_class_weights(probabilities: &mut Array2<f64>, weights: &[f64]) {
    assert_eq!(probabilities.ncols(), weights.len(), "one weight per class");
    assert!(weights.iter().all(|weight| *weight > 0.0), "weights are above 0");
    for mut row in probabilities.rows_mut() {
        row.iter_mut().zip(weights).for_each(|(probability, weight)| *probability /= weight);
        let sum = row.sum();
        if sum > 0.0 {
            row /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// The probability of the positive class without class weights: `base_rate` is that of the training rows,
    /// `balanced_rate` that of their weights (0.5 for balanced ones). All three are probabilities.
    fn prior_shift(p_balanced: f64, base_rate: f64, balanced_rate: f64) -> f64 {
        // The odds form of the sum of logits: it needs no special case at 0 and 1.
        let positive = p_balanced * base_rate * (1.0 - balanced_rate);
        let negative = (1.0 - p_balanced) * (1.0 - base_rate) * balanced_rate;
        let both = positive + negative;
        if both > 0.0 { positive / both } else { p_balanced }
    }

    #[test]
    fn agrees_with_logits_by_hand() {
        // Base rate 1/15, balanced: even odds become odds of 1 to 14; odds 4 to 1 become 4 to 14.
        assert!((prior_shift(0.5, 1.0 / 15.0, 0.5) - 1.0 / 15.0).abs() < 1e-15);
        assert!((prior_shift(0.8, 1.0 / 15.0, 0.5) - 4.0 / 18.0).abs() < 1e-15);
        let logit = |p: f64| (p / (1.0 - p)).ln();
        let shifted = prior_shift(0.37, 0.1, 0.3);
        assert!((logit(shifted) - (logit(0.37) + logit(0.1) - logit(0.3))).abs() < 1e-12);
        assert!(prior_shift(0.0, 0.067, 0.5) <= 0.0 && prior_shift(1.0, 0.067, 0.5) >= 1.0);
    }

    #[test]
    fn weights_of_two_classes_are_the_prior_shift() {
        // Balanced weights of 14 rows against 1: n / (k · n_c) = 15/28 and 15/2.
        let mut probabilities = array![[0.2, 0.8], [0.75, 0.25], [1.0, 0.0]];
        let wanted = probabilities.column(1).mapv(|p| prior_shift(p, 1.0 / 15.0, 0.5));
        undo_class_weights(&mut probabilities, &[15.0 / 28.0, 7.5]);
        for (row, want) in probabilities.rows().into_iter().zip(wanted) {
            assert!((row[1] - want).abs() < 1e-15 && (row.sum() - 1.0).abs() < 1e-15);
        }
        // Three classes: .5/1, .3/3, .2/.5 are 5 : 1 : 4.
        let mut probabilities = array![[0.5, 0.3, 0.2]];
        undo_class_weights(&mut probabilities, &[1.0, 3.0, 0.5]);
        assert!((&probabilities - &array![[0.5, 0.1, 0.4]]).iter().all(|gap| gap.abs() < 1e-15));
    }

    /// A population where the truth is known. By the prior shift p' = (p/2b) / (p/2b + (1 − p)/2(1 − b)) of the base rate
    /// b = 6.7 %, the balanced model's mean prediction is about 38 % and its Brier score more than twice as high; undone,
    /// both come back exactly.
    #[test]
    fn a_balanced_model_of_a_rare_class_is_made_honest() {
        // Share of the rows and their true probability; the base rate is .067.
        let groups = [(0.6, 0.02), (0.25, 0.06), (0.1, 0.15), (0.05, 0.5)];
        let base: f64 = groups.iter().map(|(share, p)| share * p).sum();
        let mean = |said: &dyn Fn(f64) -> f64| groups.iter().map(|(share, p)| share * said(*p)).sum::<f64>();
        let brier = |said: &dyn Fn(f64) -> f64| {
            groups.iter().map(|(share, p)| share * (p * (1.0 - p) + (said(*p) - p).powi(2))).sum::<f64>()
        };
        assert!((base - 0.067).abs() < 1e-12);
        let balanced = |p: f64| {
            let (positive, negative) = (p * 0.5 / base, (1.0 - p) * 0.5 / (1.0 - base));
            positive / (positive + negative)
        };
        assert!((mean(&balanced) - 0.38).abs() < 0.03, "{}", mean(&balanced));
        assert!(brier(&balanced) > 2.0 * brier(&|p| p));
        let honest = |p: f64| prior_shift(balanced(p), base, 0.5);
        assert!((mean(&honest) - base).abs() < 1e-14);
        assert!((brier(&honest) - brier(&|p| p)).abs() < 1e-14);
    }
}
