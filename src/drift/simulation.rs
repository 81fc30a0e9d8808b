//! What the decision does over a year: false alarms without drift, and power where there is some.
//!
//! Bin counts are drawn by multinomials with the true chances of the bins, which is exact: a check sees counts only.
//! Whole checks, with shares of rows without a value, categories, almost empty columns and vectors, are run on rows.

use ndarray::Array2;
use rand::RngExt as _;
use rayon::prelude::*;

use super::bins::{CELLS, Grid, sums};
use super::check::{Report, check};
use super::current::Seen;
use super::decision::{Case, Settings, judge, replicates};
use super::kl::Kl;
use super::profile::{Column, Role, Room};
use super::statistic::{Counts, Draws, DriftStatistic as _, Sides};
use super::vectors::VectorSample;
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

/// What the rows are drawn from.
#[derive(Clone, Copy)]
struct World {
    /// The mean of the number, in standard deviations.
    mean: f64,
    /// The share of its rows without a value.
    nulls: f64,
    /// The share of the first of five categories, in place of what the others leave.
    first: f64,
    /// The mean of each number of the vectors.
    vectors: f64,
}

const BEFORE: World = World { mean: 0.0, nulls: 0.03, first: 0.4, vectors: 0.0 };
/// Rows of the reference, rows of a window, and the width of the vectors.
const SIZES: (usize, usize, usize) = (400, 300, 12);

/// Rows: a number, one that almost no row has, a category (with a long tail of rare ones), and vectors.
struct Drawn {
    number: Vec<f64>,
    seldom: Vec<f64>,
    category: Vec<Option<String>>,
    vectors: Array2<f32>,
}

fn draw<R: rand::Rng>(world: World, rows: usize, random: &mut R) -> Drawn {
    let normal = |random: &mut R| normal_quantile(random.random_range(1e-12..1.0));
    let unless = |share: f64, value: f64, random: &mut R| if random.random_bool(share) { f64::NAN } else { value };
    let word = |random: &mut R| match random.random_range(0.0..1.0) {
        place if place < world.first => "first".to_owned(),
        place if place < 0.95 => format!("other {}", (place * 1000.0) as usize % 4),
        _ => format!("rare {}", random.random_range(0..2000)),
    };
    Drawn {
        number: (0..rows).map(|_| unless(world.nulls, normal(random) + world.mean, random)).collect(),
        seldom: (0..rows).map(|_| unless(0.998, normal(random), random)).collect(),
        category: (0..rows).map(|_| Some(word(random))).collect(),
        vectors: Array2::from_shape_fn((rows, SIZES.2), |_| (normal(random) + world.vectors) as f32),
    }
}

/// A check of a window of this world against a reference of the first one, both new.
fn checked(world: World, seed: u64, settings: &Settings) -> Report {
    let mut random = generator(*b"simulchk", seed, 0);
    let (before, now) = (draw(BEFORE, SIZES.0, &mut random), draw(world, SIZES.1, &mut random));
    let sample = VectorSample::of(&before.vectors).unwrap();
    let numeric = |name: &str, values: &[f64]| {
        let there: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let nulls = (values.len() - there.len()) as u64;
        Column::of_numbers((name, Role::Column), "train", there, nulls, Room::ALL)
    };
    let columns = [
        numeric("number", &before.number),
        numeric("seldom", &before.seldom),
        numeric("centroid_cosine", &sample.cosines(&before.vectors)),
        Column::of_cells("category", "train", &before.category, Room::ALL),
    ];
    let cosines: Vec<f64> = now.vectors.outer_iter().map(|row| sample.cosine(row)).collect();
    let mut seen: Vec<Seen> = columns.iter().map(|column| Seen::new(column, 0)).collect();
    [&now.number, &now.seldom, &cosines]
        .into_iter()
        .zip(&mut seen)
        .for_each(|(values, seen)| seen.add_numbers(0, values));
    seen[3].add_words(now.category.iter().map(Option::as_deref));
    let observed: Vec<(&Column, Option<&Seen>)> = columns.iter().zip(seen.iter().map(Some)).collect();
    // The classifier is refitted for each permutation: a few rows of both sides are enough.
    let few = |rows: Array2<f32>| rows.slice_move(ndarray::s![..60, ..]);
    let (sample, vectors) = (VectorSample::of(&few(before.vectors)).unwrap(), few(now.vectors));
    check(&observed, Some((&sample, &vectors)), settings, seed)
}

#[test]
fn whole_checks_keep_the_promise() {
    let settings = Settings { alpha: 0.05, ..Settings::default() };
    let trials = 150_u64;
    let told = |report: &Report| {
        let columns = report.columns.iter().filter(|column| column.drift).map(|column| column.name.clone());
        columns.chain(report.findings.iter().filter(|one| one.drift).map(|one| one.finding.to_owned())).collect()
    };
    let alarms: Vec<Vec<String>> = (0..trials)
        .into_par_iter()
        .map(|trial| checked(BEFORE, trial, &settings))
        .filter(|report| report.drift)
        .map(|report| told(&report))
        .collect();
    // α, and three standard errors of the simulation: 0.05 + 3·√(0.05·0.95/150) = 0.103.
    assert!(alarms.len() as f64 / (trials as f64) < 0.103, "{}: {alarms:?}", alarms.len());
}

#[test]
fn whole_checks_find_what_has_changed() {
    let found = |world: World, name: &str| {
        let found = |seed: &u64| {
            let report = checked(world, 1000 + seed, &Settings::default());
            report.columns.iter().any(|column| column.drift && column.name == name)
        };
        (0..10).filter(found).count()
    };
    let moved = [
        found(World { mean: 0.6, ..BEFORE }, "number"),
        found(World { nulls: 0.15, ..BEFORE }, "number"),
        found(World { first: 0.7, ..BEFORE }, "category"),
        found(World { vectors: 0.5, ..BEFORE }, "vectors"),
    ];
    assert!(moved.iter().all(|found| *found >= 9), "{moved:?}");
}

#[test]
fn what_draws_cannot_show_is_said() {
    // Thin bins of 25 rows: 49,999 draws show p = 2e-5 at least, and α 0.00005 over three hypotheses asks for 1.7e-5.
    let column = Column::of_cells(
        "c",
        "train",
        &(0..400).map(|row| Some(["a", "b", "c"][row % 3].to_owned())).collect::<Vec<_>>(),
        Room::ALL,
    );
    let mut seen = Seen::new(&column, 0);
    seen.add_words((0..25).map(|_| Some("b")));
    let notes = |columns: usize, alpha: f64| {
        let settings = Settings { alpha, ..Settings::default() };
        let observed = vec![(&column, Some(&seen)); columns];
        check(&observed, None, &settings, 1).notes
    };
    assert_eq!(notes(2, 0.01), [""; 0]);
    let told = notes(3, 0.000_05);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("3 of 3 tests are by 49999 draws, which show p = 2.0e-5 at least"), "{}", told[0]);
}
