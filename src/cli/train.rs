//! `mlops train`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::door::{Door, Records, shown};
use super::embedding_args::EmbeddingArgs;
use super::evaluation_ranking;
use super::promote::{code, describe};
use super::ui::style::{bold, dim};
use super::ui::{Align, error, format, table};
use crate::config::{self, Override};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::metrics::Detail;
use crate::tasks::kind_of;
use crate::workflows::Session;
use crate::workflows::promote::{self, promote};
use crate::workflows::resume::Resume;
use crate::workflows::seeds::{SeedRun, Seeds, Spread, train_seeds};
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
        let count = super::ui::format::plural(problems.len(), "problem");
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
    door.answer("train", &answer, || {
        let quiet = door.global.quiet;
        let of_seeds =
            |one: &Outcome| answer.seeds.iter().any(|all| all.runs.iter().any(|run| run.run_id == one.run_id));
        let told = answer.trained.iter().map(|one| summary(one, quiet || of_seeds(one)));
        let mut text: String = told.chain(answer.seeds.iter().map(over_seeds)).collect();
        match &answer.promotion {
            Some(promotion) => text += &describe(promotion),
            None if !door.global.quiet => text += &next(&answer.trained),
            None => {}
        }
        text
    })?;
    Ok(ExitCode::from(answer.promotion.as_ref().map_or(0, code)))
}

/// Notes what was trained before something failed: it is there and can be promoted.
fn remember(session: &Session<'_>, trained: &[Outcome]) {
    for one in trained {
        let (model, version) = (&one.model, one.version);
        session.note(format!("{model} {version} is trained and registered: `mlops promote {model}/{}`", version.0));
    }
}

fn summary(outcome: &Outcome, quiet: bool) -> String {
    let rows = &outcome.rows;
    let head = format!("{} {}", outcome.model, outcome.version);
    let primary = outcome.metrics.get(&Part::Test).and_then(|test| test.metrics.get(&outcome.shown[0]));
    if quiet {
        let value = primary.map_or_else(String::new, format::estimate);
        return format!("{head}  {} {value}  {}\n", outcome.shown[0], shown(&outcome.folder));
    }
    let mut text =
        format!("{}  {}\n", bold(&head), dim(&format!("{} of experiment {}", outcome.kind, outcome.experiment)));
    let ranking = outcome.labels.is_empty();
    text += &format!(
        "{:<9} {}: {} train, {} validation, {} test\n",
        kind_of(outcome.task).words().rows,
        format::count(rows.read),
        format::count(rows.train),
        format::count(rows.validation),
        format::count(rows.test)
    );
    if ranking {
        text += &queries(outcome);
    }
    for (count, what) in [(rows.skipped_without_label, "label"), (rows.skipped_without_input, "text or vector")] {
        if count > 0 {
            text += &format!("skipped   {} without a {what}\n", format::plural(count, "row"));
        }
    }
    if let [negative, positive] = outcome.labels.as_slice() {
        text += &format!("classes   {positive} is positive, {negative} negative\n");
    } else if !ranking {
        text += &format!("classes   {} (macro averages)\n", outcome.labels.join(", "));
    }
    let fit = outcome.seconds.get("fit").copied().unwrap_or_default();
    let fact = |name: &str| outcome.facts.get(name).copied();
    let steps = match (fact("n_iter"), fact("epochs"), fact("best_epoch"), fact("n_trees")) {
        (Some(count), ..) => format!(", {count:.0} iterations"),
        (_, Some(epochs), Some(best), _) => format!(", {epochs:.0} epochs, the best was {best:.0}"),
        (.., Some(trees)) => format!(", {trees:.0} trees"),
        _ => String::new(),
    };
    text += &format!("fit       {} features in {}{steps}\n\n", format::count(outcome.n_features), format::seconds(fit));
    text += &metrics_table(outcome);
    text += &threshold(outcome);
    if let Some(test) = outcome.metrics.get(&Part::Test) {
        match &test.detail {
            Detail::Classes(detail) => text += &super::evaluation::subgroups(detail, &outcome.shown),
            Detail::Queries(detail) => {
                text += "\n";
                let (primary, facts) = (&outcome.shown[0], &detail.facts);
                if let (Some(estimate), true) = (test.metrics.get(primary), facts.empty > 0) {
                    text += &format!("{primary} {} {}\n", format::estimate(estimate), facts.behind(primary));
                }
                text += &evaluation_ranking::conventions(detail);
            }
        }
    }
    if let Some(run) = &outcome.resumed {
        text += &format!("\nresumed   from run {}\n", run.short());
    }
    text += &format!("\nmodel     {}\n", shown(&outcome.folder));
    text += &format!("run       {}  {}\n", outcome.run_id.short(), dim(&shown(&outcome.run_folder)));
    text + "\n"
}

/// How many queries there are in each part.
fn queries(outcome: &Outcome) -> String {
    let count = |(part, one): (&Part, &crate::metrics::Evaluation)| {
        let facts = &one.queries()?.facts;
        Some(format!("{} {}", format::count(facts.queries), part.name()))
    };
    let counts: Vec<String> = outcome.metrics.iter().filter_map(count).collect();
    format!("queries   {}\n", counts.join(", "))
}

/// The runs of a config with several seeds: a row a seed, then mean and standard deviation.
fn over_seeds(all: &Seeds) -> String {
    let mut columns = vec![("seed", Align::Left), ("version", Align::Left)];
    columns.extend(all.metrics.iter().map(|spread| (spread.metric.as_str(), Align::Right)));
    let row = |(at, run): (usize, &SeedRun)| {
        let values = all.metrics.iter().map(|spread| format::optional(spread.values[at]));
        [run.seed.to_string(), run.version.to_string()].into_iter().chain(values).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = all.runs.iter().enumerate().map(row).collect();
    for (name, value) in [("mean", 0), ("SD", 1)] {
        let of = |spread: &Spread| format::optional(if value == 0 { spread.mean } else { spread.sd });
        rows.push([name.to_owned(), String::new()].into_iter().chain(all.metrics.iter().map(of)).collect());
    }
    let seeds = format::plural(all.runs.len(), "seed");
    format!("\n{} of experiment {} on its test rows\n{}\n", bold(&seeds), all.experiment, table(&columns, &rows))
}

/// A row a metric, a column a part: it fits a terminal of 80 columns, however many metrics there are.
fn metrics_table(outcome: &Outcome) -> String {
    let test = outcome.metrics.get(&Part::Test);
    let interval =
        |name: &String| test.and_then(|test| test.metrics.get(name)).map_or_else(String::new, format::interval);
    let mut columns = vec![("metric", Align::Left)];
    columns.extend(outcome.metrics.keys().map(|part| (part.name(), Align::Right)));
    let intervals = outcome.shown.iter().any(|name| !interval(name).is_empty());
    if intervals {
        columns.push(("95 % (test)", Align::Right));
    }
    let rows: Vec<Vec<String>> = outcome
        .shown
        .iter()
        .map(|name| {
            let value =
                |one: &crate::metrics::Evaluation| one.metrics.get(name).map_or_else(String::new, format::estimate);
            let mut row: Vec<String> =
                std::iter::once(name.clone()).chain(outcome.metrics.values().map(value)).collect();
            row.extend(intervals.then(|| interval(name)));
            row
        })
        .collect();
    table(&columns, &rows)
}

/// Where rows are decided, when that is not at 0.5, and what the shown metrics would be there.
fn threshold(outcome: &Outcome) -> String {
    let classes = outcome.metrics.get(&Part::Test).and_then(|test| test.classes());
    let Some(test) = classes.filter(|test| !test.at_half.is_empty()) else {
        return String::new();
    };
    let why = outcome.threshold_chosen.as_ref().map_or_else(String::new, |chosen| {
        format!(
            ", the best for {} on {}: {} (at 0.5 {})",
            chosen.metric,
            format::plural(chosen.rows, "validation row"),
            format::value(chosen.value),
            format::optional(chosen.at_half)
        )
    });
    let moved = outcome.shown.iter().filter_map(|name| Some((name, test.at_half.get(name)?)));
    let moved: Vec<String> = moved.map(|(name, estimate)| format!("{name} {}", format::estimate(estimate))).collect();
    let half = if moved.is_empty() { String::new() } else { format!("at 0.5    {} (test)\n", moved.join(", ")) };
    let threshold = super::evaluation::decimals(test.threshold.unwrap_or(0.5));
    format!("\nthreshold {threshold}{why}\n{half}")
}

fn next(trained: &[Outcome]) -> String {
    let selectors: Vec<String> = trained.iter().map(|one| format!("{}/{}", one.model, one.version.0)).collect();
    let command = match selectors.as_slice() {
        [only] => format!("mlops promote {only}"),
        several => format!("mlops promote --best {} {}", trained[0].shown[0], several.join(" ")),
    };
    format!("next: {}\n", bold(&command))
}

/// Loads one config with overrides.
pub fn load(path: &Path, set: &[String]) -> Result<config::Experiment> {
    let overrides = set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    config::load(path, &overrides)
}
