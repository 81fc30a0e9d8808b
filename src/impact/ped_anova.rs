//! PED-ANOVA: how much a parameter has to do with being among the best runs (Watanabe, Bansal and Hutter, IJCAI 2023).
//!
//! The best runs are those up to the loss of the ⌈q·n⌉-th (ties too). A parameter's values are laid on a grid (at most
//! 50 places; numbers that span decades on their logarithm) and smoothed with Scott's bandwidth plus one prior kernel,
//! once for the best runs (density t) and once for all (density a). Its importance is γ²·Σ a·(t/a − 1)², with γ the part
//! of the runs that are best: 0 when the best runs took the values that all runs took. A parameter that only some runs
//! have counts by the regime in which it is there: times α²/β, its part among the best over its part among all
//! (conditional PED-ANOVA, KDD 2026). Importances are relative to their sum. The ends of a parameter's domain are the
//! smallest and the largest value seen: no search space is declared. Checked against Optuna 5.0.0
//! (`PedAnovaImportanceEvaluator`) on the same trials.

use crate::stats::distributions::normal_cdf;

/// Where the values of a parameter lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// Numbers from `low` to `high`.
    Number {
        /// The smallest value.
        low: f64,
        /// The largest.
        high: f64,
        /// Whether they are laid out by their logarithm (all above 0).
        log: bool,
        /// Whether all are whole.
        whole: bool,
    },
    /// Choices 0, 1, … without an order.
    Choice {
        /// How many.
        count: usize,
    },
}

/// One parameter over the runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Where the values lie.
    pub domain: Domain,
    /// The number, or the index of the choice; none where the run does not have the parameter.
    pub values: Vec<Option<f64>>,
}

/// Places on the grid at most.
const STEPS: usize = 50;
/// A regime of fewer runs says nothing.
const LEAST: u64 = 2;
/// The weight of the prior kernel, in runs.
const PRIOR: f64 = 1.0;

/// The importance of each parameter, not yet relative to their sum. `losses` are lower for better runs; `counts` says
/// how often each run counts (a bootstrap replicate). All 0 when at most one run counts.
///
/// # Panics
/// When lengths differ: the caller has gathered them.
#[must_use]
pub fn importances(columns: &[Column], losses: &[f64], counts: &[u32], quantile: f64) -> Vec<f64> {
    assert_eq!(losses.len(), counts.len(), "one count for each run");
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total < 2 {
        return vec![0.0; columns.len()];
    }
    let best = best(losses, counts, quantile);
    let among = |run: usize| if best[run] { u64::from(counts[run]) } else { 0 };
    let n_best: u64 = (0..losses.len()).map(among).sum();
    let one = |column: &Column| {
        assert_eq!(column.values.len(), losses.len(), "one value for each run");
        let places = places(column);
        let size = size(&column.domain);
        let (mut all, mut top) = (vec![0_u64; size], vec![0_u64; size]);
        for (run, place) in places.iter().enumerate() {
            if let Some(place) = place {
                all[*place] += u64::from(counts[run]);
                top[*place] += among(run);
            }
        }
        let (active, active_best): (u64, u64) = (all.iter().sum(), top.iter().sum());
        if size < 2 || active < LEAST || active_best == 0 {
            return 0.0;
        }
        let part_best = active_best as f64 / n_best as f64;
        let part_all = active as f64 / total as f64;
        part_best * part_best / part_all * divergence(&column.domain, &top, &all)
    };
    let part = n_best as f64 / total as f64;
    columns.iter().map(|column| one(column) * part * part).collect()
}

/// The runs up to the loss of the ⌈q·n⌉-th.
fn best(losses: &[f64], counts: &[u32], quantile: f64) -> Vec<bool> {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let wanted = ((quantile * total as f64).ceil() as u64).clamp(1, total);
    let mut sorted: Vec<(f64, u32)> =
        losses.iter().copied().zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
    sorted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let mut taken = 0;
    let cutoff = sorted.iter().find(|(_, count)| {
        taken += u64::from(*count);
        taken >= wanted
    });
    let cutoff = cutoff.map_or(f64::NEG_INFINITY, |(loss, _)| *loss);
    losses.iter().map(|loss| *loss <= cutoff).collect()
}

/// Places on the grid of a domain; 1 for a domain of one value.
fn size(domain: &Domain) -> usize {
    match *domain {
        Domain::Choice { count } => count,
        Domain::Number { low, high, .. } if low >= high => 1,
        Domain::Number { low, high, log: true, whole: true } => {
            STEPS.min(((high - low + 1.0).ln() / 2.0_f64.ln()).ceil() as usize + 1)
        }
        Domain::Number { low, high, log: false, whole: true } if high - low < STEPS as f64 => (high - low) as usize + 1,
        Domain::Number { .. } => STEPS,
    }
}

/// The place of each value; a value midway between two goes to the lower one.
fn places(column: &Column) -> Vec<Option<usize>> {
    let last = size(&column.domain).saturating_sub(1);
    let place = |value: f64| match column.domain {
        Domain::Choice { .. } => value as usize,
        Domain::Number { .. } if last == 0 => 0,
        Domain::Number { low, high, log, .. } => {
            let scaled = |number: f64| if log { number.ln() } else { number };
            let step = (scaled(high) - scaled(low)) / last as f64;
            ((scaled(value) - scaled(low)) / step - 0.5).ceil().clamp(0.0, last as f64) as usize
        }
    };
    column.values.iter().map(|value| value.map(place)).collect()
}

/// Pearson's divergence of the density of the best from that of all.
fn divergence(domain: &Domain, top: &[u64], all: &[u64]) -> f64 {
    let density = |counts: &[u64]| match domain {
        Domain::Choice { .. } => of_choices(counts),
        Domain::Number { .. } => of_numbers(counts),
    };
    let pairs = density(top).into_iter().zip(density(all)).map(|(top, all)| (top + 1e-12, all + 1e-12));
    pairs.map(|(top, all)| all * (top / all - 1.0).powi(2)).sum()
}

/// The observed places with their counts, and the sum of the counts.
fn observed(counts: &[u64]) -> (Vec<(usize, u64)>, u64) {
    let seen: Vec<(usize, u64)> = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
    let sum = seen.iter().map(|(_, count)| count).sum();
    (seen, sum)
}

fn of_choices(counts: &[u64]) -> Vec<f64> {
    let (seen, sum) = observed(counts);
    let choices = counts.len() as f64;
    let floor = PRIOR / (seen.len() as f64 + 1.0);
    let row = 1.0 + choices * floor;
    let all = sum as f64 + PRIOR;
    let kernels: f64 = seen.iter().map(|(_, count)| *count as f64 * floor / row).sum();
    counts.iter().map(|count| (kernels + *count as f64 / row + PRIOR / choices) / all).collect()
}

fn of_numbers(counts: &[u64]) -> Vec<f64> {
    let (seen, sum) = observed(counts);
    let last = counts.len() as f64 - 1.0;
    let weighted = |value: &dyn Fn(f64) -> f64| {
        seen.iter().map(|(place, count)| value(*place as f64) * *count as f64).sum::<f64>()
    };
    let mean = weighted(&|place| place) / sum as f64;
    let spread = (weighted(&|place| (place - mean).powi(2)) / (sum.max(2) - 1) as f64).sqrt();
    // Quartiles as the reference takes them: by running counts, from whole quarters of the sum.
    let running: Vec<u64> = seen
        .iter()
        .scan(0, |below, (_, count)| {
            *below += count;
            Some(*below)
        })
        .collect();
    let first = running.partition_point(|count| *count < sum / 4);
    let third = running.partition_point(|count| *count <= sum * 3 / 4).min(seen.len() - 1);
    let middle_half = seen[third].0 as f64 - seen[first].0 as f64;
    let scott = 1.059 * spread.min(middle_half / 1.34) * (sum as f64).powf(-0.2);
    let sigma = scott.max(0.5 / 1.64);
    let kernel = |centre: f64, sigma: f64, place: f64| {
        let mass = |from: f64, to: f64| {
            let (from, to) = ((from - centre) / sigma, (to - centre) / sigma);
            // In the upper tail the lower one is read instead, where small numbers keep their digits.
            if from > 0.0 { normal_cdf(-from) - normal_cdf(-to) } else { normal_cdf(to) - normal_cdf(from) }
        };
        mass(place - 0.5, place + 0.5) / mass(-0.5, last + 0.5)
    };
    let density = |place: usize| {
        let place = place as f64;
        let kernels = seen.iter().map(|(centre, count)| *count as f64 * kernel(*centre as f64, sigma, place));
        (kernels.sum::<f64>() + PRIOR * kernel(last / 2.0, last + 1.0, place)) / (sum as f64 + PRIOR)
    };
    (0..counts.len()).map(density).collect()
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "the numbers as Python prints them")]
mod tests {
    use super::*;

    /// C, depth, kind, rate (not with kind a), trees, the metric.
    #[rustfmt::skip]
    const RUNS: [(f64, f64, f64, Option<f64>, f64, f64); 40] = [
    (0.001, 1.0, 0.0, None, 1.0, -11.29),
    (0.296576, 5.0, 2.0, Some(0.118034), 10.0, -1.003393),
    (0.00879573, 10.0, 1.0, Some(0.236068), 100.0, -5.885523),
    (2.6086, 3.0, 0.0, None, 1000.0, -0.213551),
    (0.0773649, 8.0, 2.0, Some(0.472136), 3.0, -2.964344),
    (0.00229446, 1.0, 1.0, Some(0.09017), 30.0, -8.729769),
    (0.680481, 6.0, 1.0, Some(0.208204), 300.0, -0.126465),
    (0.0201814, 11.0, 0.0, None, 1.0, -4.580219),
    (5.98533, 4.0, 2.0, Some(0.444272), 10.0, -0.971885),
    (0.17751, 9.0, 1.0, Some(0.062306), 300.0, -1.166439),
    (0.00526453, 2.0, 0.0, None, 1.0, -6.949386),
    (1.56133, 7.0, 0.0, None, 10.0, -0.211343),
    (0.0463054, 12.0, 2.0, Some(0.416408), 100.0, -3.987568),
    (0.00137331, 5.0, 1.0, Some(0.034442), 1000.0, -9.63415),
    (0.40729, 10.0, 0.0, None, 3.0, -0.976233),
    (0.0120793, 3.0, 2.0, Some(0.27051), 30.0, -5.589849),
    (3.58242, 8.0, 2.0, Some(0.388544), 300.0, -0.95315),
    (0.106246, 1.0, 1.0, Some(0.006578), 3.0, -1.628858),
    (0.003151, 6.0, 0.0, None, 30.0, -7.948691),
    (0.93451, 11.0, 2.0, Some(0.242646), 300.0, -1.151161),
    (0.0277153, 4.0, 1.0, Some(0.36068), 1.0, -3.510171),
    (8.2197, 9.0, 1.0, Some(0.478714), 10.0, -0.856762),
    (0.243777, 2.0, 0.0, None, 100.0, -1.133582),
    (0.00722983, 7.0, 2.0, Some(0.214782), 1000.0, -6.572638),
    (2.14419, 12.0, 1.0, Some(0.332816), 3.0, -0.633793),
    (0.0635916, 5.0, 0.0, None, 30.0, -2.239812),
    (0.00188598, 10.0, 0.0, None, 1000.0, -9.647376),
    (0.559335, 3.0, 2.0, Some(0.186918), 3.0, -0.891984),
    (0.0165885, 8.0, 1.0, Some(0.304952), 30.0, -4.532154),
    (4.91976, 1.0, 0.0, None, 300.0, -0.55362),
    (0.145908, 6.0, 2.0, Some(0.04102), 1.0, -1.631336),
    (0.00432729, 11.0, 2.0, Some(0.159054), 10.0, -8.054799),
    (1.28337, 4.0, 1.0, Some(0.277088), 100.0, -0.013817),
    (0.0380617, 9.0, 0.0, None, 1000.0, -3.356721),
    (0.00112882, 1.0, 2.0, Some(0.013156), 10.0, -11.158602),
    (0.33478, 6.0, 1.0, Some(0.13119), 100.0, -0.432188),
    (0.00992878, 11.0, 1.0, Some(0.249224), 1000.0, -5.753513),
    (2.94464, 4.0, 0.0, None, 3.0, -0.128572),
    (0.0873309, 9.0, 2.0, Some(0.485292), 30.0, -2.931717),
    (0.00259003, 2.0, 1.0, Some(0.103326), 300.0, -8.336335),
    ];

    fn columns() -> Vec<Column> {
        let column = |domain, value: &dyn Fn(usize) -> Option<f64>| Column {
            domain,
            values: (0..RUNS.len()).map(value).collect(),
        };
        let number = |low, high, log, whole| Domain::Number { low, high, log, whole };
        vec![
            column(number(0.001, 8.2197, true, false), &|run| Some(RUNS[run].0)),
            column(number(1.0, 12.0, false, true), &|run| Some(RUNS[run].1)),
            column(Domain::Choice { count: 3 }, &|run| Some(RUNS[run].2)),
            column(number(0.006578, 0.485292, false, false), &|run| RUNS[run].3),
            column(number(1.0, 1000.0, true, true), &|run| Some(RUNS[run].4)),
        ]
    }

    /// Optuna 5.0.0: `create_trial` with these domains, `PedAnovaImportanceEvaluator(target_quantile=q).evaluate(study)`.
    #[test]
    fn agrees_with_optuna() {
        #[rustfmt::skip]
        let goldens = [
        (true, 0.1, [0.01599495233666242, 0.004846351798055499, 0.00075463616218254, 0.0021646692437596706, 0.00023610296953190902]),
        (true, 0.25, [0.08233250985067649, 0.0037929268211075646, 0.003966721534917279, 0.0024157490935072367, 0.0004754847151153808]),
        (false, 0.1, [0.07060238625830749, 0.0005129607505504296, 0.000298384483097006, 0.014610338261689938, 7.851497362804825e-05]),
        (false, 0.25, [0.15139173396456151, 0.005180275726309379, 0.00045302201704685424, 0.019781695332514126, 0.00032047909041312277]),
        ];
        for (maximize, quantile, wanted) in goldens {
            let losses: Vec<f64> = RUNS.iter().map(|run| if maximize { -run.5 } else { run.5 }).collect();
            let got = importances(&columns(), &losses, &[1; 40], quantile);
            for (got, want) in got.iter().zip(wanted) {
                assert!((got - want).abs() < 1e-9 * want, "{maximize} {quantile}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn counts_are_repetition_and_too_few_runs_are_nothing() {
        let losses: Vec<f64> = RUNS.iter().map(|run| run.5).collect();
        let counts: Vec<u32> = (0..40).map(|run| run * 7 % 4).collect();
        let runs: Vec<usize> = (0..40).flat_map(|run| std::iter::repeat_n(run, counts[run] as usize)).collect();
        let repeated: Vec<Column> = columns()
            .into_iter()
            .map(|column| Column { values: runs.iter().map(|run| column.values[*run]).collect(), ..column })
            .collect();
        let again: Vec<f64> = runs.iter().map(|run| losses[*run]).collect();
        let (left, right) =
            (importances(&columns(), &losses, &counts, 0.1), importances(&repeated, &again, &vec![1; runs.len()], 0.1));
        assert!(left.iter().zip(&right).all(|(left, right)| (left - right).abs() < 1e-12), "{left:?} {right:?}");
        let mut one = vec![0; 40];
        one[3] = 1;
        assert_eq!(importances(&columns(), &losses, &one, 0.1), [0.0; 5]);
    }

    #[test]
    fn what_does_not_vary_has_no_importance() {
        let same = Column {
            domain: Domain::Number { low: 2.0, high: 2.0, log: false, whole: true },
            values: vec![Some(2.0); 12],
        };
        let one = Column { domain: Domain::Choice { count: 1 }, values: [Some(0.0), None].repeat(6) };
        let losses: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(importances(&[same, one], &losses, &[1; 12], 0.1), [0.0, 0.0]);
        // All runs are as good as the best: both densities are one.
        let column = Column { domain: Domain::Choice { count: 2 }, values: [Some(0.0), Some(1.0)].repeat(6) };
        assert_eq!(importances(&[column], &[1.0; 12], &[1; 12], 0.1), [0.0]);
    }
}
