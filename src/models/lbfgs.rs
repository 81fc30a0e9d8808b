//! L-BFGS: minimises a smooth function of many variables from its value and gradient.
//!
//! Direction: the two-loop recursion over the last ten pairs s = xₖ₊₁ − xₖ, y = gₖ₊₁ − gₖ, from H₀ = (sᵀy / yᵀy)·I.
//! Step: Moré and Thuente's line search (ACM TOMS 20, 1994) until f(x + t·d) ≤ f(x) + 10⁻³·t·gᵀd and the slope has
//! shrunk to 0.9 of its size. First step 1/‖g‖, then 1. Stops as `scipy` 1.17's `L-BFGS-B` does without bounds, as
//! scikit-learn 1.9 calls it (m = 10, ftol = 64·ε, maxls = 50): max|g| ≤ tolerance, or
//! f(xₖ) − f(xₖ₊₁) ≤ 64·ε·max(|f(xₖ)|, |f(xₖ₊₁)|, 1). A pair with sᵀy ≤ ε·|sᵀg| is not kept; when a line search
//! fails, the pairs are forgotten and steepest descent is tried once.
//!
//! Sums run over chunks of fixed length whose results are added in order: the same bits whatever the thread count.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

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
const CHUNK: usize = 8192;
/// Independent sums of a dot product: so many that the compiler keeps the loop over them and vectorises it, where the
/// unrolled loop over a few comes out half scalar.
pub(super) const LANES: usize = 64;

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
            if history.order.is_empty() {
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
    fn search(&mut self, first: f64, slope: f64, evaluate: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> Option<f64> {
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

/// A step s between two points and the change y of the gradient over it.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
}

/// The last pairs and their products. A pair keeps its slot until it is the oldest and the slot is needed.
#[derive(Default)]
struct History {
    slots: Vec<Pair>,
    /// The slots in use, oldest pair first.
    order: VecDeque<usize>,
    /// sᵢ·yⱼ by slot.
    sy: [[f64; MEMORY]; MEMORY],
    /// yᵢ·yⱼ by slot.
    yy: [[f64; MEMORY]; MEMORY],
}

impl History {
    fn forget(&mut self) {
        self.order.clear();
    }

    /// Keeps the pair of the step that the line search has just found.
    fn remember(&mut self, state: &State, step: f64, slope: f64) {
        let sy = (dot(&state.next_gradient, &state.direction) - slope) * step;
        if sy <= f64::EPSILON * -slope * step {
            return;
        }
        if self.order.len() == MEMORY {
            self.order.pop_front();
        }
        let slot = (0..MEMORY).find(|slot| !self.order.contains(slot)).expect("one slot is always free");
        if slot == self.slots.len() {
            let zeros = vec![0.0; state.point.len()];
            self.slots.push(Pair { s: zeros.clone(), y: zeros });
        }
        let pair = &mut self.slots[slot];
        scale_into(&mut pair.s, step, &state.direction);
        combine(&mut pair.y, &state.next_gradient, -1.0, &state.gradient);
        self.order.push_back(slot);
    }

    /// direction = −H·gradient: the two-loop recursion, run on the factors of the pairs in place of the vectors. That
    /// takes two parallel passes, where the recursion on vectors takes twenty and streams the direction through each.
    fn direction(&mut self, gradient: &[f64], direction: &mut [f64]) {
        let Some(newest) = self.order.back().copied() else { return scale_into(direction, -1.0, gradient) };
        let products = self.products(gradient, newest);
        for (slot, [_, _, sy, ys, yy]) in self.order.iter().copied().zip(&products) {
            (self.sy[slot][newest], self.sy[newest][slot]) = (*sy, *ys);
            (self.yy[slot][newest], self.yy[newest][slot]) = (*yy, *yy);
        }
        let (sy, yy) = (&self.sy, &self.yy);
        let (mut by_s, mut by_y, mut alphas) = ([0.0; MEMORY], [0.0; MEMORY], [0.0; MEMORY]);
        for (slot, [with_s, ..]) in self.order.iter().copied().zip(&products).rev() {
            let newer: f64 = self.order.iter().map(|other| by_y[*other] * sy[slot][*other]).sum();
            alphas[slot] = (newer - with_s) / sy[slot][slot];
            by_y[slot] = -alphas[slot];
        }
        let scale = sy[newest][newest] / yy[newest][newest];
        for factor in &mut by_y {
            *factor *= scale;
        }
        for (slot, [_, with_y, ..]) in self.order.iter().copied().zip(&products) {
            let pairs =
                self.order.iter().map(|other| by_y[*other] * yy[slot][*other] + by_s[*other] * sy[*other][slot]);
            by_s[slot] = alphas[slot] - (pairs.sum::<f64>() - scale * with_y) / sy[slot][slot];
        }
        direction.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, direction)| {
            let start = chunk * CHUNK;
            let gradient = gradient[start..].iter();
            direction.iter_mut().zip(gradient).for_each(|(target, value)| *target = -scale * value);
            for slot in &self.order {
                let pair = self.slots[*slot].s[start..].iter().zip(&self.slots[*slot].y[start..]);
                let (by_s, by_y) = (by_s[*slot], by_y[*slot]);
                direction.iter_mut().zip(pair).for_each(|(target, (s, y))| *target += by_s * s + by_y * y);
            }
        });
    }

    /// For each pair, oldest first: s·gradient, y·gradient, s·(newest y), y·(newest s), y·(newest y).
    fn products(&self, gradient: &[f64], newest: usize) -> Vec<[f64; 5]> {
        let arch = pulp::Arch::new();
        let newest = &self.slots[newest];
        let chunks = gradient.par_chunks(CHUNK).enumerate().map(|(chunk, gradient)| {
            let range = chunk * CHUNK..chunk * CHUNK + gradient.len();
            let products = self.order.iter().map(|slot| {
                let Pair { s, y } = &self.slots[*slot];
                let (s, y) = (&s[range.clone()], &y[range.clone()]);
                arch.dispatch(Products { s, y, with: [gradient, &newest.s[range.clone()], &newest.y[range.clone()]] })
            });
            products.collect::<Vec<_>>()
        });
        let mut sums = vec![[0.0; 5]; self.order.len()];
        for products in chunks.collect::<Vec<_>>() {
            for (sums, products) in sums.iter_mut().zip(products) {
                sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
            }
        }
        sums
    }
}

/// The five products of one pair over one chunk, compiled for the processor at hand.
struct Products<'a> {
    s: &'a [f64],
    y: &'a [f64],
    /// The gradient, the newest s and the newest y.
    with: [&'a [f64]; 3],
}

impl pulp::NullaryFnOnce for Products<'_> {
    type Output = [f64; 5];

    #[inline(always)]
    fn call(self) -> [f64; 5] {
        let [gradient, newest_s, newest_y] = self.with;
        let factors =
            [(self.s, gradient), (self.y, gradient), (self.s, newest_y), (self.y, newest_s), (self.y, newest_y)];
        let mut sums = [[0.0; LANES]; 5];
        let chunks = factors.map(|(left, right)| (left.as_chunks::<LANES>().0, right.as_chunks::<LANES>().0));
        for at in 0..gradient.len() / LANES {
            for (sums, (left, right)) in sums.iter_mut().zip(chunks) {
                let (left, right) = (&left[at], &right[at]);
                for lane in 0..LANES {
                    sums[lane] += left[lane] * right[lane];
                }
            }
        }
        let rest = gradient.len() / LANES * LANES;
        for (sums, (left, right)) in sums.iter_mut().zip(factors) {
            for ((sum, left), right) in sums.iter_mut().zip(&left[rest..]).zip(&right[rest..]) {
                *sum += left * right;
            }
        }
        sums.map(total)
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

/// Moré and Thuente's line search with the constants of `L-BFGS-B`.
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

fn dot(left: &[f64], right: &[f64]) -> f64 {
    let chunks = left.par_chunks(CHUNK).zip(right.par_chunks(CHUNK));
    chunks.map(|(left, right)| chunk_dot(left, right)).collect::<Vec<_>>().iter().sum()
}

fn chunk_dot(left: &[f64], right: &[f64]) -> f64 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += left * right;
    }
    total(sums)
}

/// Adds up the lanes of a dot product, half on half.
#[inline(always)]
pub(super) fn total(mut sums: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        let (left, right) = sums.split_at_mut(half);
        for (left, right) in left.iter_mut().zip(right) {
            *left += *right;
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const LIMITS: Limits = Limits { max_iter: 1000, gradient_tolerance: 1e-8 };

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut value = 0.0;
        for at in 0..x.len() - 1 {
            let (valley, slope) = (x[at + 1] - x[at] * x[at], 1.0 - x[at]);
            value += 100.0 * valley * valley + slope * slope;
            gradient[at] -= 400.0 * x[at] * valley + 2.0 * slope;
            gradient[at + 1] += 200.0 * valley;
        }
        value
    }

    /// From `scipy` 1.17.1, `minimize(rosen, …, jac=rosen_der, method="L-BFGS-B")`, gtol 1e-8, ftol 64·ε, maxls 50:
    /// 38 iterations and 46 evaluations from the first start; 44 and 53 from the second, into a side valley.
    #[test]
    fn the_path_is_that_of_scipy() {
        let side = [-0.962_051_02, 0.935_739_4, 0.880_713_6, 0.777_877_68, 0.605_093_68];
        for (start, end, n_iter, evaluations) in
            [(vec![-1.2, 1.0], &[1.0, 1.0][..], 38_usize, 46_usize), (vec![-1.2, 1.0, 0.5, -0.3, 2.0], &side, 44, 53)]
        {
            let mut count = 0_usize;
            let counted = |x: &[f64], gradient: &mut [f64]| {
                count += 1;
                rosenbrock(x, gradient)
            };
            let minimum = minimize(counted, start, LIMITS, |_, _| Ok(())).unwrap();
            assert_eq!(minimum.stop, Stop::Converged);
            assert!(minimum.point.iter().zip(end).all(|(x, end)| (x - end).abs() < 1e-6), "{minimum:?}");
            assert!(minimum.n_iter.abs_diff(n_iter) <= 1 && count.abs_diff(evaluations) <= 2, "{minimum:?} {count}");
        }
    }

    #[test]
    fn each_way_to_stop_is_told() {
        let few = Limits { max_iter: 3, ..LIMITS };
        let mut steps = Vec::new();
        let observe = |step, _| {
            steps.push(step);
            Ok(())
        };
        let minimum = minimize(rosenbrock, vec![-1.2, 1.0], few, observe).unwrap();
        assert_eq!((minimum.stop, minimum.n_iter, steps), (Stop::IterationLimit, 3, vec![1, 2, 3]));
        let undefined = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0;
            if x[0] < 1.0 { f64::NAN } else { 1.0 }
        };
        let minimum = minimize(undefined, vec![1.0], LIMITS, |_, _| Ok(())).unwrap();
        assert_eq!((minimum.stop, minimum.point), (Stop::LineSearch, vec![1.0]));
        assert!(minimize(rosenbrock, vec![-1.2, 1.0], LIMITS, |_, _| Err(Error::interrupted())).is_err());
    }
}
