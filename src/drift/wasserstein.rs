//! Wasserstein distance of order 1, in standard deviations of the reference: ∫ |F(x) − G(x)| dx / σ.
//!
//! Range 0…∞; numbers only, none where the reference is constant. It says how far the values have moved, where the other
//! statistics say how many have. No closed null: both sides are drawn from the fine grid of what they have in common, the
//! current one as large as the sample of it that is held.
//! σ has the divisor n. Checked against SciPy 1.17.1 (`wasserstein_distance`) and Evidently 0.7.23, which divides by σ too.

use super::statistic::{Counts, Draws, DriftStatistic, Kind, Null, Samples, Scale, Sides, drawn};
use crate::catalog::Named;

/// Wasserstein distance in standard deviations of the reference.
pub struct Wasserstein;

fn distance(samples: &Samples<'_>) -> f64 {
    let (left, right) = (samples.reference, samples.current);
    let (mut i, mut j, mut area) = (0, 0, 0.0);
    let mut last = left[0].min(right[0]);
    while i < left.len() || j < right.len() {
        let at = match (left.get(i), right.get(j)) {
            (Some(one), Some(other)) => one.min(*other),
            (one, other) => *one.or(other).expect("one side has values left"),
        };
        let gap = i as f64 / left.len() as f64 - j as f64 / right.len() as f64;
        area += gap.abs() * (at - last);
        last = at;
        while i < left.len() && left[i] <= at {
            i += 1;
        }
        while j < right.len() && right[j] <= at {
            j += 1;
        }
    }
    area / samples.deviation
}

/// The same over cells of a grid with a place each.
fn of_cells(counts: &Counts, places: &[f64], deviation: f64) -> f64 {
    let (n, m) = counts.sizes();
    let (mut left, mut right, mut area) = (0.0, 0.0, 0.0);
    for (cell, step) in places.windows(2).enumerate() {
        left += counts.reference[cell] as f64 / n;
        right += counts.current[cell] as f64 / m;
        area += (left - right).abs() * (step[1] - step[0]);
    }
    area / deviation
}

impl Named for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }

    fn about(&self) -> &'static str {
        "Wasserstein distance in standard deviations of the reference"
    }
}

impl DriftStatistic for Wasserstein {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Numeric]
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.141, bands: [0.775, 1.0, 1.414] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        let samples = sides.samples.as_ref()?;
        let there = !samples.reference.is_empty() && !samples.current.is_empty() && samples.deviation > 0.0;
        there.then(|| distance(samples))
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        let Some(samples) = &sides.samples else { return Null::Drawn(Vec::new()) };
        let share = samples.held() / samples.m.max(1.0);
        let current = sides.grid.current.iter().map(|count| (*count as f64 * share).round() as u64).collect();
        let grid = Counts { reference: sides.grid.reference.clone(), current };
        drawn(&grid, value, draws, |counts| of_cells(counts, samples.places, samples.deviation))
    }

    fn reads_values(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::kolmogorov_smirnov::tests::{golden, sides};
    use super::super::statistic::samples::close;
    use super::*;

    #[test]
    fn as_scipy_has_it() {
        let (left, right) = golden();
        close(Wasserstein.value(&sides(&left, &right, 1.0)).unwrap(), 0.360_555_555_555_555_6, 1e-12);
        // Evidently's `wasserstein` of the same values.
        let deviation = 2.914_875_164_088_887_7;
        close(Wasserstein.value(&sides(&left, &right, deviation)).unwrap(), 0.123_695_024_746_713_52, 1e-12);
    }

    #[test]
    fn a_move_of_all_values_is_the_distance() {
        let left: Vec<f64> = (0..100).map(f64::from).collect();
        let right: Vec<f64> = left.iter().map(|value| value + 7.0).collect();
        close(Wasserstein.value(&sides(&left, &right, 2.0)).unwrap(), 3.5, 1e-12);
        assert_eq!(Wasserstein.value(&sides(&left, &right, 0.0)), None);
    }

    #[test]
    fn its_null_is_that_of_two_samples() {
        // 400 against 400 standard normal values: the mean of W over 4,000 simulations with scipy is 0.0899.
        let places: Vec<f64> = (0..100)
            .map(|cell| crate::stats::distributions::normal_quantile((f64::from(cell) + 0.5) / 100.0))
            .collect();
        let grid = Counts { reference: vec![4; 100], current: vec![4; 100] };
        let current = places.repeat(4);
        let mean = |grid: Counts, m: f64| {
            let samples =
                Samples { reference: &places, current: &current, n: 400.0, m, deviation: 1.0, places: &places };
            let sides = Sides { grid, samples: Some(samples), ..Sides::default() };
            match Wasserstein.null(&sides, 1.0, Draws { most: 999, seed: 5 }) {
                Null::Drawn(values) => values.iter().sum::<f64>() / values.len() as f64,
                other => panic!("{}", other.name()),
            }
        };
        close(mean(grid.clone(), 400.0), 0.0899, 0.07);
        // The 400 are a sample of 40,000: the value is as unsure as the sample.
        close(mean(Counts { current: vec![400; 100], ..grid }, 40_000.0), 0.0899, 0.07);
    }
}
