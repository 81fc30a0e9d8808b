//! What the decision does over a year: false alarms without drift, and power where there is some.
//!
//! Bin counts are drawn by multinomials with the true chances of the bins, which is exact: a check sees counts only.

use rand::RngExt as _;

use super::bins::{CELLS, Grid, sums};
use super::decision::{Case, Settings, judge, replicates};
use super::kl::Kl;
use super::statistic::{Counts, Draws, DriftStatistic as _, Sides};
use crate::stats::distributions::{normal_cdf, normal_quantile};
use crate::stats::generator::generator;
use crate::stats::multinomial::multinomial;

const WINDOW: u32 = 1000;

/// A reference of standard normal values, frozen, with its bins for the window.
struct Frozen {
    counts: Vec<u64>,
    /// The right ends of the bins.
    ends: Vec<f64>,
}

fn frozen(rows: usize, seed: u64) -> Frozen {
    let mut random = generator(*b"simulref", seed, 0);
    let mut values: Vec<f64> = (0..rows).map(|_| normal_quantile(random.random_range(1e-12..1.0))).collect();
    values.sort_unstable_by(f64::total_cmp);
    let grid = Grid::of_sorted(&values, CELLS);
    let (bins, n_bins) = grid.merged(u64::from(WINDOW));
    let last = |bin: usize| bins.iter().rposition(|other| *other == bin).unwrap();
    let ends = (0..n_bins).map(|bin| grid.edges.get(last(bin)).copied().unwrap_or(f64::INFINITY)).collect();
    Frozen { counts: sums(&grid.counts, &bins, n_bins), ends }
}

/// A window of values that are moved by `by` standard deviations.
fn case(frozen: &Frozen, by: f64, (seed, index): (u64, u64), most: usize) -> Case<'static> {
    let mut below = 0.0;
    let weights = frozen.ends.iter().map(|end| {
        let up_to = normal_cdf(end - by);
        let weight = ((up_to - below) * f64::from(1 << 30)) as u32;
        below = up_to;
        weight
    });
    let weights: Vec<u32> = weights.collect();
    let mut drawn = vec![0; weights.len()];
    multinomial(&mut generator(*b"simulwin", seed, index), WINDOW, &weights, &mut drawn);
    let current = drawn.into_iter().map(u64::from).collect();
    let sides = Sides { counts: Counts { reference: frozen.counts.clone(), current }, ..Sides::default() };
    let value = Kl.value(&sides).unwrap();
    let null = Kl.null(&sides, value, Draws { most, seed });
    Case { statistic: &Kl, sides, value, null }
}

/// The share of daily checks of 20 columns with an alarm, over this many years, each with references of its own.
fn alarms(alpha: f64, rows: usize, years: u64) -> f64 {
    let settings = Settings { alpha, ..Settings::default() };
    let mut alarms = 0;
    for year in 0..years {
        let references: Vec<Frozen> = (0..20).map(|column| frozen(rows, year * 100 + column)).collect();
        for day in 0..365 {
            let index = |column: usize| (year * 1000 + column as u64, day);
            let cases: Vec<Case<'_>> = references
                .iter()
                .enumerate()
                .map(|(column, reference)| case(reference, 0.0, index(column), replicates(20, alpha)))
                .collect();
            alarms += u64::from(judge(&cases, &settings).iter().any(|verdict| verdict.drift));
        }
    }
    alarms as f64 / (365 * years) as f64
}

#[test]
fn false_alarms_of_a_year_stay_below_the_promise() {
    // (α, rows of the reference, years): the default, one alarm a month, and α = 5 %.
    let shares = [(0.01, 5000, 3), (1.0 / 30.4375, 5000, 2), (0.05, 5000, 2), (0.01, 1000, 2)]
        .map(|(alpha, rows, years)| (alpha, rows, alarms(alpha, rows, years)));
    let told = format!("{shares:?}");
    assert!(shares[0].2 < 0.05 && shares[3].2 < 0.05, "{told}");
    // No more than α itself, up to the error of the simulation (three standard errors).
    for (alpha, _, share) in shares {
        let error = 3.0 * (alpha / (365.0 * 2.0)).sqrt();
        assert!(share <= alpha + error, "α {alpha}: {share}; {told}");
    }
}

/// The share of windows in which a move of so many standard deviations is found, alone or as one of `columns`.
fn power(by: f64, rows: usize, columns: usize, alpha: f64) -> f64 {
    let settings = Settings { alpha, ..Settings::default() };
    let trials = 200;
    let references: Vec<Frozen> = (0..20).map(|seed| frozen(rows, 7000 + seed)).collect();
    let found = (0..trials).filter(|trial| {
        let of = |column: usize, by: f64| {
            let reference = &references[(*trial as usize + column) % references.len()];
            case(reference, by, (column as u64, *trial), replicates(columns, alpha))
        };
        let cases: Vec<Case<'_>> = (0..columns).map(|column| of(column, if column == 0 { by } else { 0.0 })).collect();
        judge(&cases, &settings)[0].drift
    });
    found.count() as f64 / trials as f64
}

#[test]
fn a_move_of_three_tenths_is_found() {
    let of = |columns, rows| [0.1, 0.2, 0.3].map(|by| power(by, rows, columns, 0.01));
    let (alone, among) = (of(1, 5000), of(20, 5000));
    let told = format!("alone {alone:?}, one of 20 columns {among:?}");
    assert!(alone[2] >= 0.95 && among[2] >= 0.95, "{told}");
    assert!(alone[0] < alone[1] && alone[1] <= alone[2] && among[1] > 0.3, "{told}");
}
