//! What the pairwise losses share: Σ w(i, j) · ln(1 + e^−σ(sᵢ − sⱼ)) over all pairs with yᵢ > yⱼ, and its derivative.
//!
//! Documents lie in order of their grade, so the partners of a document are all that follow its grade: one stretch, walked
//! eight at a time. λ = σ · w(i, j) / (1 + e^σ(sᵢ − sⱼ)) pushes i up and j down.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::Arch;

use super::logistic::softplus_and_logistic;

/// Documents walked at a time; columns are longer than the list by this, so that the last step finds numbers.
pub const LANES: usize = 8;

/// A list in the order of its grades, descending; the columns have `n + LANES` places.
pub struct Pairs<'a> {
    /// Scores.
    pub scores: &'a [f64],
    /// Grades; as long as the list.
    pub grades: &'a [u8],
    /// Grade order: the document at each place.
    pub order: &'a [u32],
    /// σ.
    pub sigma: f64,
    /// Room for a row of weights.
    pub weights: &'a mut [f64],
    /// The derivative, in grade order.
    pub gradient: &'a mut [f64],
}

/// The sum over the pairs, and their number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Σ w · ln(1 + e^−σd).
    pub loss: f64,
    /// Σ |λ|.
    pub lambdas: f64,
    /// Pairs with different grades.
    pub pairs: f64,
}

impl Pairs<'_> {
    /// Walks all pairs. `weigh(i, first, weights)` writes w(i, first), w(i, first + 1), …, for as many as there is room.
    #[inline(always)]
    pub fn walk(self, weigh: impl Fn(usize, usize, &mut [f64])) -> Sums {
        Arch::new().dispatch(
            #[inline(always)]
            || self.walk_here(weigh),
        )
    }

    #[inline(always)]
    fn walk_here(self, weigh: impl Fn(usize, usize, &mut [f64])) -> Sums {
        let n = self.grades.len();
        let mut sums = Sums::default();
        self.gradient.fill(0.0);
        let mut first = 0;
        for i in 0..n {
            let grade = self.grades[self.order[i] as usize];
            while first < n && self.grades[self.order[first] as usize] >= grade {
                first += 1;
            }
            let partners = n - first;
            if partners == 0 {
                break;
            }
            let room = partners.next_multiple_of(LANES);
            let weights = &mut self.weights[..room];
            weigh(i, first, weights);
            weights[partners..].fill(0.0);
            let (loss, lambda) = row(
                (self.scores[i], self.sigma),
                self.scores[first..first + room].as_chunks::<LANES>().0,
                weights.as_chunks::<LANES>().0,
                self.gradient[first..first + room].as_chunks_mut::<LANES>().0,
            );
            self.gradient[i] -= lambda;
            sums.loss += loss;
            sums.lambdas += 2.0 * lambda;
            sums.pairs += partners as f64;
        }
        sums
    }
}

/// One document against all of lower grade: Σ w · ln(1 + e^−σd) and Σ λ.
#[inline(always)]
fn row(
    (score, sigma): (f64, f64),
    others: &[[f64; LANES]],
    weights: &[[f64; LANES]],
    gradient: &mut [[f64; LANES]],
) -> (f64, f64) {
    let (mut losses, mut lambdas) = ([0.0; LANES], [0.0; LANES]);
    for ((others, weights), gradient) in others.iter().zip(weights).zip(gradient) {
        // Copies, because short loops over numbers that might overlap do not become vector code.
        let (others, weights, mut slopes) = (*others, *weights, *gradient);
        let (mut softplus, mut share) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            (softplus[lane], share[lane]) = softplus_and_logistic(sigma * (score - others[lane]));
        }
        for lane in 0..LANES {
            let lambda = sigma * weights[lane] * share[lane];
            losses[lane] = weights[lane].mul_add(softplus[lane], losses[lane]);
            lambdas[lane] += lambda;
            slopes[lane] += lambda;
        }
        *gradient = slopes;
    }
    (losses.iter().sum(), lambdas.iter().sum())
}

/// Writes `values` in the order of `order`, and `LANES` zeros after them.
pub fn arrange(values: impl Fn(usize) -> f64, order: &[u32], column: &mut Vec<f64>) {
    column.clear();
    column.extend(order.iter().map(|document| values(*document as usize)));
    column.resize(order.len() + LANES, 0.0);
}

/// Gives the derivative back to the documents, times `factor`.
pub fn give_back(sorted: &[f64], order: &[u32], factor: f64, gradient: &mut [f64]) {
    for (document, value) in order.iter().zip(sorted) {
        gradient[*document as usize] = value * factor;
    }
}
