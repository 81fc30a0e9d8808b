//! The encoder and what follows it, over any number of sequences.
//!
//! Threads of rayon's pool take one group of packed sequences after the other, each with its own buffers. Where there are
//! fewer groups than threads, the threads share each group instead. A sequence's vector has the same bits alone and in
//! any company: every step works on a row, or on a sequence, for itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use crate::embeddings::folder::{EncoderConfig, Module, Tokens, Weights};
use crate::error::{Error, Result};
use crate::kernels::Dtype;

use super::batching::groups;
use super::head::Head;
use super::layer::Workspace;
use super::transformer::{Encoder, Group};

/// A whole sentence encoder: from token ids to one vector a sequence.
pub struct Network {
    encoder: Encoder,
    head: Head,
}

/// Who watches a long run.
pub struct Watch<'a> {
    /// Is told how many more sequences are finished.
    pub done: &'a (dyn Fn(usize) + Sync),
    /// Is looked at between groups: when it is set, the run ends.
    pub interrupted: &'a AtomicBool,
}

impl Network {
    /// Reads and packs an encoder and the modules after it.
    ///
    /// # Errors
    /// `Failed` when the weights lack something; `Invalid` when modules do not fit together.
    pub fn load(config: &EncoderConfig, weights: &Weights, modules: Vec<Module>, dtype: Dtype) -> Result<Self> {
        let head = Head::new(modules, config.hidden_size)?;
        Ok(Self { encoder: Encoder::load(config, weights, dtype)?, head })
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
    /// `Interrupted` when the watch says so.
    pub fn embed(&self, sequences: &[Tokens], watch: &Watch<'_>) -> Result<Array2<f32>> {
        for (at, sequence) in sequences.iter().enumerate() {
            self.encoder.check(at, sequence)?;
        }
        let lengths: Vec<_> = sequences.iter().map(|sequence| sequence.ids.len()).collect();
        let n_threads = rayon::current_num_threads();
        let groups = groups(&lengths, n_threads);
        let vectors = Mutex::new(Array2::zeros((sequences.len(), self.dimensions())));
        let finished = AtomicUsize::new(0);
        let run = |indices: &[usize], group: &mut Group, workspaces: &mut [Workspace]| {
            let tokens: Vec<_> = indices.iter().map(|at| &sequences[*at]).collect();
            let found = self.encode(&tokens, group, workspaces);
            let mut vectors = vectors.lock().unwrap_or_else(PoisonError::into_inner);
            for (at, vector) in indices.iter().zip(&found) {
                vectors.row_mut(*at).assign(&ArrayView1::from(vector));
            }
            drop(vectors);
            finished.fetch_add(indices.len(), Ordering::Relaxed);
            (watch.done)(indices.len());
        };
        let go_on = || !watch.interrupted.load(Ordering::Relaxed);
        if groups.len() < n_threads {
            let (mut group, mut workspaces) = (Group::default(), Vec::new());
            workspaces.resize_with(n_threads, Workspace::default);
            groups.iter().take_while(|_| go_on()).for_each(|indices| run(indices, &mut group, &mut workspaces));
        } else {
            let next = AtomicUsize::new(0);
            (0..n_threads).into_par_iter().with_max_len(1).for_each(|_| {
                let (mut group, mut workspace) = (Group::default(), [Workspace::default()]);
                let take = || groups.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| go_on());
                std::iter::from_fn(take).for_each(|indices| run(indices, &mut group, &mut workspace));
            });
        }
        if finished.into_inner() < sequences.len() {
            return Err(Error::interrupted());
        }
        Ok(vectors.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn encode(&self, sequences: &[&Tokens], group: &mut Group, workspaces: &mut [Workspace]) -> Vec<Vec<f32>> {
        self.encoder.encode(sequences, group, workspaces);
        let tokens = group.sequences(self.encoder.hidden_size()).zip(sequences);
        let scratch = workspaces[0].scratch();
        tokens.map(|(tokens, sequence)| self.head.apply(tokens, sequence.prompt, scratch)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use ndarray::Array2;

    use super::super::transformer::tests::{config, write};
    use super::{Network, Watch};
    use crate::embeddings::folder::{Architecture, Module, Pooling, PoolingMode, Tokens, Weights};
    use crate::error::{ErrorKind, Result};
    use crate::kernels::Dtype;

    fn network(dtype: Dtype) -> Network {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Architecture::Bert, "");
        let pooling = Pooling { modes: vec![PoolingMode::Cls, PoolingMode::Mean], include_prompt: false };
        let modules = vec![Module::Pooling(pooling), Module::Normalize];
        let weights = Weights::open(folder.path()).unwrap();
        Network::load(&config(Architecture::Bert), &weights, modules, dtype).unwrap()
    }

    fn tokens(ids: impl IntoIterator<Item = u32>) -> Tokens {
        Tokens { ids: ids.into_iter().collect(), prompt: 0 }
    }

    /// Sequences of 1 to 10 tokens.
    fn many(n: usize) -> Vec<Tokens> {
        (0..n).map(|at| tokens((0..=at * 7 % 10).map(|token| ((at + token * token) % 12) as u32))).collect()
    }

    fn embed(network: &Network, sequences: &[Tokens]) -> Result<Array2<f32>> {
        network.embed(sequences, &Watch { done: &|_| (), interrupted: &AtomicBool::new(false) })
    }

    #[test]
    fn a_sequence_has_the_same_bits_in_any_company_and_on_any_threads() {
        let sequences = many(400);
        for dtype in Dtype::ALL {
            let network = network(dtype);
            let together: Vec<_> = [1, 2, 7]
                .map(|n_threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
                    pool.install(|| embed(&network, &sequences).unwrap())
                })
                .into();
            assert_eq!(together[0].dim(), (400, 16));
            assert!(together.iter().all(|vectors| vectors == together[0]), "{dtype:?}");
            for at in [0, 9, 123, 399] {
                let alone = embed(&network, &sequences[at..=at]).unwrap();
                assert_eq!(alone.row(0), together[0].row(at), "{dtype:?}, sequence {at}");
            }
        }
    }

    #[test]
    fn threads_that_share_a_group_find_the_same_bits() {
        // 20 tokens are one group; two threads take 16 rows and 4, in the middle of a sequence.
        let (network, sequences) = (network(Dtype::F32), [tokens(0..10), tokens(1..11)]);
        let [one, two] = [1, 2].map(|n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| embed(&network, &sequences).unwrap())
        });
        assert_eq!(one, two);
    }

    #[test]
    fn a_prompt_that_is_left_out_changes_the_pooled_tokens_only() {
        let network = network(Dtype::F32);
        let all = tokens([2, 5, 7, 3]);
        let found = embed(&network, &[Tokens { prompt: 2, ..all.clone() }, all]).unwrap();
        assert_ne!(found.row(0), found.row(1));
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(embed(&network(Dtype::F32), &[]).unwrap().dim(), (0, 16));
    }

    #[test]
    fn sequences_that_do_not_fit_are_refused_with_both_numbers() {
        let network = network(Dtype::F32);
        let message = |sequence: Tokens| {
            let error = embed(&network, &[tokens([1]), sequence]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            error.message
        };
        assert_eq!(message(tokens([1; 11])), "sequence 1 has 11 tokens, the model has 10 positions");
        assert_eq!(message(tokens([3, 12])), "sequence 1 has token 12, the model's vocabulary has 12");
        assert_eq!(message(tokens([])), "sequence 1 has no token: there is nothing to pool");
    }

    #[test]
    fn the_watch_hears_of_every_sequence_and_ends_the_run() {
        let (network, sequences) = (network(Dtype::F32), many(300));
        let (heard, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = |n| {
            heard.fetch_add(n, Ordering::Relaxed);
        };
        network.embed(&sequences, &Watch { done: &done, interrupted: &interrupted }).unwrap();
        assert_eq!(heard.load(Ordering::Relaxed), 300);
        interrupted.store(true, Ordering::Relaxed);
        let error = network.embed(&sequences, &Watch { done: &done, interrupted: &interrupted }).unwrap_err();
        assert_eq!((error.kind, heard.load(Ordering::Relaxed)), (ErrorKind::Interrupted, 300));
    }
}
