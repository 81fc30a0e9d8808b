//! Population stability index: Σ (pᵢ − qᵢ) ln(pᵢ/qᵢ), Jeffreys' divergence of both directions, in nats.
//!
//! Range 0…∞, symmetric. Evidently 0.7.23 has the same formula, but bins of its own and 0.0001 in place of empty ones. For two
//! samples of one population PSI/(1/n + 1/m) is χ² with B − 1 degrees of freedom (Yurdakul and Naranjo 2020), which is
//! why fixed limits such as 0.1 and 0.25 alone say nothing about small windows. Checked against NumPy 2.4.

use super::statistic::{BINNED, Counts, Draws, DriftStatistic, Kind, Null, Scale, Sides, comparable, null_of_counts};
use crate::catalog::Named;

/// Population stability index.
pub struct Psi;

fn index(counts: &Counts) -> f64 {
    let (reference, current) = counts.shares();
    current.iter().zip(&reference).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}

impl Named for Psi {
    fn name(&self) -> &'static str {
        "psi"
    }

    fn about(&self) -> &'static str {
        "population stability index: the divergences of both directions added"
    }
}

impl DriftStatistic for Psi {
    fn kinds(&self) -> &'static [Kind] {
        BINNED
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.02, bands: [0.6, 1.0, 2.0] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        comparable(sides).map(index)
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        null_of_counts(&sides.counts, value, (2.0 * sides.counts.noise(), 1), draws, index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::{close, golden, many};
    use super::*;

    #[test]
    fn as_numpy_has_it() {
        // ((p - q) * np.log(p / q)).sum()
        close(Psi.value(&golden()).unwrap(), 0.167_649_739_438_494_62, 1e-13);
        close(Psi.value(&many()).unwrap(), 0.177_134_847_196_792_7, 1e-4);
    }
}
