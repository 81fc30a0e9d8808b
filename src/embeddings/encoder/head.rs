//! What follows the encoder: pooling, then dense layers, layer norms and normalisation, in the folder's order.
//!
//! Dense layers are computed in f32 whatever the encoder's number format: they are one row a text. Normalisation is
//! x / max(‖x‖₂, 1e-12), as in torch's `functional.normalize`; the norm is summed in f64.

use crate::embeddings::folder::{Module, PoolingMode};
use crate::error::{Error, Result};
use crate::kernels::{Activation, Dtype, LayerNorm, Linear, Scratch};

use super::pooling::pool;

/// Vectors shorter than this are divided by it.
const SHORTEST: f64 = 1e-12;

/// The modules after the encoder.
#[derive(Debug)]
pub struct Head {
    hidden_size: usize,
    modes: Vec<PoolingMode>,
    steps: Vec<Step>,
    dimensions: usize,
}

#[derive(Debug)]
enum Step {
    Dense(Linear, Activation),
    LayerNorm(LayerNorm),
    Normalize,
}

impl Head {
    /// Packs the modules for token vectors of `hidden_size` numbers.
    ///
    /// # Errors
    /// `Invalid` when the first module is no pooling, when another one is, or when a dense layer expects another width.
    pub fn new(modules: Vec<Module>, hidden_size: usize) -> Result<Self> {
        let mut modules = modules.into_iter();
        let Some(Module::Pooling(pooling)) = modules.next() else {
            return Err(Error::invalid("the module after the transformer is not a pooling"));
        };
        let mut dimensions = pooling.modes.len() * hidden_size;
        let mut steps = Vec::new();
        for module in modules {
            steps.push(match module {
                Module::Pooling(_) => return Err(Error::invalid("a second pooling follows the first")),
                Module::Normalize => Step::Normalize,
                Module::LayerNorm { weight, bias, eps } => {
                    if weight.len() != dimensions {
                        let message = format!("the layer norm expects {} dimensions, got {dimensions}", weight.len());
                        return Err(Error::invalid(message));
                    }
                    Step::LayerNorm(LayerNorm::new(weight, bias, eps))
                }
                Module::Dense { weight, bias, n_in, n_out, activation } => {
                    if n_in != dimensions {
                        let message = format!("the dense layer expects {n_in} dimensions, got {dimensions}");
                        return Err(Error::invalid(message));
                    }
                    dimensions = n_out;
                    Step::Dense(Linear::pack(&weight, bias.as_deref(), n_out, n_in, Dtype::F32), activation)
                }
            });
        }
        Ok(Self { hidden_size, modes: pooling.modes, steps, dimensions })
    }

    /// Numbers of the vector that comes out.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How tokens are pooled, one mode behind the other.
    #[must_use]
    pub fn modes(&self) -> &[PoolingMode] {
        &self.modes
    }

    /// The vector of a sequence whose token vectors are `tokens`, without its first `prompt` ones.
    #[must_use]
    pub fn apply(&self, tokens: &[f32], prompt: usize, scratch: &mut Scratch) -> Vec<f32> {
        let mut vector = vec![0.0; self.modes.len() * self.hidden_size];
        pool(tokens, prompt, self.hidden_size, &self.modes, &mut vector);
        self.finish(vector, scratch)
    }

    /// The vector of a sequence whose tokens are pooled already: one stretch for each of [`Head::modes`].
    #[must_use]
    pub fn finish(&self, mut vector: Vec<f32>, scratch: &mut Scratch) -> Vec<f32> {
        for step in &self.steps {
            match step {
                Step::Normalize => normalize(&mut vector),
                Step::LayerNorm(norm) => norm.apply(&mut vector),
                Step::Dense(linear, activation) => {
                    let mut next = vec![0.0; linear.n_out()];
                    linear.apply(&vector, 1, &mut next, *activation, scratch);
                    vector = next;
                }
            }
        }
        vector
    }
}

fn normalize(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
    let norm = squares.sqrt().max(SHORTEST) as f32;
    vector.iter_mut().for_each(|number| *number /= norm);
}

#[cfg(test)]
mod tests {
    use super::{Head, normalize};
    use crate::embeddings::folder::{Module, Pooling, PoolingMode};
    use crate::kernels::{Activation, Scratch};

    fn mean() -> Module {
        Module::Pooling(Pooling { modes: vec![PoolingMode::Mean], include_prompt: true })
    }

    fn dense(n_in: usize) -> Module {
        let (weight, bias) = (vec![1.0; n_in], Some(vec![0.5]));
        Module::Dense { weight, bias, n_in, n_out: 1, activation: Activation::Relu }
    }

    #[test]
    fn modules_apply_in_order() {
        let head = Head::new(vec![mean(), Module::Normalize, dense(2)], 2).unwrap();
        assert_eq!(head.dimensions(), 1);
        // The mean is (3, 4), normalised (0.6, 0.8).
        let found = head.apply(&[2.0, 3.0, 4.0, 5.0], 0, &mut Scratch::default());
        assert!((found[0] - 1.9).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_layer_norm_applies_to_the_pooled_vector() {
        let norm = Module::LayerNorm { weight: vec![2.0; 2], bias: vec![1.0; 2], eps: 0.0 };
        let head = Head::new(vec![mean(), norm], 2).unwrap();
        assert_eq!(head.apply(&[2.0, 3.0, 4.0, 5.0], 0, &mut Scratch::default()), [-1.0, 3.0]);
    }

    #[test]
    fn modules_that_do_not_fit_are_refused() {
        let message = |modules| Head::new(modules, 2).unwrap_err().message;
        assert_eq!(message(vec![mean(), dense(3)]), "the dense layer expects 3 dimensions, got 2");
        let norm = Module::LayerNorm { weight: vec![1.0; 3], bias: vec![0.0; 3], eps: 1e-5 };
        assert_eq!(message(vec![mean(), norm]), "the layer norm expects 3 dimensions, got 2");
        assert_eq!(message(vec![Module::Normalize]), "the module after the transformer is not a pooling");
        assert_eq!(message(vec![mean(), mean()]), "a second pooling follows the first");
    }

    #[test]
    fn a_zero_vector_stays_zero_and_a_tiny_one_is_divided_by_the_floor() {
        let mut vector = [0.0, 0.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.0, 0.0]);
        let mut vector = [3e-13, 0.0];
        normalize(&mut vector);
        assert!((vector[0] - 0.3).abs() < 1e-6);
    }
}
