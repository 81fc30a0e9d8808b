//! Sentence encoders: any sentence-transformers folder of BERT's family, by its path or its name on the Hugging Face hub.
//!
//! Texts are cleaned, hashed and looked up in the cache; what is not there is tokenised in blocks (the next block while
//! the network works on this one), encoded, and put into the cache block by block, so that a run that was interrupted
//! goes on where it was. Weights are read only when a text has to be computed. A row of the cache is the vector, then the
//! number of the text's tokens and how many of them the vocabulary lacks: truncation is told of cached texts, too.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;
use serde_json::Value;

use super::audit::{Audit, Auditor};
use super::cache::{Cache, Key};
use super::context::{Device, EmbedContext};
use super::embedder::{Embedder, EmbedderKind};
use super::encoder::Watch;
use super::identity::Identity;
use super::opened::{AnyNetwork, Opened, Wish};
use super::text_report::{CosineToF32, TextReport};
use super::truncation::{Plan, Truncate, Truncation};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::error::{Context, Error, Result};
use crate::fs::{read_text, write_atomic};
use crate::kernels::Dtype;
use crate::text::{CleaningCounts, clean};

/// The kind of all embedders that a folder brings.
pub struct SentenceTransformers;

/// The parameters of a sentence encoder; null means: as the folder says.
pub const PARAMS: &[Param] = &[
    Param {
        name: "pooling",
        kind: ParamKind::Choice(&["cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]),
        default: "null",
        about: "how token vectors become one; the folder's own when null",
    },
    Param {
        name: "max_length",
        kind: ParamKind::Integer { min: 3 },
        default: "null",
        about: "tokens of a text that are read; the folder's own when null",
    },
    Param {
        name: "normalize",
        kind: ParamKind::Bool,
        default: "null",
        about: "scale vectors to length 1; as the folder says when null",
    },
    Param { name: "prompt", kind: ParamKind::Text, default: "null", about: "text that is put before each text" },
    Param { name: "prompt_name", kind: ParamKind::Text, default: "null", about: "one of the folder's own prompts" },
    Param {
        name: "dtype",
        kind: ParamKind::Choice(&["f32", "bf16", "int8"]),
        default: r#""f32""#,
        about: "numbers of the linear layers: exact, or faster",
    },
    Param {
        name: "truncate",
        kind: ParamKind::Choice(&["warn", "error", "head-tail", "chunk-mean"]),
        default: r#""warn""#,
        about: "texts that are too long: cut and tell, refuse, keep both ends, or average over pieces",
    },
    Param {
        name: "normalize_unicode",
        kind: ParamKind::Bool,
        default: "true",
        about: "bring texts to Unicode NFC, without zero-width spaces, first",
    },
];

/// Texts of a block, at most: between blocks vectors go into the cache.
const BLOCK_TEXTS: usize = 8192;
/// Bytes of the first block's texts; the later ones are as large as the network's speed allows.
const FIRST_BYTES: usize = 32 << 10;
/// Seconds that a block should take: what an interrupted run loses at most, more or less.
const BLOCK_SECONDS: f64 = 3.0;
/// Texts and tokens that a coarser dtype is measured on, at most.
const MEASURED: (usize, usize) = (32, 2048);

/// A sentence encoder, opened when it is first used.
pub struct SentenceEmbedder {
    wish: Wish,
    /// Who it is: known from training where the embedder came with a model, else once the folder was opened.
    identity: OnceLock<Identity>,
    opened: OnceLock<Opened>,
    network: OnceLock<AnyNetwork>,
}

/// The texts of one call, each once, and what is known of them: a row a text.
struct Work<'a> {
    texts: Vec<&'a str>,
    /// The row of each text in its source, or its place among those that were asked for, from 1.
    numbers: Vec<usize>,
    keys: Vec<Key>,
    /// Vector, number of tokens, number of unknown ones.
    rows: Array2<f32>,
    /// The rows that the cache did not have.
    missing: Vec<usize>,
}

impl SentenceEmbedder {
    fn new(wish: Wish) -> Self {
        Self { wish, identity: OnceLock::new(), opened: OnceLock::new(), network: OnceLock::new() }
    }

    /// The folder, opened once; an embedder that came with a model must be the one of training.
    fn opened(&self, context: &EmbedContext<'_>, report: &mut TextReport) -> Result<&Opened> {
        if self.opened.get().is_none() {
            let trained = self.identity.get();
            let opened = Opened::open(&self.wish, trained, context)?;
            let found = opened.identity(&self.wish, context, report)?;
            if let Some(trained) = trained.filter(|trained| trained.digest() != found.digest()) {
                let message =
                    format!("`{}` is not the embedder that the model was trained with", opened.path().display());
                return Err(Error::invalid(message).hint(trained.differences(&found).join("; ")));
            }
            opened.notes().into_iter().for_each(|note| report.note(note));
            let _ = self.identity.set(found);
            let _ = self.opened.set(opened);
        }
        Ok(self.opened.get().expect("it was just opened"))
    }

    fn who(&self) -> &Identity {
        self.identity.get().expect("an embedder was opened or loaded before it is asked who it is")
    }

    /// Whose vectors these are in the cache: those of a GPU differ in the last digits.
    fn place(&self, context: &EmbedContext<'_>) -> String {
        match context.device {
            Device::Cpu => self.who().digest(),
            Device::Cuda(_) => format!("cuda:{}", self.who().digest()),
        }
    }

    /// The network, loaded once.
    fn network(&self, opened: &Opened, context: &EmbedContext<'_>) -> Result<&AnyNetwork> {
        if self.network.get().is_none() {
            let _ = self.network.set(opened.network(self.wish.dtype, context.device)?);
        }
        Ok(self.network.get().expect("it was just loaded"))
    }

    /// Computes the rows that are missing, block by block; what is finished is in the cache, whatever comes after.
    fn compute(
        &self,
        work: &mut Work<'_>,
        cache: Option<&Cache>,
        context: &EmbedContext<'_>,
        report: &mut TextReport,
    ) -> Result<()> {
        let opened = self.opened(context, report)?;
        let (total, mut budget) = (work.missing.len(), FIRST_BYTES);
        let (texts, numbers) = (std::mem::take(&mut work.texts), std::mem::take(&mut work.numbers));
        let missing = std::mem::take(&mut work.missing);
        let plan = |rows: &[usize]| opened.plan(&self.wish, rows.iter().map(|row| (numbers[*row], texts[*row])));
        let clock = Instant::now();
        opened.tokenizer()?;
        let network = self.network(opened, context)?;
        report.lap("load", clock);
        let clock = Instant::now();
        let mut rows = block(&missing, &texts, budget);
        let mut present = plan(rows)?;
        report.lap("tokenize", clock);
        let (interrupted, progress) = (context.interrupted, context.progress);
        let mut finished = 0;
        loop {
            let rest = &missing[finished + rows.len()..];
            let coming = if rest.is_empty() { rest } else { block(rest, &texts, budget) };
            let (done, of) = (AtomicUsize::new(0), present.sequences.len().max(1));
            let tell = |more: usize| {
                let so_far = done.fetch_add(more, Ordering::Relaxed) + more;
                progress(finished + rows.len() * so_far / of, total);
            };
            let watch = Watch { done: &tell, interrupted };
            let clock = Instant::now();
            let (vectors, next) = rayon::join(|| network.embed(&present.sequences, &watch), || plan(coming));
            let joined = present.join(vectors?);
            let took = clock.elapsed().as_secs_f64();
            report.lap("encode", clock);
            if let Some(at) = joined.outer_iter().position(|vector| vector.iter().any(|number| !number.is_finite())) {
                let (model, row) = (&self.wish.model, numbers[rows[at]]);
                return Err(Error::failed(format!("`{model}` gives no finite vector for the text of row {row}"))
                    .hint("its weights are damaged, or made for another precision"));
            }
            work.fill(rows, &present, &joined);
            if let Some(note) = self.remember(work, rows, cache, context) {
                report.note(note);
            }
            finished += rows.len();
            let bytes: usize = rows.iter().map(|row| texts[*row].len()).sum();
            budget = ((bytes as f64 / took.max(1e-3) * BLOCK_SECONDS) as usize).max(FIRST_BYTES);
            if coming.is_empty() {
                return Ok(());
            }
            (rows, present) = (coming, next?);
        }
    }

    /// Puts the rows of a block into the cache; returns a note when they cannot be written.
    fn remember(
        &self,
        work: &Work<'_>,
        block: &[usize],
        cache: Option<&Cache>,
        context: &EmbedContext<'_>,
    ) -> Option<String> {
        let keys: Vec<Key> = block.iter().map(|row| work.keys[*row]).collect();
        let rows = work.rows.select(Axis(0), block);
        cache?.put_many(&self.place(context), &keys, rows.view()).err().map(|error| not_cached(&error))
    }

    /// How near the vectors of this dtype are to those of f32, on some of the texts.
    fn measure(
        &self,
        texts: &[String],
        context: &EmbedContext<'_>,
        report: &mut TextReport,
    ) -> Result<Option<CosineToF32>> {
        if self.wish.dtype == Dtype::F32 || texts.is_empty() {
            return Ok(None);
        }
        let opened = self.opened(context, report)?;
        let cache = context.cache.get(context.now_ms, |text| report.note(text));
        let (place, key) = (format!("{}:cosine_to_f32", self.place(context)), [Key::of("cosine_to_f32")]);
        let mut known = Array2::zeros((1, 3));
        if let Some(cache) = cache
            && cache.get_many(&place, &key, known.view_mut()).is_ok_and(|missing| missing.is_empty())
        {
            let [mean, min, texts] = [0, 1, 2].map(|at| f64::from(known[[0, at]]));
            return Ok(Some(CosineToF32 { mean, min, texts: texts as usize }));
        }
        let some = texts.iter().step_by(texts.len().div_ceil(MEASURED.0).max(1));
        let cleaned: Vec<Cow<'_, str>> = some.map(|text| self.cleaned(text)).collect();
        // Whether a text is too long is said when all of them are looked at.
        let mut lenient = self.wish.clone();
        lenient.truncate = lenient.truncate.lenient();
        let mut sequences =
            opened.plan(&lenient, cleaned.iter().enumerate().map(|(at, text)| (at + 1, &**text)))?.sequences;
        let mut tokens = 0;
        let fits = sequences.iter().take_while(|sequence| {
            tokens += sequence.ids.len();
            tokens <= MEASURED.1
        });
        sequences.truncate(fits.count().max(1));
        let watch = Watch { done: &|_| {}, interrupted: context.interrupted };
        // One network after the other: both need not be in memory.
        let exact = opened.network(Dtype::F32, context.device)?.embed(&sequences, &watch)?;
        let coarse = self.network(opened, context)?.embed(&sequences, &watch)?;
        let measured = CosineToF32::between(&exact, &coarse);
        if let Some(cache) = cache {
            let row = [measured.mean, measured.min, measured.texts as f64].map(|value| value as f32);
            let _ = cache.put_many(&place, &key, ArrayView2::from(&[row]));
        }
        Ok(Some(measured))
    }

    fn cleaned<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.wish.normalize_unicode { clean(text) } else { Cow::Borrowed(text) }
    }
}

impl Work<'_> {
    fn fill(&mut self, block: &[usize], plan: &Plan, vectors: &Array2<f32>) {
        let width = vectors.ncols();
        for (at, row) in block.iter().enumerate() {
            let mut into = self.rows.row_mut(*row);
            into.slice_mut(s![..width]).assign(&vectors.row(at));
            into[width] = plan.n_tokens[at] as f32;
            into[width + 1] = plan.n_unknown[at] as f32;
        }
    }
}

/// The rows of the next block: `budget` bytes of text, but at least one text.
fn block<'w>(missing: &'w [usize], texts: &[&str], budget: usize) -> &'w [usize] {
    let mut bytes = 0;
    let fits = missing.iter().take(BLOCK_TEXTS).take_while(|row| {
        bytes += texts[**row].len();
        bytes <= budget
    });
    &missing[..fits.count().max(1).min(missing.len())]
}

/// The first columns of a matrix, in its own memory: of many texts there is no second copy.
fn narrowed(rows: Array2<f32>, width: usize) -> Array2<f32> {
    let (n, wide) = rows.dim();
    let (mut values, _) = rows.into_raw_vec_and_offset();
    for row in 1..n {
        values.copy_within(row * wide..row * wide + width, row * width);
    }
    values.truncate(n * width);
    Array2::from_shape_vec((n, width), values).expect("one row a text")
}

fn not_cached(error: &Error) -> String {
    format!("vectors are not cached: {}", error.message)
}

impl Embedder for SentenceEmbedder {
    fn id(&self) -> String {
        self.who().id()
    }

    fn dimensions(&self) -> usize {
        self.who().dimensions
    }

    fn embed(
        &self,
        texts: &[String],
        row_numbers: Option<&[usize]>,
        context: &EmbedContext<'_>,
    ) -> Result<(Array2<f32>, TextReport)> {
        if let Some(numbers) = row_numbers.filter(|numbers| numbers.len() != texts.len()) {
            return Err(Error::failed(format!("{} texts came with {} row numbers", texts.len(), numbers.len())));
        }
        let mut report = TextReport::default();
        if texts.is_empty() {
            return Ok((Array2::zeros((0, self.dimensions())), report));
        }
        self.opened(context, &mut report)?;
        if self.wish.normalize_unicode {
            report.cleaning = CleaningCounts::of(texts);
        }
        let number = |at: usize| row_numbers.map_or(at + 1, |numbers| numbers[at]);
        let cleaned: Vec<Cow<'_, str>> = texts.par_iter().map(|text| self.cleaned(text)).collect();
        let keys: Vec<Key> = cleaned.par_iter().map(|text| Key::of(text)).collect();
        let (mut first, mut order) = (HashMap::new(), Vec::with_capacity(texts.len()));
        let width = self.dimensions();
        let mut work = Work {
            texts: Vec::new(),
            numbers: Vec::new(),
            keys: Vec::new(),
            rows: Array2::zeros((0, 0)),
            missing: Vec::new(),
        };
        for (at, key) in keys.iter().enumerate() {
            let row = *first.entry(*key).or_insert(work.texts.len());
            order.push(row);
            if row == work.texts.len() {
                work.texts.push(&*cleaned[at]);
                work.numbers.push(number(at));
                work.keys.push(*key);
            }
        }
        work.rows = Array2::zeros((work.texts.len(), width + 2));
        work.missing = (0..work.texts.len()).collect();
        let cache = context.cache.get(context.now_ms, |text| report.note(text));
        if let Some(cache) = cache {
            match cache.get_many(&self.place(context), &work.keys, work.rows.view_mut()) {
                Ok(missing) => work.missing = missing,
                Err(error) => report.note(not_cached(&error)),
            }
        }
        let unknown_rows: HashSet<usize> = work.missing.iter().copied().collect();
        let cached = order.iter().filter(|row| !unknown_rows.contains(row)).count();
        if !work.missing.is_empty() {
            self.compute(&mut work, cache, context, &mut report)?;
        }
        let max_length = self.who().max_length;
        let lengths = order.iter().enumerate().map(|(at, row)| (number(at), work.rows[[*row, width]] as usize));
        let truncation = Truncation::of(max_length, lengths);
        if self.wish.truncate == Truncate::Error
            && let Some(worst) = truncation.worst.first()
        {
            let message = format!("row {} has {} tokens, the model reads {max_length}", worst.row, worst.tokens);
            return Err(Error::invalid(message).hint("`truncate` can be `warn`, `head-tail` or `chunk-mean`"));
        }
        let sum = |column: usize| order.iter().map(|row| work.rows[[*row, column]] as usize).sum::<usize>();
        let (tokens, unknown) = (sum(width), sum(width + 1));
        (report.texts, report.cached, report.computed) = (texts.len(), cached, unknown_rows.len());
        (report.truncation, report.tokens, report.unknown) = (Some(truncation), tokens, unknown);
        if order.len() == work.rows.nrows() {
            return Ok((narrowed(work.rows, width), report));
        }
        Ok((work.rows.slice(s![.., ..width]).select(Axis(0), &order), report))
    }

    fn identity(&self) -> Value {
        serde_json::to_value(self.who()).unwrap_or_default()
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self.who()).context(|| "cannot write an identity".into())?;
        text.push('\n');
        write_atomic(&file(folder, prefix), text.as_bytes())
    }
}

/// Looks at texts without making a vector; `rows` are their row numbers.
///
/// # Errors
/// `NotFound` for a missing folder, `Invalid` for one that is not supported.
pub fn audit(
    params: &Params,
    texts: &[String],
    rows: &[usize],
    context: &EmbedContext<'_>,
) -> Result<(Audit, TextReport)> {
    let embedder = SentenceEmbedder::new(Wish::of(params));
    let opened = Opened::open(&embedder.wish, None, context)?;
    let report = TextReport { notes: opened.notes(), ..TextReport::default() };
    let (tokenizer, prompt) = opened.tokenizer()?;
    let (mut auditor, total) = (Auditor::new(tokenizer, opened.max_length), texts.len());
    for (at, (texts, rows)) in texts.chunks(BLOCK_TEXTS).zip(rows.chunks(BLOCK_TEXTS)).enumerate() {
        if context.interrupted.load(Ordering::Relaxed) {
            return Err(Error::interrupted());
        }
        let cleaned: Vec<Cow<'_, str>> = texts.par_iter().map(|text| embedder.cleaned(text)).collect();
        let bodies = tokenizer.encode(&cleaned, prompt, rows)?;
        auditor.add(texts, &cleaned, &bodies, rows)?;
        (context.progress)(at * BLOCK_TEXTS + texts.len(), total);
    }
    Ok((auditor.finish()?, report))
}

fn file(folder: &Path, prefix: &str) -> PathBuf {
    folder.join(format!("{prefix}embedder.json"))
}

impl Named for SentenceTransformers {
    fn name(&self) -> &'static str {
        "sentence-transformers"
    }

    fn about(&self) -> &'static str {
        "a sentence-transformers folder of the BERT family"
    }
}

impl EmbedderKind for SentenceTransformers {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn check(&self, params: &Params) -> Result<(), ParamProblem> {
        let both = !params.get("prompt").is_null() && !params.get("prompt_name").is_null();
        if both {
            return Err(ParamProblem {
                name: "prompt_name".into(),
                message: "`prompt` and `prompt_name` are both given".into(),
                hint: Some("leave one out".into()),
            });
        }
        Ok(())
    }

    fn prepare(&self, params: &Params, context: &EmbedContext<'_>) -> Result<()> {
        Opened::open(&Wish::of(params), None, context).map(drop)
    }

    fn fit(
        &self,
        params: &Params,
        texts: &[String],
        context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Embedder>, TextReport)> {
        let mut report = TextReport::default();
        let mut embedder = SentenceEmbedder::new(Wish::of(params));
        embedder.opened(context, &mut report)?;
        if let Some(measured) = embedder.measure(texts, context, &mut report)? {
            report.cosine_to_f32 = Some(measured);
            if let Some(identity) = embedder.identity.get_mut() {
                identity.cosine_to_f32 = Some(measured);
            }
        }
        Ok((Box::new(embedder), report))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Embedder>> {
        let path = file(folder, prefix);
        let identity: Identity =
            serde_json::from_str(&read_text(&path)?).context(|| format!("`{}` is damaged", path.display()))?;
        let embedder = SentenceEmbedder::new(Wish::of(params));
        let _ = embedder.identity.set(identity);
        Ok(Box::new(embedder))
    }
}
