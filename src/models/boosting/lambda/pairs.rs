//! The exact sums over pairs, compiled for the processor at hand.
//!
//! For one document i of the first ranks, all documents j behind it go through together. Signed differences make one
//! formula of both cases: with `g = g_i − g_j` the pair adds c = σ p Δ · sign(g), which i loses and j wins.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};

use super::rules::{Rules, gain};

/// Sums over j go in so many lanes, so that they are the same on every processor.
pub const LANES: usize = 8;

/// Beyond this difference of exponents the products of `e_i` leave f64: then pairs are done one by one.
const WIDEST: f64 = 300.0;

/// −0.0 and 0.0 tie.
fn rank_key(score: f64) -> f64 {
    score + 0.0
}

/// Room for what one document and those behind it add, for `Table`.
#[derive(Debug, Default)]
pub struct Added {
    /// Of one document with each of those behind it.
    pub lambdas: Vec<f64>,
    /// The second derivatives of the same.
    pub seconds: Vec<f64>,
    /// The sums by rank.
    pub sums: Vec<[f32; 2]>,
}

/// Room for one query, in order of rank.
#[derive(Debug, Default)]
pub struct Pairs {
    order: Vec<u32>,
    scores: Vec<f64>,
    gains: Vec<f64>,
    exponentials: Vec<f64>,
    /// From 0; −1 where no document is.
    ranks: Vec<f64>,
    lambdas: Vec<f64>,
    seconds: Vec<f64>,
    /// For `Table`.
    pub added: Added,
}

impl Pairs {
    /// Sorts a query by score, ties in file order.
    pub fn sort(&mut self, labels: &[u8], scores: &[f64]) {
        self.order.clear();
        self.order.extend(0..scores.len() as u32);
        self.order.sort_by(|one, other| rank_key(scores[*other as usize]).total_cmp(&rank_key(scores[*one as usize])));
        self.gains.clear();
        self.gains.extend(self.order.iter().map(|row| gain(labels[*row as usize])));
        self.scores.clear();
        self.scores.extend(self.order.iter().map(|row| scores[*row as usize]));
        self.ranks.clear();
        self.ranks.extend((0..scores.len()).map(|rank| rank as f64));
    }

    /// Rows, scores and gains by rank.
    #[must_use]
    pub fn sorted(&self) -> (&[u32], &[f64], &[f64]) {
        (&self.order, &self.scores, &self.gains)
    }

    /// Writes the gradients of the sorted query.
    pub fn sums(&mut self, arch: Arch, rules: &Rules, discounts: &[f64], inverse: f64, gradients: &mut [[f32; 2]]) {
        let n = self.order.len();
        let (best, worst) = (self.scores[0], self.scores[n - 1]);
        let padded = n.next_multiple_of(LANES);
        for sums in [&mut self.lambdas, &mut self.seconds] {
            sums.clear();
            sums.resize(padded, 0.0);
        }
        let width = (best - worst) * rules.sigma;
        let middle = f64::midpoint(best, worst);
        self.exponentials.clear();
        self.exponentials.extend(self.scores.iter().map(|score| ((score - middle) * rules.sigma).exp()));
        for (values, filler) in
            [(&mut self.gains, 0.0), (&mut self.scores, worst), (&mut self.exponentials, 1.0), (&mut self.ranks, -1.0)]
        {
            values.resize(padded, filler);
        }
        let norm = rules.norm && best != worst;
        let mut sum = 0.0;
        for i in 0..(n - 1).min(rules.truncation) {
            let first = First { rank: i, rules, norm, discounts, inverse };
            sum +=
                if width <= WIDEST { arch.dispatch(Together { first, pairs: self }) } else { self.one_by_one(&first) };
        }
        let factor = if rules.norm && sum > 0.0 { (1.0 + sum).log2() / sum } else { 1.0 };
        for ((row, lambda), second) in self.order.iter().zip(&self.lambdas).zip(&self.seconds) {
            gradients[*row as usize] = [(lambda * factor) as f32, (second * factor) as f32];
        }
    }

    /// As `Together`, for scores that lie very far apart.
    fn one_by_one(&mut self, first: &First<'_>) -> f64 {
        let (i, sigma) = (first.rank, first.rules.sigma);
        let mut sum = 0.0;
        for j in i + 1..self.order.len() {
            let gap = self.gains[i] - self.gains[j];
            if gap == 0.0 {
                continue;
            }
            let distance = self.scores[i] - self.scores[j];
            let mut delta = gap.abs() * (first.discounts[i] - first.discounts[j]) * first.inverse;
            if first.norm {
                delta /= f64::from(0.01_f32) + distance;
            }
            let p = 1.0 / (1.0 + (sigma * distance * gap.signum()).exp());
            let (lambda, second) = (sigma * p * delta, sigma * sigma * p * (1.0 - p) * delta);
            self.lambdas[i] -= lambda * gap.signum();
            self.lambdas[j] += lambda * gap.signum();
            self.seconds[i] += second;
            self.seconds[j] += second;
            sum += 2.0 * lambda;
        }
        sum
    }
}

/// A document of the first ranks, and what its pairs share.
struct First<'a> {
    rank: usize,
    rules: &'a Rules,
    norm: bool,
    discounts: &'a [f64],
    inverse: f64,
}

/// All pairs of one document with those behind it; gives its part of S.
struct Together<'a> {
    first: First<'a>,
    pairs: &'a mut Pairs,
}

impl WithSimd for Together<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { first, pairs } = self;
        let (i, n) = (first.rank, pairs.order.len());
        let all = |value: f64| simd.splat_f64s(value);
        let (score, gain, exponential, discount, rank) = (
            all(pairs.scores[i]),
            all(pairs.gains[i]),
            all(pairs.exponentials[i]),
            all(first.discounts[i]),
            all(i as f64),
        );
        let (sigma, weight, zero) = (all(first.rules.sigma), all(first.rules.sigma * first.inverse), all(0.0));
        let (offset, slope) = if first.norm { (f64::from(0.01_f32), 1.0) } else { (1.0, 0.0) };
        let (offset, slope) = (all(offset), all(slope));
        // From the whole group of lanes in which the next document is.
        let behind = (i + 1) / LANES * LANES..n.next_multiple_of(LANES);
        let scores = S::as_simd_f64s(&pairs.scores[behind.clone()]).0;
        let gains = S::as_simd_f64s(&pairs.gains[behind.clone()]).0;
        let exponentials = S::as_simd_f64s(&pairs.exponentials[behind.clone()]).0;
        let ranks = S::as_simd_f64s(&pairs.ranks[behind.clone()]).0;
        let discounts = S::as_simd_f64s(&first.discounts[behind.clone()]).0;
        let lambdas = S::as_mut_simd_f64s(&mut pairs.lambdas[behind.clone()]).0;
        let seconds = S::as_mut_simd_f64s(&mut pairs.seconds[behind]).0;
        // λ, its size, second derivative of document i, in as many vectors as `LANES` takes.
        let parts = LANES / S::F64_LANES;
        let mut sums = [[zero; LANES]; 3];
        let inputs = scores.iter().zip(gains).zip(exponentials).zip(ranks).zip(discounts);
        let outputs = lambdas.iter_mut().zip(seconds);
        for (at, (((((score_j, gain_j), exponential_j), rank_j), discount_j), (lambdas, seconds))) in
            inputs.zip(outputs).enumerate()
        {
            let gap = simd.sub_f64s(gain, *gain_j);
            let both = simd.add_f64s(exponential, *exponential_j);
            let distance = simd.add_f64s(offset, simd.mul_f64s(slope, simd.sub_f64s(score, *score_j)));
            let below = simd.mul_f64s(simd.mul_f64s(both, both), distance);
            let above = simd.mul_f64s(simd.mul_f64s(weight, gap), simd.sub_f64s(discount, *discount_j));
            // Documents before i, i itself, and the places behind the last document add nothing.
            let is_behind = simd.greater_than_f64s(*rank_j, rank);
            let quotient = simd.select_f64s(is_behind, simd.div_f64s(above, below), zero);
            let lower = simd.select_f64s(simd.greater_than_f64s(gap, zero), *exponential_j, exponential);
            let lambda = simd.mul_f64s(simd.mul_f64s(quotient, lower), both);
            let size = simd.abs_f64s(lambda);
            let product = simd.mul_f64s(simd.mul_f64s(exponential, *exponential_j), sigma);
            let second = simd.mul_f64s(simd.abs_f64s(quotient), product);
            *lambdas = simd.add_f64s(*lambdas, lambda);
            *seconds = simd.add_f64s(*seconds, second);
            let part = at % parts;
            for (sums, value) in sums.iter_mut().zip([lambda, size, second]) {
                sums[part] = simd.add_f64s(sums[part], value);
            }
        }
        let [lambda, size, second] = sums.map(|vectors| {
            // Lane after lane, as if one vector held them all.
            let mut lanes = [0.0; LANES];
            S::as_mut_simd_f64s(&mut lanes).0.copy_from_slice(&vectors[..parts]);
            lanes.iter().sum::<f64>()
        });
        pairs.lambdas[i] -= lambda;
        pairs.seconds[i] += second;
        2.0 * size
    }
}
