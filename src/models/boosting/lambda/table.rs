//! LightGBM's own arithmetic: p from a table, sums in f32 in the order of its loops.
//!
//! Its loop over pairs branches on the labels, which no processor can foresee; here the sign of the difference of gains
//! makes one formula of all cases, with the same roundings. Pairs of equal labels add a zero.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, NullaryFnOnce};

use super::Rules;
use super::pairs::Pairs;

const PLACES: usize = 1 << 20;

/// p at 2^20 places between −25/σ and 25/σ.
#[derive(Debug)]
pub struct Table {
    places: Box<[f64; PLACES]>,
    lowest: f64,
    factor: f64,
}

/// Room for what one document and those behind it add.
#[derive(Debug, Default)]
pub struct Added {
    lambdas: Vec<f64>,
    seconds: Vec<f64>,
    /// The sums by rank.
    sums: Vec<[f32; 2]>,
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
        let mut sum = 0.0;
        for i in 0..(n - 1).min(rules.truncation) {
            let behind = i + 1..n;
            arch.dispatch(Behind {
                table: self,
                first: [scores[i], gains[i], discounts[i]],
                scores: &scores[behind.clone()],
                gains: &gains[behind.clone()],
                discounts: &discounts[behind.clone()],
                inverse,
                sigma: rules.sigma,
                norm,
                lambdas: &mut added.lambdas[behind.clone()],
                seconds: &mut added.seconds[behind.clone()],
            });
            let [mut lambda_i, mut second_i] = added.sums[i];
            let values = added.lambdas[behind.clone()].iter().zip(&added.seconds[behind.clone()]);
            for (((lambda, second), sums), gain) in values.zip(&mut added.sums[behind.clone()]).zip(&gains[behind]) {
                let (signed, value) = (*lambda as f32, *second as f32);
                // λ is not positive; the document of the higher gain gets it as it is.
                let signed = if *gain > gains[i] { -signed } else { signed };
                lambda_i += signed;
                sums[0] -= signed;
                second_i += value;
                sums[1] += value;
                sum -= 2.0 * lambda;
            }
            added.sums[i] = [lambda_i, second_i];
        }
        let factor = if rules.norm && sum > 0.0 { (1.0 + sum).log2() / sum } else { 1.0 };
        for (row, sums) in order.iter().zip(&added.sums) {
            gradients[*row as usize] = sums.map(|value| (f64::from(value) * factor) as f32);
        }
        pairs.added = added;
    }
}

/// The pairs of one document (score, gain, discount) with those behind it.
struct Behind<'a> {
    table: &'a Table,
    first: [f64; 3],
    scores: &'a [f64],
    gains: &'a [f64],
    discounts: &'a [f64],
    inverse: f64,
    sigma: f64,
    norm: bool,
    lambdas: &'a mut [f64],
    seconds: &'a mut [f64],
}

impl NullaryFnOnce for Behind<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { table, first: [score, gain, discount], inverse, sigma, norm, .. } = self;
        let (lowest, factor, places) = (table.lowest, table.factor, &*table.places);
        let inputs = self.scores.iter().zip(self.gains).zip(self.discounts);
        for (((score_j, gain_j), discount_j), (lambda, second)) in inputs.zip(self.lambdas.iter_mut().zip(self.seconds))
        {
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
}
