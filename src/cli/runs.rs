//! `mlops runs`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::experiments::view;
use super::key_value::pairs;
use crate::answers;
use crate::error::{Error, Result};
use crate::report::Document;
use crate::tracking::Status;
use crate::workflows::Session;
use crate::workflows::runs::{self, BestRequest, Entries, Filter, NewManualRun, Point, SearchRequest};

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
            door.show("runs show", &details, || answers::runs::details(&details))?;
        }
        Command::Best { metric, experiment, minimize, maximize } => {
            let maximize = (*minimize || *maximize).then_some(*maximize);
            let request = BestRequest { metric: metric.clone(), experiment: experiment.clone(), maximize };
            let details = work(door, |session| runs::best(session, &request))?;
            door.show("runs best", &details, || answers::runs::details(&details))?;
        }
        Command::History { run, metric } => {
            let found = work(door, |session| runs::history(session, run, metric))?;
            door.show("runs history", &found, || answers::runs::history(&found))?;
        }
        Command::Create { experiment, name } => {
            let request = NewManualRun { experiment: experiment.clone(), name: name.clone() };
            let created = work(door, |session| runs::create(session, &request))?;
            door.show("runs create", &created, || Document::of_line("Run", created.run_id.as_str()))?;
        }
        Command::Log { run, params, metrics, tags, artifacts } => {
            let entries = Entries {
                params: pairs(params)?,
                metrics: metrics.iter().map(|text| point(text)).collect::<Result<_>>()?,
                tags: pairs(tags)?,
                artifacts: artifacts.clone(),
            };
            let logged = work(door, |session| runs::log(session, run, &entries))?;
            door.show("runs log", &logged, || {
                Document::of_line("Run", format!("logged to run {}", logged.run_id.short()))
            })?;
        }
        Command::Finish { run, status } => {
            let end = Status::parse(status)?;
            let finished = work(door, |session| runs::finish(session, run, end))?;
            door.show("runs finish", &finished, || {
                Document::of_line("Run", format!("run {} is {status}", finished.run_id.short()))
            })?;
        }
        Command::Delete { runs: selectors } => {
            let deleted = work(door, |session| runs::delete(session, selectors))?;
            door.show("runs delete", &deleted, || answers::runs::changed("deleted", &deleted.runs))?;
        }
        Command::Restore { runs: selectors } => {
            let restored = work(door, |session| runs::restore(session, selectors))?;
            door.show("runs restore", &restored, || answers::runs::changed("restored", &restored.runs))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn work<T>(door: &Door, verb: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    door.work(Records::Nothing, verb)
}

/// Reads `KEY=VALUE` or `KEY=VALUE@STEP`.
fn point(text: &str) -> Result<Point> {
    let wrong = || Error::invalid(format!("`{text}` is not KEY=VALUE or KEY=VALUE@STEP")).hint("loss=0.5@3");
    let (metric, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (value, step) = rest.split_once('@').unwrap_or((rest, "0"));
    let (value, step) = (value.parse().map_err(|_| wrong())?, step.parse().map_err(|_| wrong())?);
    Ok(Point { metric: metric.to_owned(), value, step })
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
    door.show(command, &found, || answers::runs::list(&found, none, which.limit))
}
