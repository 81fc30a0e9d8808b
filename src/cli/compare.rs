//! `mlops compare`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::ui::style::{dim, good};
use super::ui::{Align, format, table};
use crate::error::Result;
use crate::workflows::compare::{Outcome, Request, Row, compare};

const EXAMPLES: &str = "\
Examples:
  mlops compare reviews_lr reviews_forest           all runs of two experiments
  mlops compare @latest @best:f1
  mlops compare reviews/1 reviews/2 --metric roc_auc --baseline reviews/1";

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Runs (ids or prefixes, `@latest`, `@best:f1`), experiments, or model versions
    #[arg(required = true, value_name = "RUN|EXPERIMENT|MODEL")]
    items: Vec<String>,
    /// The metric to sort by [default: the first run's primary one]
    #[arg(long)]
    metric: Option<String>,
    /// Hold the others against this one
    #[arg(long, value_name = "ITEM")]
    baseline: Option<String>,
    /// Show the best K only [default: all]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top: usize,
    /// Compare runs that were tested on different rows
    #[arg(long)]
    allow_different_data: bool,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        items: args.items.clone(),
        metric: args.metric.clone(),
        baseline: args.baseline.clone(),
        top: args.top,
        allow_different_data: args.allow_different_data,
    };
    let outcome = door.work(Records::Runs, |session| compare(session, &request))?;
    door.answer("compare", &outcome, || draw(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

/// More params than this make a table that no terminal holds.
const PARAMS_SHOWN: usize = 6;

fn draw(outcome: &Outcome) -> String {
    let gains = outcome.rows.iter().any(|row| row.gain.is_some());
    let mut columns = vec![("run", Align::Left), ("experiment", Align::Cut), ("model", Align::Left)];
    columns.push((outcome.metric.as_str(), Align::Right));
    if gains {
        columns.push(("gain", Align::Right));
    }
    columns.push(("", Align::Left));
    columns.extend(outcome.metrics[1..].iter().map(|name| (name.as_str(), Align::Right)));
    let rows: Vec<Vec<String>> = outcome.rows.iter().map(|row| cells(outcome, row, gains)).collect();
    let mut text = table(&columns, &rows);
    if outcome.left_out > 0 {
        text += &format!("… and {}\n", format::plural(outcome.left_out, "run"));
    }
    if !outcome.params.is_empty() {
        text += &format!("\n{}\n{}", dim("params that differ"), params(outcome));
    }
    text
}

fn cells(outcome: &Outcome, row: &Row, gains: bool) -> Vec<String> {
    let run = &row.run;
    let tag = |key: &str| run.tags.get(key).cloned().unwrap_or_default();
    let model = if tag("model").is_empty() { String::new() } else { format!("{} v{}", tag("model"), tag("version")) };
    let mut cells = vec![run.id.short().to_owned(), run.experiment.clone(), model, format::optional(row.value)];
    if gains {
        cells.push(row.gain.map_or_else(String::new, |gain| format!("{gain:+.4}")));
    }
    let marks = [(row.best, good("best")), (row.baseline, dim("baseline"))];
    cells.push(marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect::<Vec<_>>().join(" "));
    cells.extend(outcome.metrics[1..].iter().map(|name| format::optional(run.metrics.get(name).copied())));
    cells
}

fn params(outcome: &Outcome) -> String {
    let shown = &outcome.params[..outcome.params.len().min(PARAMS_SHOWN)];
    let mut columns = vec![("run", Align::Left)];
    columns.extend(shown.iter().map(|name| (name.as_str(), Align::Right)));
    let rows: Vec<Vec<String>> = outcome
        .rows
        .iter()
        .map(|row| {
            let value = |name: &String| row.run.params.get(name).cloned().unwrap_or_else(|| "–".into());
            std::iter::once(row.run.id.short().to_owned()).chain(shown.iter().map(value)).collect()
        })
        .collect();
    let more = outcome.params.len() - shown.len();
    let more = if more > 0 { format!("… and {more} more (`--json` shows all)\n") } else { String::new() };
    table(&columns, &rows) + &more
}
