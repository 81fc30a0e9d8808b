//! Domain classifier: how well a logistic regression tells rows of the reference from current rows, as AUC.
//!
//! 0.5 where it cannot; 1 where it always can. Columns are standardised over both samples; rows take turns in five folds,
//! and each row is scored by the fit on the other four. The fit is scikit-learn's `LogisticRegression(C=1)` after its
//! first Newton step from zero, `w = (¼XᵀX + I)⁻¹ Xᵀ(y − ȳ)`: near equal samples the step is nearly all of the way, and
//! because it is linear in y one factorisation a fold serves all 199 permutations of the labels, which are therefore
//! refitted and not only re-counted. p counts the permutations; where none reaches the value, the normal tail of their
//! mean and deviation goes on. Samples are bounded (some hundred rows a side), so p is of the samples.
//! Checked against scikit-learn 1.9.1.

use ndarray::{Array1, Array2, Axis};

use super::statistic::{Draws, DriftStatistic, FEW, Kind, Null, Scale, Sides};
use crate::catalog::Named;
use crate::stats::generator::generator;
use crate::stats::ranks::{area, descending};

/// The AUC of a classifier between the two samples.
pub struct DomainClassifier;

/// Folds.
const FOLDS: usize = 5;
/// Permutations of the labels.
const PERMUTATIONS: usize = 199;
/// Vectors wider than this are not looked at: the normal equations would take seconds.
pub const WIDEST: usize = 1024;

/// Both samples below each other, each column with mean 0 and deviation 1 (0 where it is constant).
fn standardised(reference: &Array2<f32>, current: &Array2<f32>) -> Array2<f64> {
    let mut rows = Array2::zeros((reference.nrows() + current.nrows(), reference.ncols()));
    for (to, from) in rows.outer_iter_mut().zip(reference.outer_iter().chain(current.outer_iter())) {
        to.into_iter().zip(from).for_each(|(to, from)| *to = f64::from(*from));
    }
    for mut column in rows.axis_iter_mut(Axis(1)) {
        let mean = column.mean().unwrap_or(0.0);
        column.mapv_inplace(|value| value - mean);
        let deviation = (column.dot(&column) / column.len() as f64).sqrt();
        let scale = if deviation > 1e-12 { 1.0 / deviation } else { 0.0 };
        column.mapv_inplace(|value| value * scale);
    }
    rows
}

/// Solves A·X = B in place of B for a symmetric positive definite A, which is overwritten (Cholesky).
fn solve(a: &mut Array2<f64>, b: &mut Array2<f64>) {
    let size = a.nrows();
    for j in 0..size {
        let (above, mut below) = a.view_mut().split_at(Axis(0), j + 1);
        let row = above.row(j);
        let pivot = (row[j] - row.slice(ndarray::s![..j]).dot(&row.slice(ndarray::s![..j]))).max(1e-300).sqrt();
        for mut other in below.outer_iter_mut() {
            let sum = other.slice(ndarray::s![..j]).dot(&row.slice(ndarray::s![..j]));
            other[j] = (other[j] - sum) / pivot;
        }
        a[[j, j]] = pivot;
    }
    for i in 0..size {
        let (done, mut rest) = b.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        for (k, known) in done.outer_iter().enumerate() {
            row.scaled_add(-a[[i, k]], &known);
        }
        row /= a[[i, i]];
    }
    for i in (0..size).rev() {
        let (mut head, tail) = b.view_mut().split_at(Axis(0), i + 1);
        let mut row = head.row_mut(i);
        for (k, known) in tail.outer_iter().enumerate() {
            row.scaled_add(-a[[i + 1 + k, i]], &known);
        }
        row /= a[[i, i]];
    }
}

/// The AUC under each column of labels (`rows × labellings`, 0 or 1).
fn areas(rows: &Array2<f64>, labels: &Array2<f64>) -> Vec<f64> {
    let mut scores = Array2::<f64>::zeros(labels.raw_dim());
    for fold in 0..FOLDS {
        let (outside, inside): (Vec<usize>, Vec<usize>) = (0..rows.nrows()).partition(|row| row % FOLDS != fold);
        let train = rows.select(Axis(0), &outside);
        let mut targets = labels.select(Axis(0), &outside);
        let means: Array1<f64> = targets.mean_axis(Axis(0)).expect("a fold has rows");
        targets -= &means;
        let mut normal = train.t().dot(&train) * 0.25;
        normal.diag_mut().mapv_inplace(|value| value + 1.0);
        let mut weights = train.t().dot(&targets);
        solve(&mut normal, &mut weights);
        let predicted = rows.select(Axis(0), &inside).dot(&weights);
        for (row, values) in inside.into_iter().zip(predicted.outer_iter()) {
            scores.row_mut(row).assign(&values);
        }
    }
    let of = |(scores, labels): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
        // Sums in another order may differ in the last digits: equal rows are made equal again.
        let rounded: Vec<f64> = scores.iter().map(|score| (score * 1e9).round()).collect();
        let order = descending(rounded.iter().copied());
        let groups = order.chunk_by(|left, right| rounded[*left as usize] == rounded[*right as usize]);
        let kinds = groups.map(|group| {
            let positive = group.iter().filter(|row| labels[**row as usize] > 0.5).count() as u64;
            (positive, group.len() as u64 - positive)
        });
        area(kinds).unwrap_or(0.5)
    };
    scores.axis_iter(Axis(1)).zip(labels.axis_iter(Axis(1))).map(of).collect()
}

/// Labels of both samples, and permutations of them, as columns.
fn labellings(n: usize, m: usize, permutations: usize, seed: u64) -> Array2<f64> {
    use rand::seq::SliceRandom as _;
    let mut labels = Array2::zeros((n + m, permutations + 1));
    let mut one: Vec<f64> = (0..n + m).map(|row| f64::from(u8::from(row >= n))).collect();
    for (index, mut column) in labels.axis_iter_mut(Axis(1)).enumerate() {
        if index > 0 {
            one.shuffle(&mut generator(*b"driftdom", seed, index as u64));
        }
        column.assign(&ndarray::ArrayView1::from(&one));
    }
    labels
}

fn fits(sides: &Sides<'_>) -> Option<Array2<f64>> {
    let (reference, current) = sides.vectors?;
    let enough = reference.nrows().min(current.nrows()) as u64 >= FEW;
    let same = reference.ncols() == current.ncols() && (1..=WIDEST).contains(&reference.ncols());
    (enough && same).then(|| standardised(reference, current))
}

impl Named for DomainClassifier {
    fn name(&self) -> &'static str {
        "domain_classifier"
    }

    fn about(&self) -> &'static str {
        "AUC of a logistic regression that tells reference from current vectors, 0.5 to 1"
    }
}

impl DriftStatistic for DomainClassifier {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Vector]
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.54, bands: [0.708, 0.760, 0.841] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        let rows = fits(sides)?;
        let (n, m) = sides.vectors.map(|(reference, current)| (reference.nrows(), current.nrows()))?;
        areas(&rows, &labellings(n, m, 0, 0)).first().copied()
    }

    fn null(&self, sides: &Sides<'_>, _value: f64, draws: Draws) -> Null {
        let (Some(rows), Some((reference, current))) = (fits(sides), sides.vectors) else {
            return Null::Drawn(Vec::new());
        };
        let labels = labellings(reference.nrows(), current.nrows(), PERMUTATIONS, draws.seed);
        let mut values = areas(&rows, &labels).split_off(1);
        values.sort_unstable_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
        Null::Permuted { draws: values, mean, deviation: variance.sqrt() }
    }

    fn reads_values(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::DRAWS;
    use super::*;

    fn side(n: usize, phase: f64, moved: f32) -> Array2<f32> {
        Array2::from_shape_fn((n, 6), |(i, j)| {
            let noise = (i as f64 * 12.9898 + j as f64 * 78.233 + phase).sin() * 43_758.545_3;
            (noise - noise.floor()) as f32 + if j == 0 { moved } else { 0.0 }
        })
    }

    fn sides<'a>(left: &'a Array2<f32>, right: &'a Array2<f32>) -> Sides<'a> {
        Sides { vectors: Some((left, right)), ..Sides::default() }
    }

    #[test]
    fn as_scikit_learn_has_it() {
        let (left, right) = (side(120, 0.0, 0.0), side(120, 0.5, 0.15));
        let value = DomainClassifier.value(&sides(&left, &right)).unwrap();
        // LogisticRegression(C=1) on StandardScaler's columns, scored out of fold with folds i % 5; and the Newton step.
        assert!((value - 0.661_111).abs() < 0.01, "{value}");
        assert!((value - 0.663_056).abs() < 1e-3, "{value}");
    }

    #[test]
    fn the_null_is_about_one_half_and_a_move_is_seen() {
        let (left, right, moved) = (side(120, 0.0, 0.0), side(120, 2.0, 0.0), side(120, 2.0, 0.4));
        let p = |right: &Array2<f32>| {
            let sides = sides(&left, right);
            let value = DomainClassifier.value(&sides).unwrap();
            let null = DomainClassifier.null(&sides, value, DRAWS);
            if let Null::Permuted { draws, mean, .. } = &null {
                assert!(draws.len() == PERMUTATIONS && (mean - 0.5).abs() < 0.03, "{mean}");
            }
            null.p(value)
        };
        assert!(p(&right) > 0.05);
        assert!(p(&moved) < 1e-4);
        assert_eq!(DomainClassifier.value(&sides(&left, &side(10, 0.0, 0.0))), None);
    }

    #[test]
    fn the_solver_solves() {
        let mut a = ndarray::array![[4.0, 2.0, 0.4], [2.0, 5.0, 1.0], [0.4, 1.0, 3.0]];
        let (whole, wanted) = (a.clone(), ndarray::array![[1.0, -2.0], [0.5, 3.0], [2.0, 0.1]]);
        let mut b = whole.dot(&wanted);
        solve(&mut a, &mut b);
        assert!((b - wanted).iter().all(|difference| difference.abs() < 1e-12));
    }
}
