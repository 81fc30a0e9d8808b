//! `NeuralNDCG`: −NDCG with the sorting made smooth (`NeuralSort`), its matrix made doubly stochastic (Sinkhorn).
//!
//! P = softmax over j of ((n + 1 − 2i)·sⱼ − Σₖ |sⱼ − sₖ|) / τ, then columns and rows are divided by their sums in turn, at most 50
//! times, until all sums are within 1e-6 of 1; the value is −Σᵢ (P·G)ᵢ / log2(i + 1) / maxDCG.
//! Pobrotyn, Białobrzeski: `NeuralNDCG`, 2021; the steps are those of `allRank`'s `neuralNDCG`.
//!
//! The divisions are kept as one factor per row and column and step, and undone backwards; the cost is about
//! 100·n², so lists should be short. No relevant document: 0.

use super::lambdarank::GAIN;
use super::loss::{List, Loss, LossKind, Scratch};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::metrics::ranking::Gain;

/// Rounds of dividing columns and rows, at most.
const ROUNDS: usize = 50;
/// Sums this close to 1 are left.
const TOLERANCE: f64 = 1e-6;
/// Sums are taken to be at least this.
const LEAST: f64 = 1e-10;

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct NeuralNdcg {
    /// τ, how smooth the sorting is.
    pub temperature: f64,
    /// What a grade is worth.
    pub gain: Gain,
}

/// The kind `neuralndcg`.
#[derive(Debug, Clone, Copy)]
pub struct NeuralNdcgKind;

impl Named for NeuralNdcgKind {
    fn name(&self) -> &'static str {
        "neuralndcg"
    }

    fn about(&self) -> &'static str {
        "NDCG itself, with the sorting made smooth; slow on long lists"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    Param {
        name: "temperature",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "1.0",
        about: "how smooth the sorting is",
    },
    GAIN,
];

impl LossKind for NeuralNdcgKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(NeuralNdcg { temperature: params.f64("temperature"), gain: Gain::parse(params.str("gain")) }))
    }
}

impl Loss for NeuralNdcg {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        let n = list.grades.len();
        scratch.by_grade(list.grades);
        let ideal = scratch.ideal(list.grades, self.gain, usize::MAX);
        gradient.fill(0.0);
        if ideal <= 0.0 {
            return 0.0 * list.scores.iter().sum::<f64>();
        }
        let gains: Vec<f64> = list.grades.iter().map(|grade| self.gain.of(*grade) / ideal).collect();
        let soft = self.smooth_order(list.scores);
        let mut scaled = soft.clone();
        let steps = balance(&mut scaled, n);
        // The derivative with respect to the balanced matrix; `scaled` goes back to `soft` step by step.
        let mut slope = vec![0.0; n * n];
        let mut loss = 0.0;
        for (i, (row, slopes)) in scaled.chunks_exact(n).zip(slope.chunks_exact_mut(n)).enumerate() {
            for ((share, gain), slope) in row.iter().zip(&gains).zip(slopes) {
                loss -= share * gain * scratch.discounts[i];
                *slope = -gain * scratch.discounts[i];
            }
        }
        for (columns, rows) in steps.iter().rev() {
            undo_rows(&mut scaled, &mut slope, rows);
            undo_columns(&mut scaled, &mut slope, columns);
        }
        self.through_softmax(list.scores, &soft, &slope, gradient);
        loss
    }
}

impl NeuralNdcg {
    /// `NeuralSort`'s matrix: place × document.
    fn smooth_order(&self, scores: &[f64]) -> Vec<f64> {
        let n = scores.len();
        let away: Vec<f64> =
            scores.iter().map(|score| scores.iter().map(|other| (score - other).abs()).sum()).collect();
        let mut matrix = vec![0.0; n * n];
        for (i, row) in matrix.chunks_exact_mut(n).enumerate() {
            let factor = n as f64 + 1.0 - 2.0 * (i as f64 + 1.0);
            for ((value, score), away) in row.iter_mut().zip(scores).zip(&away) {
                *value = (factor * score - away) / self.temperature;
            }
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|value| *value = (*value - most).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        }
        matrix
    }

    /// From the derivative with respect to the matrix to that with respect to the scores.
    fn through_softmax(&self, scores: &[f64], soft: &[f64], slope: &[f64], gradient: &mut [f64]) {
        let n = scores.len();
        let mut by_away = vec![0.0; n];
        for (i, (row, slopes)) in soft.chunks_exact(n).zip(slope.chunks_exact(n)).enumerate() {
            let factor = n as f64 + 1.0 - 2.0 * (i as f64 + 1.0);
            let mean: f64 = row.iter().zip(slopes).map(|(share, slope)| share * slope).sum();
            for j in 0..n {
                let by_logit = row[j] * (slopes[j] - mean) / self.temperature;
                gradient[j] += factor * by_logit;
                by_away[j] -= by_logit;
            }
        }
        for j in 0..n {
            for k in 0..n {
                // |sⱼ − sₖ| has no slope where they are equal.
                let side = f64::from(i8::from(scores[j] > scores[k]) - i8::from(scores[j] < scores[k]));
                gradient[j] += side * (by_away[j] + by_away[k]);
            }
        }
    }
}

/// Divides columns and rows by their sums in turn; what they were divided by.
fn balance(matrix: &mut [f64], n: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut steps = Vec::new();
    for _ in 0..ROUNDS {
        let columns = column_sums(matrix, n);
        for row in matrix.chunks_exact_mut(n) {
            row.iter_mut().zip(&columns).for_each(|(value, sum)| *value /= sum.max(LEAST));
        }
        let rows: Vec<f64> = matrix.chunks_exact(n).map(|row| row.iter().sum()).collect();
        for (row, sum) in matrix.chunks_exact_mut(n).zip(&rows) {
            row.iter_mut().for_each(|value| *value /= sum.max(LEAST));
        }
        steps.push((columns, rows));
        let near = |sum: f64| (sum - 1.0).abs() < TOLERANCE;
        let all_rows = matrix.chunks_exact(n).all(|row| near(row.iter().sum()));
        if all_rows && column_sums(matrix, n).into_iter().all(near) {
            break;
        }
    }
    steps
}

fn column_sums(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut sums = vec![0.0; n];
    for row in matrix.chunks_exact(n) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

/// y = x / Σx in each row: dx = (dy − Σ dy·y) / Σx; where the sum was raised to `LEAST`, dx = dy / `LEAST`.
fn undo_rows(matrix: &mut [f64], slope: &mut [f64], sums: &[f64]) {
    let n = sums.len();
    for ((row, slopes), sum) in matrix.chunks_exact_mut(n).zip(slope.chunks_exact_mut(n)).zip(sums) {
        let mean: f64 = row.iter().zip(&*slopes).map(|(share, slope)| share * slope).sum();
        let (mean, sum) = if *sum < LEAST { (0.0, LEAST) } else { (mean, *sum) };
        for (value, slope) in row.iter_mut().zip(slopes) {
            *slope = (*slope - mean) / sum;
            *value *= sum;
        }
    }
}

/// The same in each column.
fn undo_columns(matrix: &mut [f64], slope: &mut [f64], sums: &[f64]) {
    let n = sums.len();
    let mut means = vec![0.0; n];
    for (row, slopes) in matrix.chunks_exact(n).zip(slope.chunks_exact(n)) {
        means.iter_mut().zip(row).zip(slopes).for_each(|((mean, share), slope)| *mean += share * slope);
    }
    for (row, slopes) in matrix.chunks_exact_mut(n).zip(slope.chunks_exact_mut(n)) {
        for j in 0..n {
            let (mean, sum) = if sums[j] < LEAST { (0.0, LEAST) } else { (means[j], sums[j]) };
            slopes[j] = (slopes[j] - mean) / sum;
            row[j] *= sum;
        }
    }
}
