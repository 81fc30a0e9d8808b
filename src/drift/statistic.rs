//! The small house of drift statistics: what a statistic is given, what it must say, and how sure one can be of it.
//!
//! A statistic compares the two sides of one column: counts in the same bins (reference n, current m), for numbers also
//! the sorted values, for vectors two samples of rows. Its null distribution is the one of two samples from one and the
//! same population. For what is a smooth distance between counts, all of them are ½, 1, ⅛ … of Pearson's χ² to second
//! order, so that `χ² = value^power / unit` with B − 1 degrees of freedom; where bins are thin (m/B < 10, or fewer than
//! 5 expected in one) the null is drawn instead.
//!
//! The effect scale of each statistic is that of KL: a normal moved by d standard deviations has KL = d²/2, so the
//! floor of 0.01 and the bands 0.3, 0.5, 1.0 are moves of 0.14, 0.77, 1.00 and 1.41 standard deviations, and every other
//! statistic has the values that it takes for these moves (SciPy 1.17.1, by integration).

use ndarray::Array2;
use rayon::prelude::*;

use crate::catalog::Named;
use crate::stats::distributions::{chi_squared_quantile, chi_squared_tail, kolmogorov_tail, normal_quantile};
use crate::stats::generator::generator;
use crate::stats::multinomial::multinomial;

/// Less values than this are not judged.
pub const FEW: u64 = 20;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    Numeric,
    /// Words.
    Categorical,
    /// Whole vectors.
    Vector,
}

impl Kind {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Vector => "vector",
        }
    }
}

/// How often each bin was met on both sides; the two have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the reference.
    pub reference: Vec<u64>,
    /// Of the current values.
    pub current: Vec<u64>,
}

impl Counts {
    /// The number of values on both sides: n of the reference, m of the current.
    #[must_use]
    pub fn sizes(&self) -> (f64, f64) {
        (self.reference.iter().sum::<u64>() as f64, self.current.iter().sum::<u64>() as f64)
    }

    /// The shares of both sides with Jeffreys' smoothing: (count + ½) / (all + B/2), never 0.
    #[must_use]
    pub fn shares(&self) -> (Vec<f64>, Vec<f64>) {
        (smoothed(&self.reference), smoothed(&self.current))
    }

    /// Pearson's χ² of the 2 × B table: Σ (observed − expected)²/expected, without smoothing or correction.
    #[must_use]
    pub fn chi_squared(&self) -> f64 {
        let (n, m) = self.sizes();
        let bin = |(reference, current): (&u64, &u64)| {
            let (reference, current) = (*reference as f64, *current as f64);
            let all = reference + current;
            if all == 0.0 {
                return 0.0;
            }
            let (left, right) = (all * n / (n + m), all * m / (n + m));
            (reference - left).powi(2) / left + (current - right).powi(2) / right
        };
        self.reference.iter().zip(&self.current).map(bin).sum()
    }

    /// ½(1/n + 1/m), by which second-order distances between two samples of one population shrink.
    #[must_use]
    pub fn noise(&self) -> f64 {
        let (n, m) = self.sizes();
        0.5 * (1.0 / n + 1.0 / m)
    }

    /// True where χ² is no good approximation: m/B < 10, or a bin with fewer than 5 expected on one side.
    #[must_use]
    pub fn thin(&self) -> bool {
        let ((n, m), bins) = (self.sizes(), self.reference.len() as f64);
        let few = |(left, right): (&u64, &u64)| (left + right) as f64 * n.min(m) / (n + m) < 5.0;
        m / bins < 10.0 || n / bins < 10.0 || self.reference.iter().zip(&self.current).any(few)
    }
}

fn smoothed(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() as f64 + 0.5 * counts.len() as f64;
    counts.iter().map(|count| (*count as f64 + 0.5) / all).collect()
}

/// The values of both sides of a numeric column.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// The reference's, ascending: all, or as many order statistics evenly spaced.
    pub reference: &'a [f64],
    /// The current ones, ascending: all, or a sample.
    pub current: &'a [f64],
    /// How many values the reference has.
    pub n: f64,
    /// How many values the current sample stands for.
    pub m: f64,
    /// The reference's standard deviation (divisor n).
    pub deviation: f64,
    /// For each cell of the fine grid a value in it, ascending; the counts lie in `Sides::grid`.
    pub places: &'a [f64],
}

impl Samples<'_> {
    /// How many current values are held: what a statistic of them is as sure as.
    #[must_use]
    pub fn held(&self) -> f64 {
        self.m.min(self.current.len() as f64)
    }
}

/// Both sides of a column.
#[derive(Debug, Clone, Default)]
pub struct Sides<'a> {
    /// Counts in the bins of the window.
    pub counts: Counts,
    /// Counts in the fine grid of a numeric column.
    pub grid: Counts,
    /// The values of a numeric column.
    pub samples: Option<Samples<'a>>,
    /// The rows of a vector column, `n × d` and `m × d`.
    pub vectors: Option<(&'a Array2<f32>, &'a Array2<f32>)>,
}

/// How a null distribution is drawn, where it has to be.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// Replicates at most.
    pub most: usize,
    /// The seed.
    pub seed: u64,
}

/// Replicates that are always drawn.
const FEWEST: usize = 999;
/// So many replicates as large as the value decide: more draws would not change the answer.
const ENOUGH: usize = 20;

/// What the values would be if nothing had changed.
#[derive(Debug, Clone)]
pub enum Null {
    /// `value^power / unit` is χ².
    ChiSquared {
        /// Degrees of freedom.
        freedom: usize,
        /// The value's unit.
        unit: f64,
        /// 2 for square roots of distances, else 1.
        power: i32,
    },
    /// Kolmogorov's, with Stephens' correction for the effective size nm/(n + m).
    Kolmogorov {
        /// nm/(n + m).
        size: f64,
    },
    /// Drawn, ascending.
    Drawn(Vec<f64>),
    /// Drawn under permuted labels; the normal tail goes on where the draws end.
    Permuted {
        /// The draws, ascending.
        draws: Vec<f64>,
        /// Their mean.
        mean: f64,
        /// Their standard deviation.
        deviation: f64,
    },
}

impl Null {
    /// P(a value at least as large).
    #[must_use]
    pub fn p(&self, value: f64) -> f64 {
        let drawn = |draws: &[f64]| {
            let above = draws.len() - draws.partition_point(|draw| *draw < value);
            (above, (above + 1) as f64 / (draws.len() + 1) as f64)
        };
        match self {
            Self::ChiSquared { freedom, unit, power } => chi_squared_tail(value.powi(*power) / unit, *freedom),
            Self::Kolmogorov { size } => kolmogorov_tail(value * stephens(*size)),
            Self::Drawn(draws) => drawn(draws).1,
            Self::Permuted { draws, mean, deviation } => match drawn(draws) {
                (0, p) if *deviation > 0.0 => {
                    p.min(0.5 * crate::stats::distributions::normal_two_sided((value - mean) / deviation))
                }
                (_, p) => p,
            },
        }
    }

    /// The value above which less than `level` lies: τ.
    #[must_use]
    pub fn tau(&self, level: f64) -> f64 {
        let drawn = |draws: &[f64]| {
            let below = ((1.0 - level) * (draws.len() + 1) as f64).ceil() as usize;
            draws.get(below.saturating_sub(1)).copied()
        };
        match self {
            Self::ChiSquared { freedom, unit, power } => {
                (unit * chi_squared_quantile(level, *freedom)).powf(1.0 / f64::from(*power))
            }
            Self::Kolmogorov { size } => (-0.5 * (level / 2.0).ln()).sqrt() / stephens(*size),
            // More than the draws can tell: above all of them.
            Self::Drawn(draws) => drawn(draws).or(draws.last().copied()).unwrap_or(f64::INFINITY),
            Self::Permuted { draws, mean, deviation } => {
                drawn(draws).unwrap_or_else(|| mean + deviation * normal_quantile(1.0 - level))
            }
        }
    }

    /// How it was come by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChiSquared { .. } => "chi_squared",
            Self::Kolmogorov { .. } => "kolmogorov",
            Self::Drawn(_) => "monte_carlo",
            Self::Permuted { .. } => "permutation",
        }
    }
}

/// Stephens 1970: √s + 0.12 + 0.11/√s times D is nearly Kolmogorov's.
fn stephens(size: f64) -> f64 {
    size.sqrt() + 0.12 + 0.11 / size.sqrt()
}

/// What is large: the least that matters, and where slight, significant and severe begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The effect floor.
    pub floor: f64,
    /// Slight from the first, significant above the second, severe above the third.
    pub bands: [f64; 3],
}

/// A number that says how far two distributions are apart.
pub trait DriftStatistic: Named + Sync {
    /// The kinds of columns that it can look at.
    fn kinds(&self) -> &'static [Kind];
    /// What is large.
    fn scale(&self) -> Scale;
    /// The value; none where a side is empty or all lies in one bin.
    fn value(&self, sides: &Sides<'_>) -> Option<f64>;
    /// What the values would be if nothing had changed.
    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null;
    /// The size of the effect, on the scale of `scale`: the value itself, unless it grows with the number of rows.
    fn effect(&self, _sides: &Sides<'_>, value: f64) -> f64 {
        value
    }
    /// The value that has this effect.
    fn value_of_effect(&self, _sides: &Sides<'_>, effect: f64) -> f64 {
        effect
    }
    /// True when it reads the values themselves and not only their bins.
    fn reads_values(&self) -> bool {
        false
    }
}

/// Kinds that fall into bins.
pub const BINNED: &[Kind] = &[Kind::Numeric, Kind::Categorical];

/// The bins of both sides, unless there is nothing to compare.
#[must_use]
pub fn comparable<'a>(sides: &'a Sides<'_>) -> Option<&'a Counts> {
    let (n, m) = sides.counts.sizes();
    (n > 0.0 && m > 0.0 && sides.counts.reference.len() > 1).then_some(&sides.counts)
}

/// The null of a distance between counts: χ² in this unit, or drawn where bins are thin.
#[must_use]
pub fn null_of_counts(
    counts: &Counts,
    value: f64,
    (unit, power): (f64, i32),
    draws: Draws,
    distance: impl Fn(&Counts) -> f64 + Sync,
) -> Null {
    if counts.thin() {
        return drawn(counts, value, draws, distance);
    }
    Null::ChiSquared { freedom: counts.reference.len() - 1, unit, power }
}

/// The null by drawing both sides anew from what the two have in common. It stops as soon as the answer cannot change
/// (Besag and Clifford 1991): 20 draws as large as the value.
#[must_use]
pub fn drawn(counts: &Counts, value: f64, draws: Draws, distance: impl Fn(&Counts) -> f64 + Sync) -> Null {
    let pooled: Vec<u32> = pooled(counts);
    let (n, m) = counts.sizes();
    let one = |index: usize| {
        let mut generator = generator(*b"driftmc1", draws.seed, index as u64);
        let mut side = |size: f64| {
            let mut drawn = vec![0_u32; pooled.len()];
            multinomial(&mut generator, size as u32, &pooled, &mut drawn);
            drawn.into_iter().map(u64::from).collect::<Vec<u64>>()
        };
        distance(&Counts { reference: side(n), current: side(m) })
    };
    let mut values: Vec<f64> = Vec::new();
    let mut above = 0;
    while values.len() < draws.most.max(FEWEST) && (values.len() < FEWEST || above < ENOUGH) {
        let next = values.len();
        let more: Vec<f64> =
            (next..next + FEWEST.min(draws.most.max(FEWEST) - next)).into_par_iter().map(one).collect();
        above += more.iter().filter(|draw| **draw >= value).count();
        values.extend(more);
    }
    values.sort_unstable_by(f64::total_cmp);
    Null::Drawn(values)
}

/// Both sides together, scaled into 32 bits.
fn pooled(counts: &Counts) -> Vec<u32> {
    let sums: Vec<u64> = counts.reference.iter().zip(&counts.current).map(|(left, right)| left + right).collect();
    let all: u64 = sums.iter().sum();
    let scale = all.div_ceil(1 << 30).max(1);
    sums.into_iter().map(|sum| sum.div_ceil(scale) as u32).collect()
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// The counts that the golden values of SciPy 1.17.1 are made of.
    pub fn golden() -> Sides<'static> {
        let counts = Counts { reference: vec![10, 20, 30, 25, 15], current: vec![5, 25, 20, 40, 10] };
        Sides { counts, ..Sides::default() }
    }

    /// The same shares of a thousand times as many rows, where smoothing is nothing: what Evidently 0.7.23 says of both.
    pub fn many() -> Sides<'static> {
        let counts = golden().counts;
        let times = |counts: Vec<u64>| counts.into_iter().map(|count| count * 1000).collect();
        let counts = Counts { reference: times(counts.reference), current: times(counts.current) };
        Sides { counts, ..Sides::default() }
    }

    pub const DRAWS: Draws = Draws { most: 999, seed: 1 };

    #[track_caller]
    pub fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance * want.abs(), "{got}, not {want}");
    }
}

#[cfg(test)]
mod tests {
    use super::samples::close;
    use super::*;

    #[test]
    fn smoothing_is_jeffreys() {
        let counts = Counts { reference: vec![3, 0], current: vec![0, 0, 1] };
        assert_eq!(counts.shares(), (vec![3.5 / 4.0, 0.5 / 4.0], vec![0.2, 0.2, 0.6]));
    }

    #[test]
    fn drawn_and_chi_squared_nulls_agree_where_bins_are_full() {
        let counts = Counts { reference: vec![2000; 10], current: vec![100; 10] };
        let kl = |counts: &Counts| {
            let (q, p) = counts.shares();
            p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum::<f64>()
        };
        let smooth = null_of_counts(&counts, 0.0, (counts.noise(), 1), Draws { most: 3996, seed: 7 }, kl);
        let random = drawn(&counts, f64::INFINITY, Draws { most: 3996, seed: 7 }, kl);
        assert_eq!((smooth.name(), random.name()), ("chi_squared", "monte_carlo"));
        for level in [0.1, 0.05, 0.01] {
            close(random.tau(level), smooth.tau(level), 0.08);
        }
        close(random.p(smooth.tau(0.05)), 0.05, 0.2);
        assert!(counts.reference.len() == 10 && !counts.thin());
        assert!(Counts { reference: vec![2000; 10], current: vec![9; 10] }.thin());
        assert!(Counts { reference: vec![2000, 1], current: vec![100, 0] }.thin());
    }

    #[test]
    fn a_drawn_null_is_the_same_for_a_seed_and_stops_when_all_is_said() {
        let counts = Counts { reference: vec![30, 30], current: vec![5, 4] };
        let difference = |counts: &Counts| counts.current[0].abs_diff(counts.current[1]) as f64;
        let all = |value| match drawn(&counts, value, Draws { most: 5000, seed: 3 }, difference) {
            Null::Drawn(values) => values,
            _ => Vec::new(),
        };
        assert_eq!(all(1.0).len(), FEWEST);
        assert_eq!(all(100.0).len(), 5000);
        assert_eq!(all(100.0), all(100.0));
    }

    #[test]
    fn tau_and_p_are_two_sides_of_one_thing() {
        let nulls = [
            Null::ChiSquared { freedom: 9, unit: 0.001, power: 1 },
            Null::ChiSquared { freedom: 9, unit: 0.001, power: 2 },
            Null::Kolmogorov { size: 500.0 },
        ];
        for null in nulls {
            for level in [0.05, 0.01, 0.0005] {
                close(null.p(null.tau(level)), level, 1e-3);
            }
        }
    }
}
