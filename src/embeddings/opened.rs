//! A sentence-transformers folder, opened with a user's wishes: found by path or name, its recipe changed where the user
//! wants something else, its identity worked out. Tokenizer and weights are read when they are needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::Array2;

use super::candle_network::CandleNetwork;
use super::context::{Device, EmbedContext};
use super::encoder::{Network, Watch};
use super::folder::{Folder, Hub, PoolingMode, Prompt, Step, Tokenizer, Tokens};
use super::identity::{FORMAT_VERSION, Identity};
use super::text_report::TextReport;
use super::truncation::{Cut, Joined, Plan, Truncate};
use crate::catalog::{Params, known_hint};
use crate::error::{Error, Result};
use crate::fs::{sha256, sha256_file};
use crate::kernels::Dtype;

/// What the user wants of a sentence encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// A folder, or a name on the hub.
    pub model: String,
    pooling: Option<PoolingMode>,
    max_length: Option<usize>,
    normalize: Option<bool>,
    prompt: Option<String>,
    prompt_name: Option<String>,
    /// Numbers of the linear layers.
    pub dtype: Dtype,
    /// What becomes of texts that are too long.
    pub truncate: Truncate,
    /// Whether texts are cleaned and brought to NFC.
    pub normalize_unicode: bool,
}

impl Wish {
    /// The wishes that checked parameters hold.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        let text = |name| params.get(name).as_str().map(str::to_owned);
        Self {
            model: params.str("model").to_owned(),
            pooling: text("pooling").and_then(|name| PoolingMode::find(&name)),
            max_length: params.usize_opt("max_length"),
            normalize: params.get("normalize").as_bool(),
            prompt: text("prompt"),
            prompt_name: text("prompt_name"),
            dtype: Dtype::find(params.str("dtype")).unwrap_or(Dtype::F32),
            truncate: Truncate::find(params.str("truncate")).unwrap_or(Truncate::Warn),
            normalize_unicode: params.bool("normalize_unicode"),
        }
    }
}

/// An opened folder.
pub struct Opened {
    folder: Folder,
    revision: Option<String>,
    /// Tokens of a text that are read, special ones included.
    pub max_length: usize,
    prompt: String,
    tokenizer: OnceLock<(Tokenizer, Prompt)>,
}

/// Finds the folder: a path under the root, else a name of the hub. What came from a folder is never asked of the hub.
fn find(model: &str, trained: Option<&Identity>, context: &EmbedContext<'_>) -> Result<(PathBuf, Option<String>)> {
    if let Some(moved) = context.embedder.filter(|_| trained.is_some()) {
        return Ok((moved.to_path_buf(), trained.and_then(|trained| trained.revision.clone())));
    }
    let path = context.root.join(model);
    if path.is_dir() {
        return Ok((path, None));
    }
    let revision = trained.and_then(|trained| trained.revision.as_deref());
    let in_a_folder = model.split_once('/').is_some_and(|(first, _)| context.root.join(first).is_dir());
    let is_path = model.starts_with(['.', '/', '~']) || model.matches('/').count() > 1 || in_a_folder;
    if is_path || path.exists() || (trained.is_some() && revision.is_none()) {
        let what = if path.exists() { "is a file, not a model folder" } else { "is not there" };
        return Err(Error::not_found(format!("the model folder `{}` {what}", path.display())).hint(match trained {
            Some(_) => "`--embedder DIR` says where the model's sentence encoder lies now",
            None => "paths in a config are relative to the project's root",
        }));
    }
    let downloading = |file: &str, so_far: u64, total: u64| {
        (context.stage)(&format!("downloading {file}, {} %", so_far * 100 / total.max(1)));
    };
    let EmbedContext { hub: cache, network, endpoint, .. } = *context;
    let hub = Hub { cache, network, endpoint, progress: &downloading };
    let found = hub.find(model, revision).map_err(|mut error| {
        error.message = format!("there is no folder `{}`, and {}", path.display(), error.message);
        error
    })?;
    Ok((found.folder, Some(found.revision)))
}

impl Opened {
    /// Opens a folder; for an embedder that came with a model, the one of training: its revision is pinned.
    ///
    /// # Errors
    /// `NotFound` for a missing folder or file, `Failed` for a damaged one, `Invalid` for what is not supported or for a
    /// wish that the model cannot fulfil.
    pub fn open(wish: &Wish, trained: Option<&Identity>, context: &EmbedContext<'_>) -> Result<Self> {
        let (path, revision) = find(&wish.model, trained, context)?;
        let mut folder = Folder::open(&path)?;
        let max_length = folder.max_length(wish.max_length)?;
        change(&mut folder, wish)?;
        let prompt = prompt(&folder, wish)?;
        Ok(Self { folder, revision, max_length, prompt, tokenizer: OnceLock::new() })
    }

    /// What a person should know about the folder.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.folder.recipe.notes.clone()
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Length of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.folder.dimensions()
    }

    /// Who this is. Large files are hashed once: the cache remembers their digests, and `report` is told when it cannot be used.
    ///
    /// # Errors
    /// `Failed` when a file cannot be read.
    pub fn identity(&self, wish: &Wish, context: &EmbedContext<'_>, report: &mut TextReport) -> Result<Identity> {
        let cache = context.cache.get(context.now_ms, |text| report.note(text));
        let digests = self.folder.digests(&|path| match cache {
            Some(cache) => cache.file_digest(path).or_else(|_| Ok(sha256_file(path)?.1)),
            None => Ok(sha256_file(path)?.1),
        })?;
        Ok(Identity {
            format_version: FORMAT_VERSION,
            model: wish.model.clone(),
            revision: self.revision.clone(),
            architecture: self.folder.config.architecture.name().to_owned(),
            dimensions: self.dimensions(),
            modules: self.folder.recipe.steps.iter().map(described).collect(),
            max_length: self.max_length,
            prompt: self.prompt.clone(),
            lower_case: self.folder.recipe.lower_case,
            dtype: wish.dtype.name().to_owned(),
            // Whether one is told or stopped does not change a vector.
            truncate: wish.truncate.lenient().name().to_owned(),
            normalize_unicode: wish.normalize_unicode,
            config_sha256: group(&digests.files, |name| name.ends_with("config.json") && !name.contains("tokenizer")),
            weights_sha256: group(&digests.files, |name| {
                name.contains("safetensors") || name.contains("pytorch_model")
            }),
            tokenizer_sha256: digests.tokenizer,
            cosine_to_f32: None,
        })
    }

    /// The tokenizer and the prompt, counted in its tokens.
    ///
    /// # Errors
    /// Those of `Tokenizer::open`.
    pub fn tokenizer(&self) -> Result<&(Tokenizer, Prompt)> {
        if self.tokenizer.get().is_none() {
            let tokenizer = Tokenizer::open(&self.folder)?;
            let prompt = tokenizer.prompt(&self.prompt)?;
            let _ = self.tokenizer.set((tokenizer, prompt));
        }
        Ok(self.tokenizer.get().expect("it was just opened"))
    }

    /// Tokenises texts and plans their sequences; each text comes with its number, for errors.
    ///
    /// # Errors
    /// `Invalid` when a text is too long and must not be, or has a token that the network does not know.
    pub fn plan<'t>(&self, wish: &Wish, texts: impl Iterator<Item = (usize, &'t str)>) -> Result<Plan> {
        let (tokenizer, prompt) = self.tokenizer()?;
        let (rows, texts): (Vec<usize>, Vec<&str>) = texts.unzip();
        let bodies = tokenizer.encode(&texts, prompt, &rows)?;
        let joined = if self.folder.recipe.normalizes() { Joined::Unit } else { Joined::AsIs };
        Cut { tokenizer, prompt, max_length: self.max_length, truncate: wish.truncate, joined }.plan(&bodies, &rows)
    }

    /// The network with its weights.
    ///
    /// # Errors
    /// `Failed` when a weights file is damaged or does not fit.
    pub fn network(&self, dtype: Dtype, device: Device) -> Result<AnyNetwork> {
        let (config, weights, modules) = (&self.folder.config, self.folder.weights()?, self.folder.modules()?);
        Ok(match device {
            Device::Cpu => AnyNetwork::Cpu(Network::load(config, &weights, modules, dtype)?),
            Device::Cuda(_) => AnyNetwork::Gpu(CandleNetwork::load(config, &weights, modules, dtype, device)?),
        })
    }
}

/// A network on the device that was asked for.
pub enum AnyNetwork {
    /// With the kernels of this crate.
    Cpu(Network),
    /// With candle's.
    Gpu(CandleNetwork),
}

impl AnyNetwork {
    /// One vector a sequence, in the order given.
    ///
    /// # Errors
    /// Those of the network.
    pub fn embed(&self, sequences: &[Tokens], watch: &Watch<'_>) -> Result<Array2<f32>> {
        match self {
            Self::Cpu(network) => network.embed(sequences, watch),
            Self::Gpu(network) => network.embed(sequences, watch),
        }
    }
}

/// One digest over those files of a folder whose names are wanted.
fn group(files: &BTreeMap<String, String>, wanted: impl Fn(&str) -> bool) -> String {
    let lines = files.iter().filter(|(name, _)| wanted(name)).map(|(name, digest)| format!("{digest}  {name}\n"));
    sha256(lines.collect::<String>().as_bytes())
}

/// A step in a few words: `pooling(mean)`, `dense(32 -> 16, tanh)`.
fn described(step: &Step) -> String {
    match step {
        Step::Pooling(pooling) => {
            let modes: Vec<&str> = pooling.modes.iter().map(|mode| mode.name()).collect();
            let prompt = if pooling.include_prompt { "" } else { ", without prompt" };
            format!("pooling({}{prompt})", modes.join("+"))
        }
        Step::Dense { n_in, n_out, bias, activation, .. } => {
            let bias = if *bias { "" } else { ", no bias" };
            format!("dense({n_in} -> {n_out}, {activation:?}{bias})").to_lowercase()
        }
        Step::LayerNorm { width, .. } => format!("layer_norm({width})"),
        Step::Normalize => "normalize".to_owned(),
    }
}

/// Changes the recipe to what the user wants.
fn change(folder: &mut Folder, wish: &Wish) -> Result<()> {
    let steps = &mut folder.recipe.steps;
    if let Some(mode) = wish.pooling {
        for step in &mut *steps {
            if let Step::Pooling(pooling) = step {
                pooling.modes = vec![mode];
            }
        }
    }
    match wish.normalize {
        Some(true) if steps.last() != Some(&Step::Normalize) => steps.push(Step::Normalize),
        Some(false) => steps.retain(|step| *step != Step::Normalize),
        _ => {}
    }
    // A dense step that follows takes vectors of one width only.
    let mut width = folder.config.hidden_size;
    for step in &*steps {
        match step {
            Step::Pooling(pooling) => width *= pooling.modes.len(),
            Step::Dense { n_in, .. } if *n_in != width => {
                return Err(Error::invalid(format!(
                    "`pooling` gives {width} numbers, the dense step after it takes {n_in}"
                ))
                .hint("leave `pooling` out for the folder's own"));
            }
            Step::Dense { n_out, .. } => width = *n_out,
            Step::LayerNorm { .. } | Step::Normalize => {}
        }
    }
    Ok(())
}

/// The text before each text: the user's own, one of the folder's by name, or the folder's default.
fn prompt(folder: &Folder, wish: &Wish) -> Result<String> {
    let recipe = &folder.recipe;
    let named = |name: &str| {
        let known = || recipe.prompts.keys().map(String::as_str).collect::<Vec<_>>();
        recipe.prompts.get(name).cloned().ok_or_else(|| {
            let hint = if known().is_empty() { "it has none".to_owned() } else { known_hint(name, known()) };
            Error::invalid(format!("`{}` has no prompt `{name}`", folder.path.display())).hint(hint)
        })
    };
    match (&wish.prompt, &wish.prompt_name) {
        (Some(_), Some(_)) => Err(Error::invalid("`prompt` and `prompt_name` are both given").hint("leave one out")),
        (Some(text), None) => Ok(text.clone()),
        (None, Some(name)) => named(name),
        (None, None) => recipe.default_prompt.as_deref().map_or(Ok(String::new()), named),
    }
}
