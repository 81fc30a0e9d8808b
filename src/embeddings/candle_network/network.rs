//! The door: sequences in, one vector each out, batch after batch on one device.
//!
//! A sequence's vector depends on its company only through rounding: products of other sizes may add in another order.

use std::sync::atomic::Ordering;

use candle_core::DType;
use ndarray::{Array2, ArrayView1};

use super::batching::{Padded, batches};
use super::device::{failed, open};
use super::encoder::Encoder;
use super::pooling::pool;
use crate::embeddings::Device;
use crate::embeddings::encoder::{Head, Places, Watch};
use crate::embeddings::folder::{EncoderConfig, Module, Tokens, Weights};
use crate::error::{Error, Result};
use crate::kernels::{Dtype, Scratch};

/// A whole sentence encoder on candle's tensors: from token ids to one vector a sequence.
pub struct CandleNetwork {
    encoder: Encoder,
    places: Places,
    head: Head,
    /// Tokens of a batch, padding included, about at most.
    most_tokens: usize,
}

impl CandleNetwork {
    /// Opens the device and brings an encoder there; the modules after the pooling stay on the CPU.
    ///
    /// # Errors
    /// `Invalid` for int8, for a GPU in a build without the feature `cuda`, or when modules do not fit together; `Failed`
    /// when the weights lack something or the GPU cannot be used.
    pub fn load(
        config: &EncoderConfig,
        weights: &Weights,
        modules: Vec<Module>,
        dtype: Dtype,
        device: Device,
    ) -> Result<Self> {
        let dtype = match dtype {
            Dtype::F32 => DType::F32,
            Dtype::Bf16 => DType::BF16,
            Dtype::Int8 => {
                let error = Error::invalid("`--dtype int8` runs on the CPU alone");
                return Err(error.hint("take `bf16` on a GPU: it is the faster one there"));
            }
        };
        // Enough to keep the device busy, and little enough for a CPU's caches.
        let most_tokens = if device == Device::Cpu { 1024 } else { 16_384 };
        let head = Head::new(modules, config.hidden_size)?;
        let encoder = Encoder::load(config, weights, dtype, open(device)?)?;
        Ok(Self { encoder, places: Places::of(config), head, most_tokens })
    }

    /// Numbers of a sequence's vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.head.dimensions()
    }

    /// One vector a sequence, in the order given: n × dimensions.
    ///
    /// # Errors
    /// `Invalid` when a sequence is empty, longer than the model's positions or has a token beyond its vocabulary;
    /// `Interrupted` when the watch says so; `Failed` when the device fails.
    pub fn embed(&self, sequences: &[Tokens], watch: &Watch<'_>) -> Result<Array2<f32>> {
        for (at, sequence) in sequences.iter().enumerate() {
            self.places.check(at, sequence)?;
        }
        let lengths: Vec<_> = sequences.iter().map(|sequence| sequence.ids.len()).collect();
        let mut vectors = Array2::zeros((sequences.len(), self.dimensions()));
        let mut scratch = Scratch::default();
        for batch in batches(&lengths, self.most_tokens) {
            if watch.interrupted.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            let tokens: Vec<_> = batch.iter().map(|at| &sequences[*at]).collect();
            let pooled = self.pooled(&tokens).map_err(|cause| failed("texts were encoded", cause))?;
            for (at, pooled) in batch.iter().zip(pooled) {
                vectors.row_mut(*at).assign(&ArrayView1::from(&self.head.finish(pooled, &mut scratch)));
            }
            (watch.done)(batch.len());
        }
        Ok(vectors)
    }

    fn pooled(&self, sequences: &[&Tokens]) -> candle_core::Result<Vec<Vec<f32>>> {
        let positions = |ids: &[u32]| self.places.positions(ids).map(|position| position as u32).collect();
        let tokens = self.encoder.encode(Padded::new(sequences, positions))?;
        pool(&tokens, sequences, self.head.modes(), self.encoder.device())?.to_vec2()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use ndarray::Array2;
    use serde_json::Value;

    use super::CandleNetwork;
    use crate::embeddings::Device;
    use crate::embeddings::encoder::{Network, Watch};
    use crate::embeddings::folder::{Folder, Tokens};
    use crate::error::{ErrorKind, Result};
    use crate::kernels::Dtype;

    const MODELS: [&str; 5] =
        ["tiny-bert-mean", "tiny-bert-legacy", "tiny-bert-cls-normalized", "tiny-bert-max-dense", "tiny-roberta-mean"];

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
    }

    fn json(name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(models().join(name)).unwrap()).unwrap()
    }

    fn tokens(ids: &Value) -> Vec<Tokens> {
        serde_json::from_value::<Vec<Vec<u32>>>(ids.clone())
            .unwrap()
            .into_iter()
            .map(|ids| Tokens { ids, prompt: 0 })
            .collect()
    }

    fn load(name: &str, dtype: Dtype) -> Result<CandleNetwork> {
        let folder = Folder::open(&models().join(name))?;
        CandleNetwork::load(&folder.config, &folder.weights()?, folder.modules()?, dtype, Device::Cpu)
    }

    fn embed(network: &CandleNetwork, sequences: &[Tokens]) -> Result<Array2<f32>> {
        network.embed(sequences, &Watch { done: &|_| (), interrupted: &AtomicBool::new(false) })
    }

    fn worst(found: &Array2<f32>, expected: &Array2<f32>) -> f32 {
        assert_eq!(found.dim(), expected.dim());
        found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max)
    }

    /// The golden vectors are those of sentence-transformers 5.7.0.
    #[test]
    fn parity_with_the_golden_vectors_and_with_the_network_of_the_cpu() {
        let (golden, ids) = (json("golden.json"), json("golden_ids.json"));
        for name in MODELS {
            let sequences = tokens(&ids[name]);
            let found = embed(&load(name, Dtype::F32).unwrap(), &sequences).unwrap();
            let rows: Vec<Vec<f32>> = serde_json::from_value(golden["models"][name]["embeddings"].clone()).unwrap();
            let expected = Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
            assert!(worst(&found, &expected) < 1e-5, "{name}: {}", worst(&found, &expected));
            let folder = Folder::open(&models().join(name)).unwrap();
            let modules = folder.modules().unwrap();
            let network = Network::load(&folder.config, &folder.weights().unwrap(), modules, Dtype::F32).unwrap();
            let watch = Watch { done: &|_| (), interrupted: &AtomicBool::new(false) };
            let expected = network.embed(&sequences, &watch).unwrap();
            assert!(worst(&found, &expected) < 5e-6, "{name}: {}", worst(&found, &expected));
        }
    }

    #[test]
    fn alone_and_in_company_agree_with_and_without_padding() {
        let sequences = tokens(&json("golden_ids.json")["tiny-roberta-mean"]);
        let network = load("tiny-roberta-mean", Dtype::F32).unwrap();
        let together = embed(&network, &sequences).unwrap();
        for (sequence, row) in sequences.iter().zip(together.rows()) {
            let alone = embed(&network, std::slice::from_ref(sequence)).unwrap();
            assert!(worst(&alone, &row.to_owned().insert_axis(ndarray::Axis(0))) < 1e-6);
        }
    }

    #[test]
    fn bf16_is_near_f32_and_not_the_same() {
        let sequences = tokens(&json("golden_ids.json")["tiny-bert-mean"]);
        let exact = embed(&load("tiny-bert-mean", Dtype::F32).unwrap(), &sequences).unwrap();
        let rounded = embed(&load("tiny-bert-mean", Dtype::Bf16).unwrap(), &sequences).unwrap();
        assert_ne!(exact, rounded);
        for (exact, rounded) in exact.rows().into_iter().zip(rounded.rows()) {
            let cosine = exact.dot(&rounded) / (exact.dot(&exact) * rounded.dot(&rounded)).sqrt();
            assert!(cosine > 0.999, "{cosine}");
        }
    }

    #[test]
    fn int8_is_refused() {
        let error = load("tiny-bert-mean", Dtype::Int8).err().unwrap();
        assert_eq!((error.kind, &*error.message), (ErrorKind::Invalid, "`--dtype int8` runs on the CPU alone"));
    }

    #[test]
    fn sequences_that_cannot_be_encoded_are_refused_as_on_the_cpu() {
        let network = load("tiny-bert-mean", Dtype::F32).unwrap();
        let message = |ids: Vec<u32>, prompt| embed(&network, &[Tokens { ids, prompt }]).unwrap_err().message;
        assert_eq!(message(vec![], 0), "sequence 0 has no token: there is nothing to pool");
        assert!(message(vec![u32::MAX], 0).starts_with("sequence 0 has token 4294967295, the model's vocabulary has"));
        assert!(message(vec![2; 5000], 0).starts_with("sequence 0 has 5000 tokens, the model has"));
        assert_eq!(embed(&network, &[]).unwrap().dim(), (0, 32));
    }

    #[test]
    fn the_watch_is_told_and_can_stop_the_run() {
        let network = load("tiny-bert-mean", Dtype::F32).unwrap();
        let sequences = vec![Tokens { ids: vec![2; 64], prompt: 0 }; 40];
        let (told, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = |n| {
            told.fetch_add(n, Ordering::Relaxed);
        };
        network.embed(&sequences, &Watch { done: &done, interrupted: &interrupted }).unwrap();
        assert_eq!(told.swap(0, Ordering::Relaxed), 40);
        let done = |n| {
            told.fetch_add(n, Ordering::Relaxed);
            interrupted.store(true, Ordering::Relaxed);
        };
        let error = network.embed(&sequences, &Watch { done: &done, interrupted: &interrupted }).unwrap_err();
        assert_eq!((error.kind, told.into_inner()), (ErrorKind::Interrupted, 16));
    }
}
