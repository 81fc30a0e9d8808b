//! What logistic regression minimises, with its gradient, in one pass over the rows.
//!
//! With row weights vᵢ, V = Σ vᵢ, coefficients W (k × d), intercepts b and scores zᵢ = W·xᵢ + b:
//! f(W, b) = (1/V) · Σ vᵢ · lossᵢ + ‖W‖² / (2·C·V). Two classes have one score (k = 1) and lossᵢ = log(1 + exp(∓zᵢ));
//! more classes have a score each and lossᵢ = log Σⱼ exp(zᵢⱼ) − zᵢ,y. Both are written so that no exp overflows and
//! small losses keep their digits. The intercepts are not penalised. Checked against scikit-learn 1.9
//! (`LinearModelLoss`).
//!
//! Dense rows: a tile of rows gives its scores and at once, still in the cache, its part of the gradient. Sparse rows:
//! the scores go by rows, the gradient by columns, over a copy of the matrix sorted by column; a gradient for each
//! block of rows, added up, was measured too: with 300,000 columns whole fits took a quarter longer. Rows and columns
//! are cut into blocks that depend on the data only, and sums are added in block order: the same bits whatever the
//! thread count. Products and sums are rounded one by one (no fused multiply-add): the processor does not matter.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use std::borrow::Cow;
use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use crate::data::dataset::{Csr, Features};
use crate::models::lbfgs::{LANES, total};

/// Blocks of rows or columns, at most: enough to keep many cores busy.
const BLOCKS: usize = 64;
/// Rows of a block, at least: fewer are not worth a task.
const BLOCK_ROWS: usize = 32;
/// Tasks that sort a sparse matrix by column: each must find its place in every row.
const FILL_TASKS: usize = 8;
/// Numbers that all blocks' partial gradients may hold together (128 MiB).
const PARTIAL_LIMIT: usize = 1 << 24;
/// Rows that share one walk over the coefficients.
const TILE: usize = 4;

/// The rows' classes and how much they count.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// Class of each row, 0 to `n_classes` − 1.
    pub class: Vec<u32>,
    /// Number of classes, at least 2.
    pub n_classes: usize,
    /// The weight of a row of each class.
    pub weight: Vec<f64>,
}

/// The function of the parameters: coefficients first, then the intercepts.
pub struct Objective<'a> {
    rows: Rows<'a>,
    class: Vec<u32>,
    /// vᵢ / V by class.
    share: Vec<f64>,
    n_features: usize,
    n_scores: usize,
    penalty: f64,
    fit_intercept: bool,
}

enum Rows<'a> {
    /// Coefficients are stored by score.
    Dense(Cow<'a, [f32]>),
    /// Coefficients are stored by feature: the scores of one entry lie together.
    Sparse(&'a Csr, Columns),
}

impl<'a> Objective<'a> {
    /// The objective over these rows with the inverse penalty `c`.
    #[must_use]
    pub fn new(features: &'a Features, labelled: Labelled, c: f64, fit_intercept: bool) -> Self {
        let Labelled { class, n_classes, weight } = labelled;
        let total: f64 = class.iter().map(|class| weight[*class as usize]).sum();
        let rows = match features {
            Features::Dense(matrix) => Rows::Dense(match matrix.as_slice() {
                Some(values) => Cow::Borrowed(values),
                None => Cow::Owned(matrix.iter().copied().collect()),
            }),
            Features::Sparse(matrix) => Rows::Sparse(matrix, Columns::of(matrix)),
        };
        Self {
            rows,
            class,
            share: weight.iter().map(|weight| weight / total).collect(),
            n_features: features.n_features(),
            n_scores: if n_classes == 2 { 1 } else { n_classes },
            penalty: 1.0 / (c * total),
            fit_intercept,
        }
    }

    /// Number of parameters.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.n_scores * (self.n_features + usize::from(self.fit_intercept))
    }

    /// The value at these parameters; writes the gradient.
    pub fn evaluate(&self, params: &[f64], gradient: &mut [f64]) -> f64 {
        let (coef, intercept) = params.split_at(self.n_scores * self.n_features);
        let data_loss = match &self.rows {
            Rows::Dense(values) => self.dense(values, coef, intercept, gradient),
            Rows::Sparse(matrix, columns) => self.sparse(matrix, columns, coef, intercept, gradient),
        };
        data_loss + 0.5 * self.penalty * coef.iter().map(|value| value * value).sum::<f64>()
    }

    /// Coefficients (scores × features, row-major) and intercepts (zeros where none are fitted).
    #[must_use]
    pub fn unpack(&self, mut params: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
        let mut intercept = params.split_off(self.n_scores * self.n_features);
        intercept.resize(self.n_scores, 0.0);
        if matches!(self.rows, Rows::Sparse(..)) && self.n_scores > 1 {
            let by_score = |score| params.iter().skip(score).step_by(self.n_scores).copied();
            params = (0..self.n_scores).flat_map(by_score).collect();
        }
        (params, intercept)
    }

    fn block_rows(&self, partial: usize) -> usize {
        let blocks = BLOCKS.min(PARTIAL_LIMIT / partial.max(1)).max(1);
        self.class.len().div_ceil(blocks).max(BLOCK_ROWS).next_multiple_of(TILE)
    }

    fn dense(&self, values: &[f32], coef: &[f64], intercept: &[f64], gradient: &mut [f64]) -> f64 {
        let size = self.block_rows(gradient.len());
        let arch = Arch::new();
        let blocks = values.par_chunks(size * self.n_features).zip(self.class.par_chunks(size));
        let parts = blocks.map(|(values, class)| {
            let mut part = vec![0.0; gradient.len()];
            let block = DenseBlock { objective: self, values, class, coef, intercept, gradient: &mut part };
            (arch.dispatch(block), part)
        });
        let parts: Vec<_> = parts.collect();
        gradient.fill(0.0);
        for (target, value) in gradient.iter_mut().zip(coef) {
            *target = self.penalty * value;
        }
        for (_, part) in &parts {
            gradient.iter_mut().zip(part).for_each(|(target, value)| *target += value);
        }
        parts.iter().map(|(loss, _)| loss).sum()
    }

    fn sparse(&self, matrix: &Csr, columns: &Columns, coef: &[f64], intercept: &[f64], gradient: &mut [f64]) -> f64 {
        let scores = self.n_scores;
        let size = self.block_rows(scores);
        let mut residuals = vec![0.0; self.class.len() * scores];
        let blocks = residuals.par_chunks_mut(size * scores).enumerate();
        let parts = blocks.map(|(block, residuals)| {
            let (mut loss, mut sums) = (0.0, vec![0.0; scores]);
            for (row, residual) in (block * size..).zip(residuals.chunks_exact_mut(scores)) {
                residual.fill(0.0);
                residual.iter_mut().zip(intercept).for_each(|(score, value)| *score = *value);
                let (indices, values) = matrix.row(row);
                gather(indices, values, coef, residual);
                loss += self.loss(self.class[row], residual);
                sums.iter_mut().zip(&*residual).for_each(|(sum, value)| *sum += value);
            }
            (loss, sums)
        });
        let parts: Vec<_> = parts.collect();
        let (by_feature, by_score) = gradient.split_at_mut(coef.len());
        by_score.fill(0.0);
        for (_, sums) in &parts {
            by_score.iter_mut().zip(sums).for_each(|(target, value)| *target += value);
        }
        columns.split(by_feature, scores).into_par_iter().for_each(|(range, part)| {
            for (column, target) in range.zip(part.chunks_exact_mut(scores)) {
                let start = column * scores;
                target.iter_mut().zip(&coef[start..]).for_each(|(target, value)| *target = self.penalty * value);
                let (rows, values) = columns.column(column);
                gather(rows, values, &residuals, target);
            }
        });
        parts.iter().map(|(loss, _)| loss).sum()
    }

    /// The weighted loss of one row; its scores become the loss's derivatives.
    #[inline]
    fn loss(&self, class: u32, scores: &mut [f64]) -> f64 {
        let class = class as usize;
        let share = self.share[class];
        if let [score] = scores {
            // Turned so that the row's own class is the positive one: then the loss is log(1 + exp(-score)).
            let sign = if class == 1 { 1.0 } else { -1.0 };
            let turned = sign * *score;
            let small = (-turned.abs()).exp();
            let miss = if turned >= 0.0 { small } else { 1.0 } / (1.0 + small);
            *score = -sign * share * miss;
            return share * ((-turned).max(0.0) + small.ln_1p());
        }
        let own = scores[class];
        let (most, sum) = exponentials(scores);
        let loss = share * (most - own + sum.ln());
        for score in scores.iter_mut() {
            *score *= share / sum;
        }
        scores[class] -= share;
        loss
    }
}

/// Turns scores into exp(score − largest); returns the largest and the sum. NaN stays NaN.
#[inline]
fn exponentials(scores: &mut [f64]) -> (f64, f64) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores {
        *score = (*score - most).exp();
        sum += *score;
    }
    (most, sum)
}

/// Turns the scores of a row into probabilities: `scores` has one entry per score, `probabilities` one per class.
pub fn probabilities(scores: &mut [f64], probabilities: &mut [f64]) {
    if let [score] = scores {
        let small = (-score.abs()).exp();
        let (rare, common) = (small / (1.0 + small), 1.0 / (1.0 + small));
        probabilities.copy_from_slice(&if *score >= 0.0 { [rare, common] } else { [common, rare] });
        return;
    }
    let (_, sum) = exponentials(scores);
    probabilities.iter_mut().zip(scores).for_each(|(target, score)| *target = *score / sum);
}

/// The scores of rows, `n_rows × n_scores`, from coefficients stored by score.
#[must_use]
pub fn scores(features: &Features, coef: &[f64], intercept: &[f64]) -> Vec<f64> {
    let (n_features, n_scores) = (features.n_features(), intercept.len());
    let mut scores = vec![0.0; features.n_rows() * n_scores];
    let arch = Arch::new();
    let rows = scores.par_chunks_exact_mut(n_scores).enumerate();
    match features {
        Features::Dense(matrix) => rows.for_each(|(row, scores)| {
            let row = matrix.row(row);
            let row = row.as_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed);
            for (at, score) in scores.iter_mut().enumerate() {
                let coef = &coef[at * n_features..][..n_features];
                *score = intercept[at] + arch.dispatch(DenseRow { row: &row, coef });
            }
        }),
        Features::Sparse(matrix) => rows.for_each(|(row, scores)| {
            let (indices, values) = matrix.row(row);
            for (at, score) in scores.iter_mut().enumerate() {
                let mut sum = [intercept[at]];
                gather(indices, values, &coef[at * n_features..][..n_features], &mut sum);
                *score = sum[0];
            }
        }),
    }
    scores
}

/// target += Σ values · table[indices], where each entry of the table is as long as the target.
#[inline]
fn gather(indices: &[u32], values: &[f32], table: &[f64], target: &mut [f64]) {
    if let [target] = target {
        // Four sums, so that one addition need not wait for the other.
        let ((indices, index_rest), (values, value_rest)) = (indices.as_chunks::<4>(), values.as_chunks::<4>());
        let mut sums = [0.0; 4];
        for (indices, values) in indices.iter().zip(values) {
            for lane in 0..4 {
                sums[lane] += f64::from(values[lane]) * table[indices[lane] as usize];
            }
        }
        for (index, value) in index_rest.iter().zip(value_rest) {
            sums[0] += f64::from(*value) * table[*index as usize];
        }
        *target += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        return;
    }
    let width = target.len();
    for (index, value) in indices.iter().zip(values) {
        let entry = &table[*index as usize * width..][..width];
        let value = f64::from(*value);
        target.iter_mut().zip(entry).for_each(|(target, entry)| *target += value * entry);
    }
}

/// A sparse matrix by columns, cut into blocks with about equally many entries.
struct Columns {
    indptr: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<f32>,
    blocks: Vec<Range<usize>>,
}

impl Columns {
    fn of(matrix: &Csr) -> Self {
        let mut indptr = vec![0; matrix.n_cols + 1];
        for column in &matrix.indices {
            indptr[*column as usize + 1] += 1;
        }
        for column in 0..matrix.n_cols {
            indptr[column + 1] += indptr[column];
        }
        let mut blocks = Vec::new();
        let mut start = 0;
        for block in 1..=BLOCKS {
            let end = match block {
                BLOCKS => matrix.n_cols,
                _ => indptr.partition_point(|entries| *entries <= matrix.indices.len() * block / BLOCKS) - 1,
            };
            if end > start {
                blocks.push(start..end);
                start = end;
            }
        }
        let mut columns = Self { indptr, rows: vec![0; matrix.indices.len()], values: Vec::new(), blocks };
        columns.values = vec![0.0; matrix.indices.len()];
        columns.fill(matrix);
        columns
    }

    /// Each task picks its stretch out of every row: columns ascend within a row.
    fn fill(&mut self, matrix: &Csr) {
        let (mut rows, mut values) = (&mut *self.rows, &mut *self.values);
        let mut tasks = Vec::new();
        for group in self.blocks.chunks(BLOCKS / FILL_TASKS) {
            let block = group[0].start..group[group.len() - 1].end;
            let length = self.indptr[block.end] - self.indptr[block.start];
            let (block_rows, block_values);
            (block_rows, rows) = rows.split_at_mut(length);
            (block_values, values) = values.split_at_mut(length);
            tasks.push((block, block_rows, block_values));
        }
        tasks.into_par_iter().for_each(|(block, rows, values)| {
            let first = self.indptr[block.start];
            let mut next: Vec<_> = self.indptr[block.clone()].iter().map(|start| start - first).collect();
            for row in 0..matrix.n_rows() {
                let (indices, entries) = matrix.row(row);
                let from = indices.partition_point(|column| (*column as usize) < block.start);
                for (column, value) in indices[from..].iter().zip(&entries[from..]) {
                    let column = *column as usize;
                    if column >= block.end {
                        break;
                    }
                    let at = &mut next[column - block.start];
                    rows[*at] = row as u32;
                    values[*at] = *value;
                    *at += 1;
                }
            }
        });
    }

    fn column(&self, column: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[column]..self.indptr[column + 1];
        (&self.rows[range.clone()], &self.values[range])
    }

    /// Cuts a table with `width` numbers per column into the blocks.
    fn split<'t>(&self, mut table: &'t mut [f64], width: usize) -> Vec<(Range<usize>, &'t mut [f64])> {
        let parts = self.blocks.iter().map(|block| {
            let (part, rest) = std::mem::take(&mut table).split_at_mut(block.len() * width);
            table = rest;
            (block.clone(), part)
        });
        parts.collect()
    }
}

/// A block of dense rows: adds its gradient and returns its loss, compiled for the processor at hand.
struct DenseBlock<'a> {
    objective: &'a Objective<'a>,
    values: &'a [f32],
    class: &'a [u32],
    coef: &'a [f64],
    intercept: &'a [f64],
    gradient: &'a mut [f64],
}

impl pulp::NullaryFnOnce for DenseBlock<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(mut self) -> f64 {
        let n_features = self.objective.n_features;
        let tiled = self.class.len() / TILE * TILE;
        let mut scores = vec![0.0; TILE * self.objective.n_scores];
        let mut loss = 0.0;
        for row in (0..tiled).step_by(TILE) {
            let rows = std::array::from_fn(|at| &self.values[(row + at) * n_features..][..n_features]);
            loss += self.tile::<TILE>(row, rows, &mut scores);
        }
        for row in tiled..self.class.len() {
            loss += self.tile::<1>(row, [&self.values[row * n_features..][..n_features]], &mut scores);
        }
        loss
    }
}

impl DenseBlock<'_> {
    #[inline(always)]
    fn tile<const R: usize>(&mut self, row: usize, rows: [&[f32]; R], scores: &mut [f64]) -> f64 {
        let (n_features, n_scores) = (self.objective.n_features, self.objective.n_scores);
        for score in 0..n_scores {
            let coef = &self.coef[score * n_features..][..n_features];
            let intercept = self.intercept.get(score).copied().unwrap_or(0.0);
            for (at, row) in rows.into_iter().enumerate() {
                scores[at * n_scores + score] = product(row, coef) + intercept;
            }
        }
        let mut loss = 0.0;
        for (at, scores) in scores.chunks_exact_mut(n_scores).take(R).enumerate() {
            loss += self.objective.loss(self.class[row + at], scores);
        }
        let (by_feature, by_score) = self.gradient.split_at_mut(self.coef.len());
        for score in 0..n_scores {
            let factors = std::array::from_fn(|at| scores[at * n_scores + score]);
            add_scaled(&mut by_feature[score * n_features..][..n_features], rows, factors);
            if let Some(target) = by_score.get_mut(score) {
                *target += factors.iter().sum::<f64>();
            }
        }
        loss
    }
}

/// One dense row times one set of coefficients.
struct DenseRow<'a> {
    row: &'a [f32],
    coef: &'a [f64],
}

impl pulp::NullaryFnOnce for DenseRow<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        product(self.row, self.coef)
    }
}

/// A dense row times coefficients.
#[inline(always)]
fn product(row: &[f32], coef: &[f64]) -> f64 {
    let ((row, row_rest), (coef, coef_rest)) = (row.as_chunks::<LANES>(), coef.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (row, coef) in row.iter().zip(coef) {
        for lane in 0..LANES {
            sums[lane] += f64::from(row[lane]) * coef[lane];
        }
    }
    for ((sum, value), coef) in sums.iter_mut().zip(row_rest).zip(coef_rest) {
        *sum += f64::from(*value) * coef;
    }
    total(sums)
}

/// target += Σ factor · row.
#[inline(always)]
fn add_scaled<const R: usize>(target: &mut [f64], rows: [&[f32]; R], factors: [f64; R]) {
    let rows = rows.map(|row| &row[..target.len()]);
    for (at, target) in target.iter_mut().enumerate() {
        let mut sum = *target;
        for (row, factor) in rows.iter().zip(factors) {
            sum += f64::from(row[at]) * factor;
        }
        *target = sum;
    }
}
