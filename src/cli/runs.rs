//! `mlops runs`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::experiments::view;
use super::key_value::pairs;
use super::ui::style::{bold, dim};
use super::ui::{Align, format, table};
use crate::error::{Error, Result};
use crate::tracking::{Metric, Run, Status};
use crate::workflows::Session;
use crate::workflows::runs::{
    self, BestRequest, Entries, Filter, MetricHistory, NewManualRun, Point, RunDetails, SearchRequest,
};

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
        /// An id or a unique prefix, `@latest`, `@best:f1`, or a model's version: `reviews/3`
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

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    match command {
        Command::List { commands, which } => {
            let filter = if *commands { Filter::Everything } else { Filter::Computations };
            let none = "no runs yet: `mlops train CONFIG` makes one";
            answer_list(door, ("runs list", none), filter, which)?;
        }
        Command::Search { filter, which } => {
            answer_list(door, ("runs search", "no run fits"), Filter::Expression(filter.clone()), which)?;
        }
        Command::Show { run } => {
            let details = work(door, |session| runs::show(session, run))?;
            door.answer("runs show", &details, || show(&details))?;
        }
        Command::Best { metric, experiment, minimize, maximize } => {
            let maximize = (*minimize || *maximize).then_some(*maximize);
            let request = BestRequest { metric: metric.clone(), experiment: experiment.clone(), maximize };
            let details = work(door, |session| runs::best(session, &request))?;
            door.answer("runs best", &details, || show(&details))?;
        }
        Command::History { run, metric } => {
            let found = work(door, |session| runs::history(session, run, metric))?;
            door.answer("runs history", &found, || history(&found))?;
        }
        Command::Create { experiment, name } => {
            let request = NewManualRun { experiment: experiment.clone(), name: name.clone() };
            let created = work(door, |session| runs::create(session, &request))?;
            door.answer("runs create", &created, || format!("{}\n", created.run_id))?;
        }
        Command::Log { run, params, metrics, tags, artifacts } => {
            let entries = Entries {
                params: pairs(params)?,
                metrics: metrics.iter().map(|text| point(text)).collect::<Result<_>>()?,
                tags: pairs(tags)?,
                artifacts: artifacts.clone(),
            };
            let logged = work(door, |session| runs::log(session, run, &entries))?;
            door.answer("runs log", &logged, || format!("logged to run {}\n", logged.run_id.short()))?;
        }
        Command::Finish { run, status } => {
            let end = Status::parse(status)?;
            let finished = work(door, |session| runs::finish(session, run, end))?;
            door.answer("runs finish", &finished, || format!("run {} is {status}\n", finished.run_id.short()))?;
        }
        Command::Delete { runs: selectors } => {
            let deleted = work(door, |session| runs::delete(session, selectors))?;
            door.answer("runs delete", &deleted, || lines("deleted", &deleted.runs))?;
        }
        Command::Restore { runs: selectors } => {
            let restored = work(door, |session| runs::restore(session, selectors))?;
            door.answer("runs restore", &restored, || lines("restored", &restored.runs))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn work<T>(door: &Door, verb: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    door.work(Records::Nothing, verb)
}

/// What was done to each run.
fn lines(verb: &str, runs: &[Run]) -> String {
    runs.iter().map(|run| format!("{verb} run {} of {}\n", run.id.short(), run.experiment)).collect()
}

/// Reads `KEY=VALUE` or `KEY=VALUE@STEP`.
fn point(text: &str) -> Result<Point> {
    let wrong = || Error::invalid(format!("`{text}` is not KEY=VALUE or KEY=VALUE@STEP")).hint("loss=0.5@3");
    let (metric, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (value, step) = rest.split_once('@').unwrap_or((rest, "0"));
    let (value, step) = (value.parse().map_err(|_| wrong())?, step.parse().map_err(|_| wrong())?);
    Ok(Point { metric: metric.to_owned(), value, step })
}

fn history(found: &MetricHistory) -> String {
    let row =
        |point: &Metric| vec![point.step.to_string(), format::value(point.value), format::time(point.timestamp_ms)];
    let columns = [("step", Align::Right), (found.metric.as_str(), Align::Right), ("time (UTC)", Align::Left)];
    table(&columns, &found.points.iter().map(row).collect::<Vec<_>>())
}

/// Prints the runs that fit; `none` is said when there are none.
fn answer_list(door: &Door, (command, none): (&str, &str), filter: Filter, which: &Which) -> Result<()> {
    let request = SearchRequest {
        experiments: which.experiment.clone(),
        filter,
        order: which.order.clone(),
        limit: which.limit,
        offset: which.offset,
        view: view(which.deleted, which.all),
    };
    let found = work(door, |session| runs::search(session, &request))?;
    door.answer(command, &found, || list(&found, none, which))
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

fn show(details: &RunDetails) -> String {
    let RunDetails { run, artifacts, inputs } = details;
    let mut text = format!("{}  {}\n", bold(run.id.as_str()), dim(&run.name));
    let end = run.end_ms.map_or("still open".to_owned(), |end| format::seconds((end - run.start_ms) as f64 / 1000.0));
    text += &format!("experiment  {}\ncommand     {}\n", run.experiment, run.command);
    let deleted = if run.lifecycle == "deleted" { ", deleted" } else { "" };
    text += &format!("status      {}{deleted}\n", run.status.as_str());
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
    let artifacts =
        artifacts.iter().map(|one| vec![one.path.clone(), format!("{} bytes, sha256 {:.12}…", one.size, one.sha256)]);
    text + &block("artifacts", artifacts.collect())
}
