//! `mlops evaluate`.

use std::process::ExitCode;

use super::door::{Door, Records, from_here, shown};
use super::embedding_args::EmbeddingArgs;
use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, format, table};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::workflows::evaluate::{Outcome, Request, evaluate};

const EXAMPLES: &str = "\
Examples:
  mlops evaluate reviews                    the production version on its test rows
  mlops evaluate reviews/2 --data june.csv  all rows of another file
  mlops evaluate reviews --gate             exit 3 when the config's gate is not met";

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model: `reviews` (in production, else the newest), `reviews/3`, `reviews@production`, `runs:/ID`, a folder
    model: String,
    /// Other data than those of its config
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// The query, when the data are a database
    #[arg(long, value_name = "SQL", requires = "data")]
    query: Option<String>,
    /// The part to use [default: test; with --data all rows]
    #[arg(long, value_name = "PART", value_parser = ["train", "validation", "test"])]
    split: Option<String>,
    /// Exit with 3 when the config's gate is not met
    #[arg(long)]
    gate: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        model: args.model.clone(),
        data: args.data.as_deref().map(from_here),
        query: args.query.clone(),
        part: args.split.as_deref().and_then(Part::parse),
    };
    let outcome = door.work(Records::Runs, |session| evaluate(session, &request))?;
    door.answer("evaluate", &outcome, || summary(&outcome, args.gate))?;
    if args.gate && outcome.gate.is_empty() {
        return Err(
            Error::invalid("the model's config has no gate").hint("promotion: {require: [{metric: f1, min: 0.55}]}")
        );
    }
    let met = outcome.gate.iter().all(|check| check.passed);
    Ok(if args.gate && !met { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn summary(outcome: &Outcome, gate: bool) -> String {
    let part = outcome.part.map_or_else(|| "all rows".to_owned(), |part| format!("{} rows", part.name()));
    let mut text = format!(
        "{} on {} {}\n\n",
        bold(&format!("{} {}", outcome.model, outcome.version)),
        format::plural(outcome.metrics.rows, "row"),
        dim(&format!("({part} of {})", outcome.source)),
    );
    let columns = [("metric", Align::Left), ("value", Align::Right), ("95 %", Align::Right)];
    let names = outcome.metrics.metrics.keys().filter(|name| !outcome.shown.contains(name));
    let rows: Vec<Vec<String>> = outcome
        .shown
        .iter()
        .chain(names)
        .filter_map(|name| {
            let estimate = outcome.metrics.metrics.get(name)?;
            Some(vec![name.clone(), format::estimate(estimate), format::interval(estimate)])
        })
        .collect();
    text += &(table(&columns, &rows) + "\n");
    text += &confusion(outcome);
    for (count, what) in [(outcome.skipped_without_label, "label"), (outcome.skipped_without_input, "text or vector")] {
        if count > 0 {
            text += &format!("skipped   {} without a {what}\n", format::plural(count, "row"));
        }
    }
    if gate {
        for check in &outcome.gate {
            let verdict = if check.passed { good("yes") } else { bad("no") };
            text += &format!("gate      {} {}  {verdict}\n", check.metric, check.rule);
        }
    }
    text + &format!("run       {}  {}\n", outcome.run_id.short(), dim(&shown(&outcome.run_folder)))
}

fn confusion(outcome: &Outcome) -> String {
    let metrics = &outcome.metrics;
    if metrics.labels.len() > 20 {
        return String::new();
    }
    let heads: Vec<String> = metrics.labels.iter().map(|label| format!("predicted {label}")).collect();
    let mut columns = vec![("", Align::Left)];
    columns.extend(heads.iter().map(|head| (head.as_str(), Align::Right)));
    columns.push(("support", Align::Right));
    let rows: Vec<Vec<String>> = metrics
        .confusion
        .iter()
        .enumerate()
        .map(|(class, counts)| {
            let mut row = vec![format!("is {}", metrics.labels[class])];
            row.extend(counts.iter().map(|count| format::count(*count)));
            row.push(format::count(metrics.support[class]));
            row
        })
        .collect();
    let average = match &metrics.positive {
        Some(positive) => format!("precision, recall and f1 are those of class {positive}"),
        None => "precision, recall and f1 are macro averages".to_owned(),
    };
    format!("{}\n{}\n", table(&columns, &rows), dim(&average))
}
