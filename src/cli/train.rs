//! `mlops train`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::error;
use crate::answers;
use crate::answers::format::plural;
use crate::answers::train::Trained;
use crate::config::{self, Override};
use crate::error::{Error, Result};
use crate::workflows::Session;
use crate::workflows::promote::{self, promote};
use crate::workflows::resume::Resume;
use crate::workflows::seeds::{Seeds, train_seeds};
use crate::workflows::train::{Outcome, Request};

const EXAMPLES: &str = "\
Examples:
  mlops train experiments/reviews_lr/config.yaml
  mlops train experiments/*/config.yaml --set seed=7
  mlops train experiments/reviews_lr/config.yaml --set model.params.C=0.1 --promote
  mlops train experiments/ranking_lambdarank/config.yaml --set seeds=[1,2,3]
  mlops train experiments/ranking_lambdarank/config.yaml --resume";

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Experiment configs; each is trained
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    /// Another value for a key of the config: model.params.C=0.1
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run's name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Go on where an interrupted training of the same config stood: the newest, or this run
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    resume: Option<String>,
    /// Send the new version through its gate; of several configs the best one
    #[arg(long)]
    promote: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

#[derive(Serialize)]
struct Answer {
    trained: Vec<Outcome>,
    /// For configs with several seeds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<Seeds>,
    promotion: Option<promote::Outcome>,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let overrides = args.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    // Every mistake of every config is told before the first row is read.
    let mut problems = Vec::new();
    let mut experiments = Vec::new();
    for path in &args.configs {
        match config::load(path, &overrides) {
            Ok(experiment) => experiments.push(experiment),
            Err(error) if args.configs.len() == 1 || error.problems.is_empty() => return Err(error),
            Err(error) => problems.extend(error.problems),
        }
    }
    if !problems.is_empty() {
        let count = plural(problems.len(), "problem");
        return Err(Error::invalid(format!("{count} in {} configs", args.configs.len())).with_problems(problems));
    }
    let best = experiments[0].config.evaluation.primary.clone();
    let answer = door.work(Records::Runs, |session| {
        let (mut trained, mut seeds) = (Vec::new(), Vec::new());
        for experiment in experiments {
            let resume = args.resume.as_ref().map(|run| match run.as_str() {
                "" => Resume::Newest,
                run => Resume::Run(run.to_owned()),
            });
            let request = Request { experiment, run_name: args.name.clone(), resume, tags: Vec::new() };
            match train_seeds(session, request, &mut trained) {
                Ok(found) => seeds.extend(found),
                Err(error) => {
                    remember(session, &trained);
                    return Err(error);
                }
            }
        }
        let promotion = if args.promote {
            let candidates = trained.iter().map(|one: &Outcome| format!("{}/{}", one.model, one.version.0)).collect();
            let best = (trained.len() > 1).then_some(best);
            let request = promote::Request { candidates, best, ..promote::Request::default() };
            Some(promote(session, &request).inspect_err(|_| remember(session, &trained))?)
        } else {
            None
        };
        Ok(Answer { trained, seeds, promotion })
    })?;
    if !door.global.quiet && !door.global.json {
        // Several seeds say the same of the same rows.
        let told: BTreeSet<&String> = answer.trained.iter().flat_map(|one| &one.warnings).collect();
        told.into_iter().for_each(|text| error::warning(text));
    }
    door.show("train", &answer, || {
        answers::train::document(Trained {
            runs: &answer.trained,
            seeds: &answer.seeds,
            promotion: answer.promotion.as_ref(),
            brief: door.global.quiet,
        })
    })?;
    Ok(ExitCode::from(answer.promotion.as_ref().map_or(0, answers::promote::exit_code)))
}

/// Notes what was trained before something failed: it is there and can be promoted.
fn remember(session: &Session<'_>, trained: &[Outcome]) {
    for one in trained {
        let (model, version) = (&one.model, one.version);
        session.note(format!("{model} {version} is trained and registered: `mlops promote {model}/{}`", version.0));
    }
}

/// Loads one config with overrides.
pub fn load(path: &Path, set: &[String]) -> Result<config::Experiment> {
    let overrides = set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    config::load(path, &overrides)
}
