//! The normal distribution, Student's t, χ² and Kolmogorov's distribution: quantiles and tails.
//!
//! Two-sided p-values are twice the upper tail of |z|, so that small ones keep their digits. Checked against SciPy
//! 1.17.1 (`norm`, `t`, `chi2`, `kstwobign`).

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// Degrees of freedom from which t is expanded about the normal quantile (Abramowitz and Stegun 26.7.5): `statrs` loses
/// digits there (1.9598 for 1.9600 at a million), the expansion is right to 10⁻⁹.
const LARGE: f64 = 1000.0;

/// P(Z ≤ z) of the standard normal distribution.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// The z below which the standard normal lies with `probability` (0…1; infinite at the ends).
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// P(|Z| ≥ |z|) of the standard normal distribution.
#[must_use]
pub fn normal_two_sided(z: f64) -> f64 {
    2.0 * Normal::standard().sf(z.abs())
}

/// The t below which Student's t with `freedom` degrees lies with `probability`.
#[must_use]
pub fn t_quantile(probability: f64, freedom: f64) -> f64 {
    if freedom < LARGE {
        return student(freedom).inverse_cdf(probability);
    }
    let z = normal_quantile(probability);
    let (square, cube) = (z * z, z * z * z);
    z + (cube + z) / (4.0 * freedom) + (5.0 * cube * square + 16.0 * cube + 3.0 * z) / (96.0 * freedom * freedom)
}

/// P(|T| ≥ |t|) of Student's t with `freedom` degrees.
#[must_use]
pub fn t_two_sided(t: f64, freedom: f64) -> f64 {
    2.0 * student(freedom).sf(t.abs())
}

/// P(X ≥ x) of χ² with `freedom` degrees; 1 for none.
#[must_use]
pub fn chi_squared_tail(x: f64, freedom: usize) -> f64 {
    if freedom == 0 || x <= 0.0 { 1.0 } else { chi_squared(freedom).sf(x) }
}

/// The x above which χ² with `freedom` degrees lies with probability `tail` (0…1).
///
/// By halving on the tail, which keeps its digits where the quantile function of `statrs` loses them.
#[must_use]
pub fn chi_squared_quantile(tail: f64, freedom: usize) -> f64 {
    if freedom == 0 || tail >= 1.0 {
        return 0.0;
    }
    if tail <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, freedom as f64 + 10.0);
    while chi_squared_tail(high, freedom) > tail {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if chi_squared_tail(middle, freedom) > tail { low = middle } else { high = middle }
    }
    high
}

fn chi_squared(freedom: usize) -> ChiSquared {
    ChiSquared::new(freedom as f64).expect("degrees of freedom are positive")
}

/// P(K ≥ x) of Kolmogorov's limiting distribution: 2 Σ (−1)^(k−1) exp(−2k²x²).
#[must_use]
pub fn kolmogorov_tail(x: f64) -> f64 {
    // Below, the series converges slowly and the answer is 1 to twelve digits.
    if x < 0.18 {
        return 1.0;
    }
    let term = |k: u32| (-2.0 * f64::from(k * k) * x * x).exp();
    let sum: f64 = (1..=100).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum();
    (2.0 * sum).clamp(0.0, 1.0)
}

fn student(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs(), "{got}, not {want}");
    }

    #[test]
    fn normal_as_scipy_has_it() {
        close(normal_quantile(0.8), 0.841_621_233_572_914_3);
        close(normal_quantile(0.95), 1.644_853_626_951_472_2);
        close(normal_quantile(0.975), 1.959_963_984_540_054);
        close(normal_quantile(1e-6), -4.753_424_308_822_899);
        assert_eq!((normal_quantile(0.5), normal_two_sided(0.0), normal_cdf(0.0)), (0.0, 1.0, 0.5));
        for (z, tail) in [(1.610_775, 0.053_614_385_967_736_75), (10.0, 7.619_853_024_160_47e-24)] {
            close(normal_two_sided(z), 2.0 * tail);
            close(normal_two_sided(-z), 2.0 * tail);
        }
        close(normal_two_sided(30.0), 2.0 * 4.906_713_927_147_908e-198);
    }

    #[test]
    fn student_as_scipy_has_it() {
        close(t_quantile(0.975, 7.0), 2.364_624_251_592_784);
        close(t_quantile(0.95, 199.0), 1.652_546_746_166_563_3);
        close(t_quantile(0.975, 1.0), 12.706_204_736_174_694);
        close(t_quantile(0.975, 1e6), 1.959_966_356_814_107);
        close(t_quantile(0.975, 999.0), 1.962_341_461_133_449_3);
        close(t_quantile(0.975, 2000.0), 1.961_150_826_099_437_7);
        close(t_quantile(0.9, 5e4), 1.281_568_497_468_301_3);
        close(t_two_sided(1.96, 1e6), 0.049_996_067_585_269_85);
        close(t_two_sided(1.96, 2e4), 0.050_009_654_998_405_44);
        close(t_two_sided(2.5, 7.0), 0.040_992_218_585_752_89);
        close(t_two_sided(-10.0, 199.0), 2.467_187_260_518_278e-19);
    }

    #[test]
    fn chi_squared_as_scipy_has_it() {
        close(chi_squared_tail(12.3, 4), 0.015_254_394_655_769_615);
        close(chi_squared_tail(150.0, 19), 2.191_563_599_346_062_6e-22);
        close(chi_squared_quantile(0.0005, 19), 45.973_119_563_902_51);
        close(chi_squared_quantile(0.01, 1), 6.634_896_601_021_214_5);
        assert_eq!((chi_squared_tail(0.0, 3), chi_squared_tail(5.0, 0), chi_squared_quantile(1.0, 4)), (1.0, 1.0, 0.0));
        assert_eq!(chi_squared_quantile(0.0, 4), f64::INFINITY);
    }

    #[test]
    fn kolmogorov_as_scipy_has_it() {
        // kstwobign.sf
        close(kolmogorov_tail(0.5), 0.963_945_243_664_875_1);
        close(kolmogorov_tail(1.358_098_639_015_366), 0.050_000_000_083_433_48);
        close(kolmogorov_tail(3.0), 3.045_995_948_942_526_6e-8);
        assert_eq!(kolmogorov_tail(0.0), 1.0);
    }
}
