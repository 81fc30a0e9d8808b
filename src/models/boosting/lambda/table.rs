//! LightGBM's own arithmetic: p from a table, sums in f32 in the order of its loops.
//!
//! Its loop over pairs branches on the labels, which no processor can foresee; here the sign of the difference of gains
//! makes one formula of all cases, with the same roundings. Pairs of equal labels add a zero.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, NullaryFnOnce};

use super::pairs::{Added, Pairs};
use super::rules::Rules;

const PLACES: usize = 1 << 20;

/// p at 2^20 places between −25/σ and 25/σ.
#[derive(Debug)]
pub struct Table {
    places: Box<[f64; PLACES]>,
    lowest: f64,
    factor: f64,
}

impl Table {
    /// The table for σ.
    #[must_use]
    pub fn new(sigma: f64) -> Self {
        let lowest = -50.0 / sigma / 2.0;
        let factor = PLACES as f64 / (-lowest - lowest);
        let place = |place: usize| 1.0 / (1.0 + ((place as f64 / factor + lowest) * sigma).exp());
        let places: Box<[f64]> = (0..PLACES).map(place).collect();
        Self { places: places.try_into().expect("2^20 places"), lowest, factor }
    }

    /// Writes the gradients of a sorted query.
    pub fn sums(
        &self,
        arch: Arch,
        rules: &Rules,
        (discounts, inverse): (&[f64], f64),
        pairs: &mut Pairs,
        gradients: &mut [[f32; 2]],
    ) {
        let mut added = std::mem::take(&mut pairs.added);
        let (order, scores, gains) = pairs.sorted();
        let n = order.len();
        added.lambdas.resize(n, 0.0);
        added.seconds.resize(n, 0.0);
        added.sums.clear();
        added.sums.resize(n, [0.0; 2]);
        let norm = rules.norm && scores[0] != scores[n - 1];
        let discounts = &discounts[..n];
        let query = Query { table: self, rules, norm, inverse, scores, gains, discounts };
        let sum = arch.dispatch(AllPairs { query, added: &mut added });
        let factor = if rules.norm && sum > 0.0 { (1.0 + sum).log2() / sum } else { 1.0 };
        for (row, sums) in order.iter().zip(&added.sums) {
            gradients[*row as usize] = sums.map(|value| (f64::from(value) * factor) as f32);
        }
        pairs.added = added;
    }
}

/// A sorted query.
struct Query<'a> {
    table: &'a Table,
    rules: &'a Rules,
    norm: bool,
    inverse: f64,
    scores: &'a [f64],
    gains: &'a [f64],
    discounts: &'a [f64],
}

struct AllPairs<'a> {
    query: Query<'a>,
    added: &'a mut Added,
}

impl NullaryFnOnce for AllPairs<'_> {
    type Output = f64;

    /// Adds up all pairs; gives S.
    #[inline(always)]
    fn call(self) -> f64 {
        let Self { query, added: Added { lambdas, seconds, sums } } = self;
        let (n, gains) = (query.scores.len(), query.gains);
        let mut sum = 0.0;
        for i in 0..(n - 1).min(query.rules.truncation) {
            let (lambdas, seconds) = (&mut lambdas[i + 1..n], &mut seconds[i + 1..n]);
            behind(&query, i, lambdas, seconds);
            let (first, sums) = sums[i..].split_first_mut().expect("i is a document");
            let [mut lambda_i, mut second_i] = *first;
            for (((lambda, second), sums), gain) in lambdas.iter().zip(seconds).zip(sums).zip(&gains[i + 1..]) {
                let (signed, value) = (*lambda as f32, *second as f32);
                // λ is not positive; the document of the higher gain gets it as it is.
                let signed = if *gain > gains[i] { -signed } else { signed };
                lambda_i += signed;
                sums[0] -= signed;
                second_i += value;
                sums[1] += value;
                sum -= 2.0 * lambda;
            }
            *first = [lambda_i, second_i];
        }
        sum
    }
}

/// λ and second derivative of document i with each one behind it.
#[inline(always)]
fn behind(query: &Query<'_>, i: usize, lambdas: &mut [f64], seconds: &mut [f64]) {
    let (score, gain, discount) = (query.scores[i], query.gains[i], query.discounts[i]);
    let (inverse, sigma, norm) = (query.inverse, query.rules.sigma, query.norm);
    let (lowest, factor, places) = (query.table.lowest, query.table.factor, &*query.table.places);
    let inputs = query.scores[i + 1..].iter().zip(&query.gains[i + 1..]).zip(&query.discounts[i + 1..]);
    for (((score_j, gain_j), discount_j), (lambda, second)) in inputs.zip(lambdas.iter_mut().zip(seconds)) {
        let (gap, distance) = (gain - gain_j, score - score_j);
        let difference = if gap < 0.0 { -distance } else { distance };
        let delta = gap.abs() * (discount - discount_j) * inverse;
        let delta = if norm { delta / (f64::from(0.01_f32) + distance) } else { delta };
        // Outside of the table the first or the last place stands.
        let place = ((difference - lowest) * factor).clamp(0.0, (PLACES - 1) as f64) as u32 as usize;
        let p = places[place & (PLACES - 1)];
        *lambda = p * (-sigma * delta);
        *second = p * (1.0 - p) * (sigma * sigma * delta);
    }
}
