//! L-BFGS: minimises a smooth function of many variables from its value and gradient.
//!
//! Direction: the two-loop recursion over the last ten pairs s = xₖ₊₁ − xₖ, y = gₖ₊₁ − gₖ, from H₀ = (sᵀy / yᵀy)·I.
//! Step: Moré and Thuente's line search (ACM TOMS 20, 1994) until f(x + t·d) ≤ f(x) + 10⁻³·t·gᵀd and the slope has
//! shrunk to 0.9 of its size. First step 1/‖g‖, then 1. Stops as SciPy 1.17's `L-BFGS-B` does without bounds, as
//! scikit-learn 1.9 calls it (m = 10, ftol = 64·ε, maxls = 50): max|g| ≤ tolerance, or
//! f(xₖ) − f(xₖ₊₁) ≤ 64·ε·max(|f(xₖ)|, |f(xₖ₊₁)|, 1). A pair with sᵀy ≤ ε·|sᵀg| is not kept; when a line search
//! fails, the pairs are forgotten and steepest descent is tried once.
//!
//! Sums run over chunks of fixed length whose results are added in order: the same bits whatever the thread count.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::error::Result;

/// How many pairs (s, y) are remembered.
const MEMORY: usize = 10;
/// The relative decrease below which the value counts as settled.
const VALUE_TOLERANCE: f64 = 64.0 * f64::EPSILON;
/// How many evaluations one line search may take.
const LINE_SEARCH_LIMIT: usize = 50;
/// Length of a chunk of a vector sum; shorter vectors are not worth a second thread.
const CHUNK: usize = 16_384;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most iterations allowed.
    pub max_iter: usize,
    /// Converged once no component of the gradient is larger than this.
    pub gradient_tolerance: f64,
}

/// Why the search stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The gradient is small enough, or the value no longer changes.
    Converged,
    /// The iterations are used up.
    IterationLimit,
    /// No better point was found along the direction.
    LineSearch,
}

/// The best point found.
#[derive(Debug, Clone)]
pub struct Minimum {
    /// The point.
    pub point: Vec<f64>,
    /// The function's value there.
    pub value: f64,
    /// Iterations made.
    pub n_iter: usize,
    /// Why the search stopped.
    pub stop: Stop,
}

/// Minimises `evaluate`, which returns the value at a point and writes the gradient, from `start`. After each
/// iteration `observe` hears its number, from 1, and the value.
///
/// # Errors
/// What `observe` returns.
pub fn minimize(
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: Vec<f64>,
    limits: Limits,
    mut observe: impl FnMut(usize, f64) -> Result<()>,
) -> Result<Minimum> {
    let mut state = State::at(start, &mut evaluate);
    let mut history = History::default();
    let mut n_iter = 0;
    let stop = loop {
        if largest(&state.gradient) <= limits.gradient_tolerance {
            break Stop::Converged;
        }
        if n_iter == limits.max_iter {
            break Stop::IterationLimit;
        }
        history.direction(&state.gradient, &mut state.direction);
        let slope = dot(&state.gradient, &state.direction);
        let first = if n_iter == 0 { slope.abs().sqrt().recip() } else { 1.0 };
        let Some(step) = state.search(first, slope, &mut evaluate) else {
            if history.pairs.is_empty() {
                break Stop::LineSearch;
            }
            history.forget();
            continue;
        };
        history.remember(&state, step, slope);
        let before = state.advance();
        n_iter += 1;
        observe(n_iter, state.value)?;
        if before - state.value <= VALUE_TOLERANCE * before.abs().max(state.value.abs()).max(1.0) {
            break Stop::Converged;
        }
    };
    Ok(Minimum { point: state.point, value: state.value, n_iter, stop })
}

/// Where the search stands, and where the line search looks.
struct State {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    direction: Vec<f64>,
    next_point: Vec<f64>,
    next_value: f64,
    next_gradient: Vec<f64>,
}

impl State {
    fn at(point: Vec<f64>, evaluate: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> Self {
        let zeros = vec![0.0; point.len()];
        let mut gradient = zeros.clone();
        let value = evaluate(&point, &mut gradient);
        let (direction, next_point, next_gradient) = (zeros.clone(), zeros.clone(), zeros);
        Self { point, value, gradient, direction, next_point, next_value: value, next_gradient }
    }

    /// Looks along the direction; on success the next point is a good one.
    fn search(
        &mut self,
        first: f64,
        slope: f64,
        evaluate: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    ) -> Option<f64> {
        // A direction that does not descend comes from rounding errors; NaN fails the comparison as well.
        if slope.partial_cmp(&0.0) != Some(std::cmp::Ordering::Less) {
            return None;
        }
        let mut search = LineSearch::new(Sample { step: 0.0, value: self.value, slope }, first);
        for _ in 0..LINE_SEARCH_LIMIT {
            let step = search.step;
            combine(&mut self.next_point, &self.point, step, &self.direction);
            self.next_value = evaluate(&self.next_point, &mut self.next_gradient);
            let slope = dot(&self.next_gradient, &self.direction);
            if search.accepts(Sample { step, value: self.next_value, slope }) {
                return self.next_value.is_finite().then_some(step);
            }
        }
        None
    }

    /// Moves to the next point and returns the value at the old one.
    fn advance(&mut self) -> f64 {
        std::mem::swap(&mut self.point, &mut self.next_point);
        std::mem::swap(&mut self.gradient, &mut self.next_gradient);
        std::mem::replace(&mut self.value, self.next_value)
    }
}

/// A step s between two points, the change y of the gradient over it, and their products.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    sy: f64,
    yy: f64,
}

/// The last pairs, oldest first.
#[derive(Default)]
struct History {
    pairs: VecDeque<Pair>,
}

impl History {
    fn forget(&mut self) {
        self.pairs.clear();
    }

    /// Keeps the pair of the step that the line search has just found.
    fn remember(&mut self, state: &State, step: f64, slope: f64) {
        let sy = (dot(&state.next_gradient, &state.direction) - slope) * step;
        if sy <= f64::EPSILON * -slope * step {
            return;
        }
        // The oldest pair's memory is used again: fresh pages for long vectors cost more than the arithmetic.
        let mut pair = match self.pairs.len() {
            MEMORY => self.pairs.pop_front().expect("the history is full"),
            _ => {
                let zeros = vec![0.0; state.point.len()];
                Pair { s: zeros.clone(), y: zeros, sy, yy: 0.0 }
            }
        };
        scale_into(&mut pair.s, step, &state.direction);
        combine(&mut pair.y, &state.next_gradient, -1.0, &state.gradient);
        pair.sy = sy;
        pair.yy = dot(&pair.y, &pair.y);
        self.pairs.push_back(pair);
    }

    /// The two-loop recursion: direction = −H·gradient. Each pass changes the vector and takes the next product.
    fn direction(&self, gradient: &[f64], direction: &mut [f64]) {
        scale_into(direction, -1.0, gradient);
        let Some(newest) = self.pairs.back() else { return };
        let count = self.pairs.len();
        let mut alphas = [0.0; MEMORY];
        let mut product = dot(direction, &newest.s);
        for at in (0..count).rev() {
            let pair = &self.pairs[at];
            alphas[at] = product / pair.sy;
            // After the oldest pair comes the scaling by H₀, which also scales the product with its y.
            let next = if at == 0 { &pair.y } else { &self.pairs[at - 1].s };
            product = add_then_dot(direction, -alphas[at], &pair.y, next);
        }
        let scale = newest.sy / newest.yy;
        direction.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|value| *value *= scale));
        product *= scale;
        for at in 0..count {
            let pair = &self.pairs[at];
            let factor = alphas[at] - product / pair.sy;
            let next = if at + 1 == count { &pair.y } else { &self.pairs[at + 1].y };
            product = add_then_dot(direction, factor, &pair.s, next);
        }
    }
}

/// Value and slope along the direction at one step length.
#[derive(Debug, Clone, Copy)]
struct Sample {
    step: f64,
    value: f64,
    slope: f64,
}

impl Sample {
    /// Subtracts the line of the required decrease.
    fn below(self, slope: f64) -> Self {
        Self { step: self.step, value: self.value - self.step * slope, slope: self.slope - slope }
    }
}

/// Moré and Thuente's line search; the names of the constants are theirs.
struct LineSearch {
    start: Sample,
    best: Sample,
    other: Sample,
    /// The step to try next.
    step: f64,
    low: f64,
    high: f64,
    bracketed: bool,
    /// Until a point with enough decrease and a rising slope is met, the decrease itself is minimised.
    seeking_decrease: bool,
    widths: [f64; 2],
}

impl LineSearch {
    const DECREASE: f64 = 1e-3;
    const CURVATURE: f64 = 0.9;
    const INTERVAL: f64 = 0.1;
    const STEP_LIMIT: f64 = 1e10;

    fn new(start: Sample, first: f64) -> Self {
        let step = first.min(Self::STEP_LIMIT);
        Self {
            start,
            best: start,
            other: start,
            step,
            low: 0.0,
            high: 5.0 * step,
            bracketed: false,
            seeking_decrease: true,
            widths: [Self::STEP_LIMIT, 2.0 * Self::STEP_LIMIT],
        }
    }

    /// True when the sample at `step` ends the search; else `step` is the next one to try.
    fn accepts(&mut self, sample: Sample) -> bool {
        let line = Self::DECREASE * self.start.slope;
        let enough = sample.value <= self.start.value + sample.step * line;
        if self.seeking_decrease && enough && sample.slope >= 0.0 {
            self.seeking_decrease = false;
        }
        let exhausted = self.bracketed && self.exhausted(sample.step);
        let at_limit = sample.step >= Self::STEP_LIMIT && enough && sample.slope <= line;
        if exhausted || at_limit || (enough && sample.slope.abs() <= Self::CURVATURE * -self.start.slope) {
            return true;
        }
        if self.seeking_decrease && sample.value <= self.best.value && !enough {
            let (mut best, mut other) = (self.best.below(line), self.other.below(line));
            self.step = self.next_step(&mut best, &mut other, sample.below(line));
            (self.best, self.other) = (best.below(-line), other.below(-line));
        } else {
            let (mut best, mut other) = (self.best, self.other);
            self.step = self.next_step(&mut best, &mut other, sample);
            (self.best, self.other) = (best, other);
        }
        if self.bracketed {
            let width = (self.other.step - self.best.step).abs();
            if width >= 0.66 * self.widths[1] {
                self.step = f64::midpoint(self.best.step, self.other.step);
            }
            self.widths = [width, self.widths[0]];
            self.low = self.best.step.min(self.other.step);
            self.high = self.best.step.max(self.other.step);
        } else {
            self.low = self.step + 1.1 * (self.step - self.best.step);
            self.high = self.step + 4.0 * (self.step - self.best.step);
        }
        self.step = self.step.clamp(0.0, Self::STEP_LIMIT);
        if self.bracketed && self.exhausted(self.step) {
            self.step = self.best.step;
        }
        false
    }

    /// True when the interval has no room for another step.
    fn exhausted(&self, step: f64) -> bool {
        step <= self.low || step >= self.high || self.high - self.low <= Self::INTERVAL * self.high
    }

    /// The next trial step from cubic and quadratic interpolation; then the interval takes the sample in.
    fn next_step(&mut self, best: &mut Sample, other: &mut Sample, now: Sample) -> f64 {
        let opposite = now.slope * best.slope.signum() < 0.0;
        let secant = now.step + now.slope / (now.slope - best.slope) * (best.step - now.step);
        let next = if now.value > best.value {
            let cubic = cubic_minimum(*best, now);
            let rise = (best.value - now.value) / (now.step - best.step) + best.slope;
            let quadratic = best.step + best.slope / rise / 2.0 * (now.step - best.step);
            self.bracketed = true;
            if (cubic - best.step).abs() < (quadratic - best.step).abs() {
                cubic
            } else {
                f64::midpoint(cubic, quadratic)
            }
        } else if opposite {
            let cubic = cubic_minimum(now, *best);
            self.bracketed = true;
            if (cubic - now.step).abs() > (secant - now.step).abs() { cubic } else { secant }
        } else if now.slope.abs() < best.slope.abs() {
            self.with_flatter_slope(*best, *other, now, secant)
        } else if self.bracketed {
            cubic_minimum(now, *other)
        } else {
            self.bound_beyond(*best, now)
        };
        if now.value > best.value {
            *other = now;
        } else {
            if opposite {
                *other = *best;
            }
            *best = now;
        }
        next
    }

    fn bound_beyond(&self, best: Sample, now: Sample) -> f64 {
        if now.step > best.step { self.high } else { self.low }
    }

    /// Lower value, slope of the same sign but smaller: the cubic may have no minimum beyond `now`.
    fn with_flatter_slope(&self, best: Sample, other: Sample, now: Sample, secant: f64) -> f64 {
        let theta = 3.0 * (best.value - now.value) / (now.step - best.step) + best.slope + now.slope;
        let size = theta.abs().max(best.slope.abs()).max(now.slope.abs());
        let root = ((theta / size).powi(2) - best.slope / size * (now.slope / size)).max(0.0).sqrt();
        let gamma = if now.step > best.step { -size * root } else { size * root };
        let ratio = (gamma - now.slope + theta) / (gamma + (best.slope - now.slope) + gamma);
        let cubic = if ratio < 0.0 && gamma != 0.0 {
            now.step + ratio * (best.step - now.step)
        } else {
            self.bound_beyond(best, now)
        };
        let cubic_is_closer = (cubic - now.step).abs() < (secant - now.step).abs();
        if !self.bracketed {
            return if cubic_is_closer { secant } else { cubic }.clamp(self.low, self.high);
        }
        let next = if cubic_is_closer { cubic } else { secant };
        let bound = now.step + 0.66 * (other.step - now.step);
        if now.step > best.step { next.min(bound) } else { next.max(bound) }
    }
}

/// The minimum of the cubic through two samples, reckoned from `from`.
fn cubic_minimum(from: Sample, to: Sample) -> f64 {
    let theta = 3.0 * (from.value - to.value) / (to.step - from.step) + from.slope + to.slope;
    let size = theta.abs().max(from.slope.abs()).max(to.slope.abs());
    let root = size * ((theta / size).powi(2) - from.slope / size * (to.slope / size)).max(0.0).sqrt();
    let gamma = if to.step < from.step { -root } else { root };
    let ratio = (gamma - from.slope + theta) / (gamma - from.slope + gamma + to.slope);
    from.step + ratio * (to.step - from.step)
}

/// The largest absolute component; NaN when there is one, so that no comparison holds.
fn largest(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |most: f64, value| if value.is_nan() { f64::NAN } else { most.max(value.abs()) })
}

fn scale_into(target: &mut [f64], factor: f64, vector: &[f64]) {
    let chunks = target.par_chunks_mut(CHUNK).zip(vector.par_chunks(CHUNK));
    chunks.for_each(|(target, vector)| {
        target.iter_mut().zip(vector).for_each(|(target, value)| *target = factor * value);
    });
}

/// target = left + factor · right.
fn combine(target: &mut [f64], left: &[f64], factor: f64, right: &[f64]) {
    let chunks = target.par_chunks_mut(CHUNK).zip(left.par_chunks(CHUNK)).zip(right.par_chunks(CHUNK));
    chunks.for_each(|((target, left), right)| {
        let values = left.iter().zip(right).map(|(left, right)| left + factor * right);
        target.iter_mut().zip(values).for_each(|(target, value)| *target = value);
    });
}

/// target += factor · vector; returns target · other.
fn add_then_dot(target: &mut [f64], factor: f64, vector: &[f64], other: &[f64]) -> f64 {
    let chunks = target.par_chunks_mut(CHUNK).zip(vector.par_chunks(CHUNK)).zip(other.par_chunks(CHUNK));
    let sums = chunks.map(|((target, vector), other)| {
        target.iter_mut().zip(vector).for_each(|(target, value)| *target += factor * value);
        chunk_dot(target, other)
    });
    sums.collect::<Vec<_>>().iter().sum()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    let chunks = left.par_chunks(CHUNK).zip(right.par_chunks(CHUNK));
    chunks.map(|(left, right)| chunk_dot(left, right)).collect::<Vec<_>>().iter().sum()
}

fn chunk_dot(left: &[f64], right: &[f64]) -> f64 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..8 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    sums.iter().sum::<f64>() + rest
}
