//! One config with several seeds: a training for each, and what the seeds make of the numbers.
//!
//! mean ± SD of the test metrics, SD with divisor n − 1 (as pandas' `std`): how much of a difference between two configs may be
//! nothing but the draw of the initial weights and of the batches.

use serde::Serialize;

use super::session::Session;
use super::train::{Outcome, Request, train};
use crate::config::{Experiment, resolve};
use crate::data::{Part, Split};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{ExperimentName, RunId, Version};

/// The runs of one config.
#[derive(Debug, Serialize)]
pub struct Seeds {
    /// Their experiment.
    pub experiment: ExperimentName,
    /// A line a seed, in the order of the config.
    pub runs: Vec<SeedRun>,
    /// The test metrics that are shown, the primary one first.
    pub metrics: Vec<Spread>,
}

/// One of the runs.
#[derive(Debug, Serialize)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// Its id.
    pub run_id: RunId,
    /// The version that came of it.
    pub version: Version,
}

/// A test metric over the seeds.
#[derive(Debug, Serialize)]
pub struct Spread {
    /// Its name.
    pub metric: String,
    /// How many seeds have a value.
    pub n: usize,
    /// The mean.
    pub mean: Option<f64>,
    /// The standard deviation, divisor n − 1; none below two values.
    pub sd: Option<f64>,
    /// The value of each seed.
    pub values: Vec<Option<f64>>,
}

/// The experiment once for each of its seeds, with the seed; itself alone where it has one.
///
/// # Errors
/// `Failed` when it cannot be made again, which would be a bug.
pub fn apart(experiment: Experiment) -> Result<Vec<(u64, Experiment)>> {
    let config = &experiment.config;
    if config.seeds.is_empty() {
        return Ok(vec![(config.seed, experiment)]);
    }
    let made = matches!(config.split(), Split::Made { .. });
    let one = |seed: &u64| {
        let mut config = config.clone();
        // All are tested on the same rows: the draw of the split is not what is varied.
        if made {
            config.data.split.seed = config.data.split.seed.or(Some(config.seed));
        }
        (config.seed, config.seeds) = (*seed, Vec::new());
        Ok((*seed, resolve(config)?))
    };
    config.seeds.iter().map(one).collect()
}

/// Trains a config with all its seeds. `trained` gets each outcome as it comes, so that nothing is lost when one fails.
///
/// # Errors
/// As `train`; `Invalid` when several seeds are to be resumed.
pub fn train_seeds(session: &Session<'_>, request: Request, trained: &mut Vec<Outcome>) -> Result<Option<Seeds>> {
    let Request { experiment, run_name, resume, tags } = request;
    if experiment.config.seeds.is_empty() {
        trained.push(train(session, &Request { experiment, run_name, resume, tags })?);
        return Ok(None);
    }
    if resume.is_some() {
        return Err(Error::invalid("one training is resumed at a time, and the config has several seeds")
            .hint("name the one that was interrupted: `--resume=RUN --set seeds=null --set seed=2` (and, where the split is drawn, `--set data.split.seed=` the first of the seeds)"));
    }
    let name = experiment.config.experiment.name.clone();
    let shown = super::train::shown(&experiment);
    let all: Vec<String> = experiment.config.seeds.iter().map(u64::to_string).collect();
    let config = &experiment.config;
    let drawn = match config.split() {
        Split::Made { .. } => {
            format!(" (with `--set data.split.seed={}`)", config.data.split.seed.unwrap_or(config.seed))
        }
        _ => String::new(),
    };
    let first = trained.len();
    let mut seeds = Vec::new();
    for (seed, experiment) in apart(experiment)? {
        let run_name = if run_name.is_empty() { format!("seed {seed}") } else { format!("{run_name} seed {seed}") };
        let tags = [tags.clone(), vec![("seeds".to_owned(), all.join(","))]].concat();
        let outcome =
            train(session, &Request { experiment, run_name, resume: None, tags }).map_err(|error| {
                match (error.kind, &error.hint) {
                    (ErrorKind::Interrupted, Some(_)) => error
                        .hint(format!("`--resume --set seeds=null --set seed={seed}` goes on with this seed{drawn}")),
                    _ => error,
                }
            })?;
        trained.push(outcome);
        seeds.push(seed);
    }
    let outcomes = &trained[first..];
    let runs = seeds.into_iter().zip(outcomes);
    let runs = runs.map(|(seed, one)| SeedRun { seed, run_id: one.run_id.clone(), version: one.version }).collect();
    Ok(Some(Seeds { experiment: name, runs, metrics: shown.iter().map(|metric| spread(metric, outcomes)).collect() }))
}

fn spread(metric: &str, outcomes: &[Outcome]) -> Spread {
    let value = |one: &Outcome| one.metrics.get(&Part::Test).and_then(|test| test.metrics.get(metric)?.value);
    let values: Vec<Option<f64>> = outcomes.iter().map(value).collect();
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let n = known.len();
    let mean = (n > 0).then(|| known.iter().sum::<f64>() / n as f64);
    let squares = mean.map(|mean| known.iter().map(|value| (value - mean).powi(2)).sum::<f64>());
    let sd = squares.filter(|_| n > 1).map(|squares| (squares / (n - 1) as f64).sqrt());
    Spread { metric: metric.to_owned(), n, mean, sd, values }
}
