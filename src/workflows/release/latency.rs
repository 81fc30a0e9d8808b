//! How long one answer takes: ours and the exported file, per batch size, after a warm-up.
//!
//! Rows are the golden rows, repeated to the size of the batch. `model`: from the features on, when all steps are done (a
//! tf-idf is sparse there), our own code. `onnx`: from the graph's input (vectors, term counts in full width), the fitted
//! steps included, in the independent runtime. `pipeline`: our code from one raw row. So `onnx` does more than `model`
//! where there are steps; compare like with like: two versions by the same subject. All give probabilities and classes.
//!
//! For ranking a batch is one query's list of documents, all give its scores, and `pipeline` (raw features to scores, the
//! steps included: what `onnx` does) is timed at every length.
//!
//! Each repetition is timed alone; quantiles are those of the sorted times (linear interpolation, as NumPy's default).
//! Every size is warmed up for a tenth of the repetitions.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::super::session::Session;
use crate::bundle::{Bundle, Golden};
use crate::data::Features;
use crate::error::{Cause, Error, Result};
use crate::features::{Batch, QueryBounds, Signal};
use crate::onnx::{RUNTIME, Runtime};
use crate::stats::quantile::quantile;
use crate::tasks::{TaskKind, kind_of};

/// The fewest repetitions that quantiles of the tail stand on.
pub const REPETITIONS: usize = 1000;

/// Seconds that one size of those that nobody asked for may take.
const PATIENCE: f64 = 3.0;
/// Cells of a batch at most: 1 GiB of 32-bit numbers.
const LARGEST: usize = 1 << 28;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    /// How often each size is timed.
    pub repetitions: usize,
    /// The sizes, in rows; the usual ones when empty.
    pub batch_sizes: Vec<usize>,
    /// Whether the way from one raw row is timed, too: behind a sentence encoder that takes long.
    pub pipeline: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The format of this record.
    pub format_version: u32,
    /// How often each size was timed.
    pub repetitions: usize,
    /// Repetitions before, that do not count.
    pub warm_up: usize,
    /// Threads of our own code; the runtime of the file uses one.
    pub threads: usize,
    /// The machine: cores, architecture, kernel.
    pub machine: BTreeMap<String, String>,
    /// Columns that the graph takes.
    pub n_inputs: usize,
    /// Columns that the model sees.
    pub n_features: usize,
    /// Who ran the file.
    pub runtime: String,
    /// One entry for each subject and size.
    pub timings: Vec<Timing>,
}

/// The times of one subject at one size, in microseconds for the whole batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// `model`, `onnx` or `pipeline`.
    pub subject: String,
    /// Rows at once.
    pub batch_size: usize,
    /// The median.
    pub p50_us: f64,
    /// 95 of 100 are at most this.
    pub p95_us: f64,
    /// 99 of 100 are at most this.
    pub p99_us: f64,
}

impl Latency {
    /// The times of a subject at a size.
    #[must_use]
    pub fn timing(&self, subject: &str, batch_size: usize) -> Option<&Timing> {
        self.timings.iter().find(|timing| timing.subject == subject && timing.batch_size == batch_size)
    }
}

/// Measures a model and its file.
///
/// # Errors
/// `Invalid` without repetitions, sizes or golden rows; what the model says.
pub fn measure(
    session: &Session<'_>,
    bundle: &Bundle,
    runtime: Option<&Runtime>,
    golden: &Golden,
    benchmark: &Benchmark,
) -> Result<Latency> {
    if benchmark.repetitions == 0 || benchmark.batch_sizes.contains(&0) {
        return Err(Error::invalid("repetitions and batch sizes are at least 1"));
    }
    let sizes = if benchmark.batch_sizes.is_empty() {
        usual_sizes(kind_of(bundle.schema.task()), bundle.features.input_width())
    } else {
        benchmark.batch_sizes.clone()
    };
    let (largest, width) = (sizes.iter().max().copied().unwrap_or(1), bundle.features.input_width());
    if largest.saturating_mul(width) > LARGEST {
        return Err(Error::invalid(format!(
            "a batch of {largest} rows of {width} columns does not fit into the memory"
        ))
        .hint(format!("at most {} rows here", LARGEST / width.max(1))));
    }
    if golden.scores.is_empty() {
        return Err(Error::invalid("there are no golden rows to measure with").because(Cause::NoGoldenRows));
    }
    // The same texts over and over: neither a cache of vectors nor a report of truncated texts belongs here.
    let context = session.embedding.uncached();
    let one_query = |signal: Signal, n_rows| Batch::new(signal, QueryBounds::single(n_rows), None);
    let signal = golden.signal("golden rows".as_ref())?;
    let rows = one_query(signal.clone(), golden.scores.len());
    let (inputs, _) = bundle.features.graph_input(rows.clone(), &context)?;
    let (features, _) = bundle.transform(rows, &context)?;
    let (mut timings, mut too_slow) = (Vec::new(), false);
    for size in &sizes {
        session.stage(&format!("measuring batches of {size}"))?;
        let (input, features) = (repeated(&inputs, *size), picked(&features, *size));
        timings.push(timing("model", *size, benchmark, || {
            bundle.model.predict(&features).map(|scores| {
                black_box(bundle.schema.predict(scores));
            })
        })?);
        session.check()?;
        if let Some(runtime) = runtime {
            let run = || {
                runtime.run(&input).map(|outputs| {
                    black_box(outputs);
                })
            };
            // Many trees take the runtime milliseconds a row: sizes that nobody asked for are left out then, and not even
            // tried where a smaller one was too slow.
            let wanted = !benchmark.batch_sizes.is_empty();
            if wanted || !too_slow {
                let start = Instant::now();
                run()?;
                too_slow = start.elapsed().as_secs_f64() * benchmark.repetitions as f64 > PATIENCE;
                if wanted || !too_slow {
                    timings.push(timing("onnx", *size, benchmark, run)?);
                }
            }
        }
    }
    if benchmark.pipeline {
        let together = kind_of(bundle.schema.task()).answers_together();
        let lengths = if together { &sizes[..] } else { &[1] };
        for length in lengths {
            session.check()?;
            let mut at = 0;
            timings.push(timing("pipeline", *length, benchmark, || {
                at += 1;
                let rows = one_query(some(&signal, at % golden.scores.len(), *length), *length);
                bundle.predict(rows, &context).map(|prediction| {
                    black_box(prediction);
                })
            })?);
        }
    }
    let facts = (session.project.surroundings.environment)();
    let wanted = ["arch", "cores", "host", "kernel", "mlops_version", "os"];
    let machine = wanted.into_iter().filter_map(|key| Some((key.to_owned(), facts.get(key)?.clone()))).collect();
    Ok(Latency {
        format_version: 1,
        repetitions: benchmark.repetitions,
        warm_up: warm_up(benchmark),
        threads: rayon::current_num_threads(),
        machine,
        n_inputs: bundle.features.input_width(),
        n_features: bundle.features.n_features(),
        runtime: RUNTIME.to_owned(),
        timings,
    })
}

/// The exported file takes dense rows: a thousand batches of wide ones would take minutes.
fn usual_sizes(kind: &dyn TaskKind, width: usize) -> Vec<usize> {
    const CELLS: usize = 100_000;
    let sizes = kind.batch_sizes();
    sizes.into_iter().filter(|size| *size == 1 || size * width <= CELLS).collect()
}

fn warm_up(benchmark: &Benchmark) -> usize {
    benchmark.repetitions.div_ceil(10)
}

/// Times `work`, each repetition alone.
fn timing(
    subject: &str,
    batch_size: usize,
    benchmark: &Benchmark,
    mut work: impl FnMut() -> Result<()>,
) -> Result<Timing> {
    for _ in 0..warm_up(benchmark) {
        work()?;
    }
    let mut times = Vec::with_capacity(benchmark.repetitions);
    for _ in 0..benchmark.repetitions {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| quantile(&times, share).unwrap_or(f64::NAN);
    Ok(Timing { subject: subject.to_owned(), batch_size, p50_us: at(0.5), p95_us: at(0.95), p99_us: at(0.99) })
}

/// The rows over and over, to this many.
fn repeated(rows: &Array2<f32>, count: usize) -> Array2<f32> {
    let order: Vec<usize> = (0..count).map(|at| at % rows.nrows()).collect();
    rows.select(Axis(0), &order)
}

fn picked(features: &Features, count: usize) -> Features {
    match features {
        Features::Dense(matrix) => Features::Dense(repeated(matrix, count)),
        Features::Sparse(matrix) => {
            let mut rows = crate::data::Csr { n_cols: matrix.n_cols, indptr: vec![0], ..crate::data::Csr::default() };
            for at in 0..count {
                let (indices, values) = matrix.row(at % matrix.n_rows());
                rows.indices.extend(indices);
                rows.values.extend(values);
                rows.indptr.push(rows.indices.len());
            }
            Features::Sparse(rows)
        }
    }
}

/// So many raw rows from this one on, over and over.
fn some(signal: &Signal, first: usize, count: usize) -> Signal {
    let row = |rows: usize, at: usize| (first + at) % rows;
    match signal {
        Signal::Texts(texts) => Signal::Texts((0..count).map(|at| texts[row(texts.len(), at)].clone()).collect()),
        Signal::Matrix(Features::Dense(matrix)) => {
            let order: Vec<usize> = (0..count).map(|at| row(matrix.nrows(), at)).collect();
            Signal::Matrix(Features::Dense(matrix.select(Axis(0), &order)))
        }
        Signal::Matrix(features) => Signal::Matrix(picked(features, count)),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::data::Task;

    #[test]
    fn a_size_is_timed_as_often_as_asked_after_its_warm_up() {
        let benchmark = Benchmark { repetitions: 25, batch_sizes: vec![4], pipeline: false };
        let mut calls = 0;
        let timing = timing("model", 4, &benchmark, || {
            calls += 1;
            Ok(())
        });
        let timing = timing.unwrap();
        assert_eq!(calls, 28);
        assert!(0.0 <= timing.p50_us && timing.p50_us <= timing.p95_us && timing.p95_us <= timing.p99_us);
        let failing = super::timing("model", 4, &benchmark, || Err(Error::failed("no")));
        assert_eq!(failing.unwrap_err().message, "no");
    }

    #[test]
    fn rows_are_repeated_to_the_size() {
        let rows = array![[1.0, 0.0], [0.0, 2.0]];
        let dense = picked(&Features::Dense(rows.clone()), 3);
        assert_eq!(dense, Features::Dense(array![[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]));
        let sparse = crate::data::Csr { n_cols: 2, indptr: vec![0, 1, 2], indices: vec![0, 1], values: vec![1.0, 2.0] };
        let Features::Sparse(three) = picked(&Features::Sparse(sparse), 3) else { unreachable!("sparse stays sparse") };
        assert_eq!((three.indptr, three.indices, three.values), (vec![0, 1, 2, 3], vec![0, 1, 0], vec![1.0, 2.0, 1.0]));
        let Signal::Matrix(from_second) = some(&Signal::Matrix(Features::Dense(rows)), 1, 2) else {
            unreachable!("a matrix stays one")
        };
        assert_eq!(from_second, Features::Dense(array![[0.0, 2.0], [1.0, 0.0]]));
        assert_eq!(some(&Signal::Texts(vec!["a".into()]), 0, 2), Signal::Texts(vec!["a".into(), "a".into()]));
    }

    #[test]
    fn lists_of_documents_are_longer_than_batches_of_rows() {
        let [classification, ranking] = Task::ALL.map(kind_of);
        assert_eq!(usual_sizes(classification, 46), [1, 8, 32, 100]);
        assert_eq!(usual_sizes(ranking, 46), [1, 10, 100, 1000]);
        assert_eq!(usual_sizes(ranking, 136), [1, 10, 100]);
    }
}
