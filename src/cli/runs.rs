//! `mlops runs`.

use std::process::ExitCode;

use serde_json::json;

use super::door::{Door, Records};
use super::experiments::view;
use super::ui::style::{bold, dim};
use super::ui::{Align, format, table};
use crate::error::{Error, Result};
use crate::metrics::Direction;
use crate::names::{ExperimentName, RunId};
use crate::project::Project;
use crate::tracking::{BOOKKEEPING, Batch, Metric, NewRun, Run, Search, Status};
use crate::workflows::Session;
use crate::workflows::compare::{direction, find_run};

const SEARCH: &str = "\
Examples:
  mlops runs search \"metrics.f1 > 0.8 AND params.model.C = '1.0'\" --order \"metrics.f1 DESC\"
  mlops runs search \"tags.team LIKE 'ml%' OR NOT status = 'FINISHED'\"";

/// Which runs a list shows.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Runs of these experiments only
    #[arg(long, short, value_name = "NAME")]
    experiment: Vec<String>,
    /// The order: `metrics.f1 DESC`, `start_time`, …
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    order: Vec<String>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: usize,
    /// Leave out the first ones
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// The deleted ones
    #[arg(long, conflicts_with = "all")]
    deleted: bool,
    /// The deleted ones too
    #[arg(long)]
    all: bool,
}

/// What to do with runs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest runs
    List {
        /// Also those that only say what was done: predict, compare, promote, rollback, recommend, init
        #[arg(long)]
        commands: bool,
        /// Which ones
        #[command(flatten)]
        which: Which,
    },
    /// The runs that fit a filter
    #[command(after_help = SEARCH)]
    Search {
        /// AND, OR, NOT, brackets; `metrics.K`, `params.K`, `tags.K`, `status`, `start_time`, …; = != < <= > >= LIKE IN IS NULL
        filter: String,
        /// Which ones
        #[command(flatten)]
        which: Which,
    },
    /// One run with everything
    Show {
        /// An id or a unique prefix, `@latest`, `@best:f1`
        run: String,
    },
    /// The run with the best value of a metric
    Best {
        /// The metric
        #[arg(long, default_value = "f1")]
        metric: String,
        /// Among the runs of this experiment
        #[arg(long, short, value_name = "NAME")]
        experiment: Option<String>,
        /// Lower is better [default: as the metric says]
        #[arg(long)]
        minimize: bool,
        /// Higher is better
        #[arg(long, conflicts_with = "minimize")]
        maximize: bool,
    },
    /// Every step of a metric
    History {
        /// The run
        run: String,
        /// The metric
        metric: String,
    },
    /// Begin a run by hand (for scripts); prints its id
    Create {
        /// The experiment, made when it is new
        #[arg(long, short, value_name = "NAME")]
        experiment: String,
        /// The run's name
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
    },
    /// Add params, metrics, tags and artifacts to a run
    Log {
        /// The run
        run: String,
        /// A param; written once
        #[arg(long = "param", value_name = "KEY=VALUE")]
        params: Vec<String>,
        /// A metric, at a step: loss=0.5@3
        #[arg(long = "metric", value_name = "KEY=VALUE[@STEP]")]
        metrics: Vec<String>,
        /// A tag
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
        /// A file; its size and hash are recorded
        #[arg(long = "artifact", value_name = "FILE")]
        artifacts: Vec<String>,
    },
    /// End a run that was begun by hand
    Finish {
        /// The run
        run: String,
        /// How it ended
        #[arg(long, default_value = "finished", value_parser = ["finished", "failed", "killed"])]
        status: String,
    },
    /// Delete runs; `restore` brings them back
    Delete {
        /// The runs
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Bring deleted runs back
    Restore {
        /// The runs
        #[arg(required = true)]
        runs: Vec<String>,
    },
}

/// Splits `KEY=VALUE`.
pub fn pairs(texts: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("`{text}` is not KEY=VALUE"))),
    };
    texts.iter().map(pair).collect()
}

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    let work = |work: &dyn Fn(&Session<'_>) -> Result<()>| door.work(Records::Nothing, work);
    match command {
        Command::List { commands: true, which } => search(door, "runs list", "", which)?,
        Command::List { commands: false, which } => {
            search(door, "runs list", &format!("command NOT IN {BOOKKEEPING}"), which)?;
        }
        Command::Search { filter, which } => search(door, "runs search", filter, which)?,
        Command::Show { run } => work(&|session| {
            let (project, run) = (session.project, find_run(session, run)?);
            show(door, project, "runs show", &run)
        })?,
        Command::Best { metric, experiment, minimize, maximize } => work(&|session| {
            let (project, tracker) = (session.project, session.project.reader()?);
            let experiment = experiment.as_ref().map(|name| tracker.experiment(name)).transpose()?.map(|one| one.id);
            let maximize = match (minimize, maximize) {
                (false, false) => direction(metric)? == Direction::Maximize,
                (_, maximize) => *maximize,
            };
            let (run, skipped) = tracker.best_run(metric, maximize, experiment)?;
            if skipped > 0 {
                session.note(format!("{} without a number skipped", format::plural(skipped, "run")));
            }
            show(door, project, "runs best", &run)
        })?,
        Command::History { run, metric } => work(&|session| history(door, session, run, metric))?,
        Command::Create { experiment, name } => work(&|session| create(door, session.project, experiment, name))?,
        Command::Log { run, params, metrics, tags, artifacts } => work(&|session| {
            let (project, run) = (session.project, find_run(session, run)?);
            let metrics = metrics.iter().map(|text| metric(text, project.now_ms())).collect::<Result<Vec<_>>>()?;
            let (params, tags) = (pairs(params)?, pairs(tags)?);
            let file = |path: &String| {
                let (size, sha256) = crate::fs::sha256_file(path.as_ref())?;
                Ok(crate::tracking::Artifact { path: path.clone(), size, sha256 })
            };
            let artifacts = artifacts.iter().map(file).collect::<Result<Vec<_>>>()?;
            let batch = Batch { params: &params, metrics: &metrics, tags: &tags, artifacts: &artifacts, inputs: &[] };
            project.tracker()?.log_batch(&run.id, &batch)?;
            door.answer("runs log", &json!({"run_id": run.id}), || format!("logged to run {}\n", run.id.short()))
        })?,
        Command::Finish { run, status } => work(&|session| {
            let (project, run) = (session.project, find_run(session, run)?);
            project.tracker()?.finish_run(&run.id, Status::parse(status)?, project.now_ms())?;
            door.answer("runs finish", &json!({"run_id": run.id}), || format!("run {} is {status}\n", run.id.short()))
        })?,
        Command::Delete { runs } => work(&|session| each(door, session, runs, "deleted"))?,
        Command::Restore { runs } => work(&|session| each(door, session, runs, "restored"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn each(door: &Door, session: &Session<'_>, runs: &[String], what: &str) -> Result<()> {
    let tracker = session.project.tracker()?;
    // All names are looked up first: a typo in the third deletes nothing.
    let found = runs.iter().map(|run| find_run(session, run)).collect::<Result<Vec<_>>>()?;
    for run in &found {
        if what == "deleted" { tracker.delete_run(&run.id)? } else { tracker.restore_run(&run.id)? }
    }
    let ids: Vec<&RunId> = found.iter().map(|run| &run.id).collect();
    door.answer(&format!("runs {}", what.trim_end_matches('d')), &json!({what: ids}), || {
        found.iter().map(|run| format!("{what} run {} of {}\n", run.id.short(), run.experiment)).collect()
    })
}

fn metric(text: &str, now_ms: i64) -> Result<Metric> {
    let wrong = || Error::invalid(format!("`{text}` is not KEY=VALUE or KEY=VALUE@STEP")).hint("loss=0.5@3");
    let (key, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (value, step) = rest.split_once('@').unwrap_or((rest, "0"));
    let (value, step) = (value.parse().map_err(|_| wrong())?, step.parse().map_err(|_| wrong())?);
    Ok(Metric { key: key.to_owned(), value, timestamp_ms: now_ms, step })
}

fn create(door: &Door, project: &Project, experiment: &str, name: &str) -> Result<()> {
    let tracker = project.tracker()?;
    let experiment = tracker.ensure_experiment(&ExperimentName::parse(experiment)?, "", project.now_ms())?;
    let id = project.new_run_id();
    let name = if name.is_empty() { format!("manual-{}", id.short()) } else { name.to_owned() };
    // No process: the run outlives this one, until `runs finish` ends it.
    let run = NewRun {
        id: &id,
        experiment_id: experiment.id,
        name: &name,
        command: "manual",
        process: None,
        start_ms: project.now_ms(),
    };
    tracker.start_run(&run)?;
    door.answer("runs create", &json!({"run_id": id}), || format!("{id}\n"))
}

fn history(door: &Door, session: &Session<'_>, run: &str, metric: &str) -> Result<()> {
    let tracker = session.project.reader()?;
    let run = find_run(session, run)?;
    let points = tracker.metric_history(&run.id, metric)?;
    if points.is_empty() {
        return Err(Error::not_found(format!("run {} has no metric `{metric}`", run.id.short()))
            .hint(crate::catalog::known_hint(metric, run.metrics.keys().map(String::as_str).collect::<Vec<_>>())));
    }
    let summary = tracker.metric_summaries(&run.id)?.remove(metric);
    let document = json!({"run_id": run.id, "metric": metric, "points": points, "summary": summary});
    door.answer("runs history", &document, || {
        let rows: Vec<Vec<String>> = points
            .iter()
            .map(|point| vec![point.step.to_string(), format::value(point.value), format::time(point.timestamp_ms)])
            .collect();
        table(&[("step", Align::Right), (metric, Align::Right), ("time (UTC)", Align::Left)], &rows)
    })
}

fn search(door: &Door, command: &str, filter: &str, which: &Which) -> Result<()> {
    door.work(Records::Nothing, |session| {
        let tracker = session.project.reader()?;
        let experiments =
            which.experiment.iter().map(|name| Ok(tracker.experiment(name)?.id)).collect::<Result<Vec<_>>>()?;
        let runs = tracker.search_runs(&Search {
            experiments: &experiments,
            filter,
            order: &which.order,
            limit: which.limit,
            offset: which.offset,
            view: view(which.deleted, which.all),
        })?;
        let none = if command == "runs list" { "no runs yet: `mlops train CONFIG` makes one" } else { "no run fits" };
        door.answer(command, &runs, || list(&runs, none, which))
    })
}

/// The metrics that a list shows when there are any.
const LISTED: [&str; 4] = ["f1", "accuracy", "roc_auc", "log_loss"];

fn list(runs: &[Run], none: &str, which: &Which) -> String {
    if runs.is_empty() {
        return format!("{none}\n");
    }
    let metrics: Vec<&str> =
        LISTED.into_iter().filter(|name| runs.iter().any(|run| run.metrics.contains_key(*name))).collect();
    let mut columns = vec![
        ("run", Align::Left),
        ("started (UTC)", Align::Left),
        ("experiment", Align::Cut),
        ("command", Align::Left),
        ("status", Align::Left),
    ];
    columns.extend(metrics.iter().map(|name| (*name, Align::Right)));
    columns.push(("took", Align::Right));
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let took = run.end_ms.map(|end| format::seconds((end - run.start_ms) as f64 / 1000.0));
            let mut row = vec![
                run.id.short().to_owned(),
                format::time(run.start_ms).chars().take("2026-01-01 00:00".len()).collect(),
                run.experiment.clone(),
                run.command.clone(),
                run.status.as_str().to_owned(),
            ];
            row.extend(metrics.iter().map(|name| format::optional(run.metrics.get(*name).copied())));
            row.push(took.unwrap_or_default());
            row
        })
        .collect();
    let more = if runs.len() == which.limit {
        dim(&format!("the first {}; `--limit` shows more\n", which.limit))
    } else {
        String::new()
    };
    table(&columns, &rows) + &more
}

fn show(door: &Door, project: &Project, command: &str, run: &Run) -> Result<()> {
    let tracker = project.reader()?;
    let (artifacts, inputs) = (tracker.artifacts(&run.id)?, tracker.inputs(&run.id)?);
    let document = json!({"run": run, "artifacts": artifacts, "inputs": inputs});
    door.answer(command, &document, || {
        let mut text = format!("{}  {}\n", bold(run.id.as_str()), dim(&run.name));
        let end =
            run.end_ms.map_or("still open".to_owned(), |end| format::seconds((end - run.start_ms) as f64 / 1000.0));
        text += &format!("experiment  {}\ncommand     {}\n", run.experiment, run.command);
        text += &format!(
            "status      {}{}\n",
            run.status.as_str(),
            if run.lifecycle == "deleted" { ", deleted" } else { "" }
        );
        text += &format!("started     {} UTC, {end}\n", format::time(run.start_ms));
        let block = |title: &str, rows: Vec<Vec<String>>| {
            if rows.is_empty() {
                return String::new();
            }
            format!("\n{}\n{}", dim(title), table(&[("", Align::Left), ("", Align::Left)], &rows))
        };
        let metrics = run.metrics.iter().map(|(key, value)| vec![key.clone(), format::value(*value)]).collect();
        let two = |(key, value): (&String, &String)| vec![key.clone(), value.clone()];
        text += &block("metrics", metrics);
        text += &block("params", run.params.iter().map(two).collect());
        text += &block("tags", run.tags.iter().map(two).collect());
        let inputs = inputs.iter().map(|one| vec![one.context.clone(), format!("{} rows of {}", one.rows, one.source)]);
        text += &block("inputs", inputs.collect());
        let artifacts = artifacts
            .iter()
            .map(|one| vec![one.path.clone(), format!("{} bytes, sha256 {:.12}…", one.size, one.sha256)]);
        text + &block("artifacts", artifacts.collect())
    })
}
