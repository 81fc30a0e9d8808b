//! How a gradient moves the weights: SGD with momentum, Adam, `AdamW`; weight decay; clipping by the norm.
//!
//! - SGD: b = μ·b + g (b = g at the first step), w −= η·b.
//! - Adam: m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g², w −= η·(m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε). Kingma and Ba, ICLR 2015.
//! - `AdamW`: w −= η·λ·w before Adam's step. Loshchilov and Hutter, ICLR 2019. In SGD and Adam weight decay adds λ·w to the gradient.
//!
//! The arithmetic is `PyTorch` 2.15's (`torch.optim`); weight decay acts on all parameters, as there. A gradient whose norm is above
//! `clip` is scaled down to it (by clip / (norm + 1e-6), as `clip_grad_norm_`).
//!
//! The gradient comes as one row per group of lists; rows are added in order, in blocks of parameters that run in parallel.

use pulp::Arch;
use rayon::prelude::*;

use crate::kernels::{Aligned, Real};

/// Parameters of a block.
const BLOCK: usize = 8192;

/// The rule and its constants.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd {
        /// μ, 0 for none.
        momentum: f64,
    },
    /// Adam.
    Adam {
        /// β₁.
        beta1: f64,
        /// β₂.
        beta2: f64,
        /// ε.
        epsilon: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// β₁.
        beta1: f64,
        /// β₂.
        beta2: f64,
        /// ε.
        epsilon: f64,
    },
}

impl Rule {
    /// Adam with its usual constants.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    /// `AdamW` with its usual constants.
    pub const ADAM_W: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

/// What does not change during training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// The rule.
    pub rule: Rule,
    /// λ, 0 for none.
    pub weight_decay: f64,
    /// The largest norm of a gradient.
    pub clip: Option<f64>,
}

/// An optimizer with what it remembers.
#[derive(Debug, Clone)]
pub struct Optimizer<T: Real> {
    settings: Settings,
    /// b of SGD, m of Adam.
    pub first: Aligned<T>,
    /// v of Adam.
    pub second: Aligned<T>,
    sum: Aligned<T>,
    /// Steps taken.
    pub steps: u64,
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Step<T> {
    rule: Rule,
    /// What the gradient is multiplied by.
    shrink: T,
    rate: T,
    decay: T,
    /// 1 − β₁ᵗ.
    first_share: f64,
    /// √(1 − β₂ᵗ).
    second_root: f64,
    is_first: bool,
}

impl<T: Real> Optimizer<T> {
    /// For so many parameters.
    #[must_use]
    pub fn new(settings: Settings, n_parameters: usize) -> Self {
        let second = if matches!(settings.rule, Rule::Sgd { .. }) { 0 } else { n_parameters };
        Self {
            settings,
            first: Aligned::zeroed(n_parameters),
            second: Aligned::zeroed(second),
            sum: Aligned::zeroed(n_parameters),
            steps: 0,
        }
    }

    /// Moves the parameters against the sum of the gradients; the norm of that sum, where there is a limit to it.
    pub fn step(&mut self, parameters: &mut [T], gradients: &[&[T]], rate: f64) -> Option<f64> {
        let mut step = self.next(rate);
        let sums = self.sum.as_mut_slice();
        let norm = self.settings.clip.map(|clip| {
            let blocks = sums.par_chunks_mut(BLOCK).enumerate();
            let squares = |(block, sum): (usize, &mut [T])| {
                add_up(gradients, block * BLOCK, sum);
                sum.iter().map(|value| value.wide() * value.wide()).sum::<f64>()
            };
            // Collected in order, so that the sum does not depend on the threads.
            let norm = blocks.map(squares).collect::<Vec<f64>>().into_iter().sum::<f64>().sqrt();
            step.shrink = T::of((clip / (norm + 1e-6)).min(1.0));
            norm
        });
        let first = self.first.as_mut_slice().par_chunks_mut(BLOCK);
        let blocks = parameters.par_chunks_mut(BLOCK).zip(sums.par_chunks_mut(BLOCK)).zip(first).enumerate();
        let added = norm.is_some();
        let add = |block: usize, sum: &mut [T]| {
            if !added {
                add_up(gradients, block * BLOCK, sum);
            }
        };
        if self.second.as_slice().is_empty() {
            blocks.for_each(|(block, ((weights, sum), first))| {
                add(block, sum);
                step.descend(weights, sum, first);
            });
        } else {
            let second = self.second.as_mut_slice().par_chunks_mut(BLOCK);
            blocks.zip(second).for_each(|((block, ((weights, sum), first)), second)| {
                add(block, sum);
                step.adapt(weights, sum, first, second);
            });
        }
        norm
    }

    fn next(&mut self, rate: f64) -> Step<T> {
        self.steps += 1;
        let t = self.steps as f64;
        let (beta1, beta2) = match self.settings.rule {
            Rule::Sgd { .. } => (0.0, 0.0),
            Rule::Adam { beta1, beta2, .. } | Rule::AdamW { beta1, beta2, .. } => (beta1, beta2),
        };
        Step {
            rule: self.settings.rule,
            shrink: T::of(1.0),
            rate: T::of(rate),
            decay: T::of(self.settings.weight_decay),
            first_share: 1.0 - beta1.powf(t),
            second_root: (1.0 - beta2.powf(t)).sqrt(),
            is_first: self.steps == 1,
        }
    }
}

impl<T: Real> Step<T> {
    /// SGD.
    fn descend(self, weights: &mut [T], gradient: &[T], momentum: &mut [T]) {
        let Rule::Sgd { momentum: keep } = self.rule else { return };
        let keep = if self.is_first { T::default() } else { T::of(keep) };
        for ((weight, slope), moved) in weights.iter_mut().zip(gradient).zip(momentum) {
            *moved = keep * *moved + (*slope * self.shrink + self.decay * *weight);
            *weight = *weight - self.rate * *moved;
        }
    }

    /// Adam and `AdamW`.
    fn adapt(self, weights: &mut [T], gradient: &[T], mean: &mut [T], square: &mut [T]) {
        let (beta1, beta2, epsilon, decoupled) = match self.rule {
            Rule::Sgd { .. } => return,
            Rule::Adam { beta1, beta2, epsilon } => (beta1, beta2, epsilon, false),
            Rule::AdamW { beta1, beta2, epsilon } => (beta1, beta2, epsilon, true),
        };
        let (keep1, keep2, new1, new2) = (T::of(beta1), T::of(beta2), T::of(1.0 - beta1), T::of(1.0 - beta2));
        let (epsilon, root) = (T::of(epsilon), T::of(1.0 / self.second_root));
        let pace = T::of(self.rate.wide() / self.first_share);
        let (coupled, shrunk) =
            if decoupled { (T::default(), T::of(1.0) - self.rate * self.decay) } else { (self.decay, T::of(1.0)) };
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (((weight, slope), mean), square) in weights.iter_mut().zip(gradient).zip(mean).zip(square) {
                    let slope = *slope * self.shrink + coupled * *weight;
                    *mean = keep1 * *mean + new1 * slope;
                    *square = keep2 * *square + new2 * slope * slope;
                    *weight = *weight * shrunk - pace * *mean / (square.sqrt() * root + epsilon);
                }
            },
        );
    }
}

/// The sum of the gradients from `start` on, group by group.
fn add_up<T: Real>(gradients: &[&[T]], start: usize, sum: &mut [T]) {
    let n = sum.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (at, gradient) in gradients.iter().enumerate() {
                let gradient = &gradient[start..start + n];
                if at == 0 {
                    sum.copy_from_slice(gradient);
                } else {
                    sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += *value);
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::{Optimizer, Rule, Settings};

    /// Six steps with gradients gᵢ(t) = wᵢ·(i + 1) + sin(t + i) from w = (0.5, −0.3, 0.8), rate 0.1.
    fn walk(rule: Rule, weight_decay: f64, clip: Option<f64>) -> Vec<f64> {
        let mut weights = vec![0.5, -0.3, 0.8];
        let mut optimizer = Optimizer::<f64>::new(Settings { rule, weight_decay, clip }, 3);
        for t in 0..6 {
            let slope = |(i, w): (usize, &f64)| w * (i as f64 + 1.0) + (t as f64 + i as f64).sin();
            let gradient: Vec<f64> = weights.iter().enumerate().map(slope).collect();
            // Two groups whose sum is the gradient.
            let part: Vec<f64> = gradient.iter().map(|slope| slope * 0.25).collect();
            let rest: Vec<f64> = gradient.iter().map(|slope| slope * 0.75).collect();
            let norm = optimizer.step(&mut weights, &[&part, &rest], 0.1);
            assert_eq!(norm.is_some(), clip.is_some());
        }
        weights
    }

    #[test]
    fn steps_are_those_of_pytorch() {
        // torch 2.15 in float64: the same gradients through torch.optim.{SGD, Adam, AdamW} and clip_grad_norm_.
        let goldens = GOLDENS;
        for ((rule, decay, clip), expected) in [
            ((Rule::Sgd { momentum: 0.0 }, 0.0, None), goldens[0]),
            ((Rule::Sgd { momentum: 0.9 }, 0.01, None), goldens[1]),
            ((Rule::ADAM, 0.0, None), goldens[2]),
            ((Rule::ADAM, 0.1, Some(0.7)), goldens[3]),
            ((Rule::ADAM_W, 0.1, None), goldens[4]),
        ] {
            let got = walk(rule, decay, clip);
            assert!(got.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-12), "{rule:?}: {got:?}");
        }
    }

    const GOLDENS: [[f64; 3]; 5] = [
        [0.296_797_737_662_339_9, 0.002_404_163_247_020_791_4, 0.102_254_386_803_424_97],
        [-0.382_404_007_537_710_76, 0.352_692_260_327_290_6, -0.274_058_185_211_790_5],
        [0.047_267_969_779_910_34, -0.226_178_535_121_910_5, 0.272_184_539_865_238_05],
        [0.041_152_967_744_987_02, -0.123_538_765_297_396_98, 0.229_578_495_447_347_7],
        [0.033_853_823_516_307_35, -0.205_816_117_806_3, 0.243_635_959_642_169_86],
    ];
}
