//! What an embedder may use besides its own files: where to look, what to remember, whom to tell.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use ndarray::{Array2, ArrayView1};
use serde::Serialize;

use super::cache::Cache;
use super::truncation::{LISTED, Truncation};

/// Whether models may be fetched over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// What the local Hugging Face cache lacks is downloaded.
    Allowed,
    /// Only what is here is used.
    #[default]
    Offline,
}

/// What the network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, with the kernels of this crate.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its number; needs a build with the feature `cuda`.
    Cuda(usize),
}

/// An embedder's surroundings.
pub struct Setting<'a> {
    /// Where relative paths of model folders start.
    pub root: &'a Path,
    /// The local Hugging Face cache: the folder that holds `models--…`.
    pub hub: Option<&'a Path>,
    /// Whether models may be fetched.
    pub network: Network,
    /// Another hub than Hugging Face's.
    pub endpoint: Option<&'a str>,
    /// Where the sentence encoder of a trained model lies, when it has moved.
    pub embedder: Option<&'a Path>,
    /// Vectors made before; opened when it is first asked for.
    pub cache: LazyCache,
    /// What the network runs on.
    pub device: Device,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
    /// Told what is done before texts are: `downloading model.safetensors, 40 %`.
    pub stage: &'a dyn Fn(&str),
    /// Told how many of how many texts are done.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Set when the user interrupts.
    pub interrupted: &'a AtomicBool,
    /// The rows in their source of the texts of the next call, for errors and reports; their places from 1 when empty.
    pub rows: RefCell<Vec<usize>>,
    /// For ranking, where the queries of the rows of the next call begin and end; empty when they are of one query.
    pub queries: RefCell<Vec<usize>>,
    /// What came of the texts.
    pub report: RefCell<Report>,
}

/// The cache of vectors, opened when it is first asked for.
#[derive(Default)]
pub struct LazyCache {
    path: Option<PathBuf>,
    opened: OnceCell<Option<Cache>>,
}

impl LazyCache {
    /// A cache at this path.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), opened: OnceCell::new() }
    }

    /// No cache.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The cache; none where there is none, or where it cannot be used: `note` is told why, once.
    pub fn get(&self, now_ms: i64, note: impl FnOnce(String)) -> Option<&Cache> {
        let open = || match Cache::open(self.path.as_deref()?, now_ms) {
            Ok((cache, None)) => Some(cache),
            Ok((cache, Some(told))) => {
                note(told);
                Some(cache)
            }
            Err(error) => {
                note(format!("vectors are not cached: {}", error.message));
                None
            }
        };
        self.opened.get_or_init(open).as_ref()
    }
}

/// What an embedder has to say of the texts that it has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Texts that were asked for.
    pub texts: usize,
    /// Texts whose vectors came from the cache.
    pub cached: usize,
    /// Different texts whose vectors were computed.
    pub computed: usize,
    /// Texts that were longer than the model reads; none where the embedder has no such limit.
    pub truncation: Option<Truncation>,
    /// Words of the texts, as the tokenizer splits them, and how many of them the vocabulary lacks.
    pub tokens: usize,
    /// Tokens that the vocabulary lacks.
    pub unknown: usize,
    /// Seconds of each stage: `load`, `tokenize`, `encode`.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Mean and lowest cosine between the vectors of this dtype and those of f32, where the dtype is another.
    pub cosine_to_f32: Option<CosineToF32>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How near the vectors of a coarser dtype are to those of f32.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineToF32 {
    /// The mean over the texts that were tried.
    pub mean: f64,
    /// The lowest.
    pub min: f64,
    /// Texts that were tried.
    pub texts: usize,
}

impl Report {
    /// Adds what was seen in one call: (texts, those from the cache, different ones computed), lengths, and (tokens,
    /// unknown tokens).
    pub fn add(&mut self, texts: (usize, usize, usize), truncation: Truncation, tokens: (usize, usize)) {
        self.texts += texts.0;
        self.cached += texts.1;
        self.computed += texts.2;
        self.tokens += tokens.0;
        self.unknown += tokens.1;
        self.truncation = Some(match self.truncation.take() {
            None => truncation,
            Some(before) => merged(before, truncation),
        });
    }
}

impl Truncation {
    /// In words, where a text was too long: `truncated 412/5000 texts (8.2 %), longest 611 tokens, …`.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let longest = self.longest.filter(|_| self.truncated > 0)?;
        let rows = self.worst.iter().take(3).map(|text| format!("row {} has {}", text.row, text.tokens));
        Some(format!(
            "{}/{} texts ({:.1} %) have more than the {} tokens that are read at once, the longest {}: {}",
            self.truncated,
            self.texts,
            100.0 * self.share,
            self.max_length,
            longest.tokens,
            rows.collect::<Vec<_>>().join(", ")
        ))
    }
}

/// The truncation of two calls.
fn merged(before: Truncation, after: Truncation) -> Truncation {
    let (texts, truncated) = (before.texts + after.texts, before.truncated + after.truncated);
    let mut worst = [before.worst, after.worst].concat();
    worst.sort_by_key(|text| std::cmp::Reverse(text.tokens));
    worst.truncate(LISTED);
    let longest = before.longest.into_iter().chain(after.longest).max_by_key(|text| text.tokens);
    let share = if texts == 0 { 0.0 } else { truncated as f64 / texts as f64 };
    Truncation { max_length: after.max_length, texts, truncated, share, longest, worst }
}

impl CosineToF32 {
    /// Between the rows of two matrices; a zero row is as near as can be to a zero row.
    #[must_use]
    pub fn between(exact: &Array2<f32>, coarse: &Array2<f32>) -> Self {
        let cosines: Vec<f64> = exact
            .outer_iter()
            .zip(coarse.outer_iter())
            .map(|(one, other)| {
                let dot = |left: ArrayView1<'_, f32>, right: ArrayView1<'_, f32>| {
                    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum::<f64>()
                };
                let lengths = (dot(one, one) * dot(other, other)).sqrt();
                if lengths > 0.0 { dot(one, other) / lengths } else { 1.0 }
            })
            .collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
        // As the cache keeps them, so that a second run writes the same bytes.
        let kept = |value: f64| f64::from(value as f32);
        Self { mean: kept(mean), min: kept(cosines.iter().copied().fold(1.0, f64::min)), texts: cosines.len() }
    }
}

/// Tells nobody.
const NOBODY: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> Setting<'a> {
    /// The same without the cache and with a report of its own: whatever is asked for is computed.
    #[must_use]
    pub fn uncached(&self) -> Self {
        let Self { root, hub, network, endpoint, embedder, device, now_ms, stage, progress, interrupted, .. } = *self;
        let (cache, rows, report) = (LazyCache::none(), RefCell::default(), RefCell::default());
        Self {
            root,
            hub,
            network,
            endpoint,
            embedder,
            cache,
            device,
            now_ms,
            stage,
            progress,
            interrupted,
            rows,
            queries: RefCell::new(self.queries.borrow().clone()),
            report,
        }
    }

    /// The current folder, no cache, no network, nobody to tell.
    #[must_use]
    pub fn bare(root: &'a Path) -> Self {
        Self {
            root,
            hub: None,
            network: Network::Offline,
            endpoint: None,
            embedder: None,
            cache: LazyCache::none(),
            device: Device::Cpu,
            now_ms: 0,
            stage: &|_| {},
            progress: NOBODY,
            interrupted: &NEVER,
            rows: RefCell::default(),
            queries: RefCell::default(),
            report: RefCell::default(),
        }
    }
}
