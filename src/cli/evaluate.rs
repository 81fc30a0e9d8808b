//! `mlops evaluate`.

use std::process::ExitCode;

use super::door::{Door, Records, from_here, shown};
use super::embedding_args::EmbeddingArgs;
use super::evaluation;
use super::ui::format;
use super::ui::style::{bold, dim};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::metrics::Average;
use crate::workflows::evaluate::{Outcome, Request, evaluate};
use crate::workflows::gate::{Verdict, overall};

const EXAMPLES: &str = "\
Examples:
  mlops evaluate reviews                    the production version on its test rows
  mlops evaluate reviews/2 --data june.csv  all rows of another file
  mlops evaluate reviews --by city --by age how it does for each city and each range of ages
  mlops evaluate reviews --pos-label 0      precision, recall and f1 of class 0
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
    /// Metrics for each value of this column too; may be given several times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// How precision, recall and f1 of several classes become one number [default: binary for two classes, else macro]
    #[arg(long, value_name = "HOW", value_parser = Average::ALL.map(Average::name))]
    average: Option<String>,
    /// The class that counts as positive [default: the model's]
    #[arg(long, value_name = "LABEL")]
    pos_label: Option<String>,
    /// Exit with 3 when the config's gate is not met
    #[arg(long, conflicts_with_all = ["average", "pos_label"])]
    gate: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        ids: None,
        tags: Vec::new(),
        model: args.model.clone(),
        data: args.data.as_deref().map(from_here),
        query: args.query.clone(),
        part: args.split.as_deref().and_then(Part::parse),
        by: args.by.clone(),
        average: args.average.as_deref().and_then(Average::parse),
        pos_label: args.pos_label.clone(),
    };
    let outcome = door.work(Records::Runs, |session| evaluate(session, &request))?;
    door.answer("evaluate", &outcome, || summary(&outcome, args.gate))?;
    if args.gate && outcome.gate.is_empty() {
        return Err(
            Error::invalid("the model's config has no gate").hint("promotion: {require: [{metric: f1, min: 0.55}]}")
        );
    }
    Ok(match (args.gate, overall(&outcome.gate)) {
        (true, Verdict::Fail) => ExitCode::from(3),
        (true, Verdict::Inconclusive) => ExitCode::from(5),
        _ => ExitCode::SUCCESS,
    })
}

fn summary(outcome: &Outcome, gate: bool) -> String {
    let part = outcome.part.map_or_else(|| "all rows".to_owned(), |part| format!("{} rows", part.name()));
    let mut text = format!(
        "{} on {} {}\n\n",
        bold(&format!("{} {}", outcome.model, outcome.version)),
        format::plural(outcome.metrics.rows, "row"),
        dim(&format!("({part} of {})", outcome.source)),
    );
    text += &(evaluation::metrics(&outcome.metrics, &outcome.shown) + "\n");
    text += &evaluation::confusion(&outcome.metrics);
    text += &evaluation::taken(&outcome.metrics, outcome.threshold_chosen_for.as_deref());
    text += &evaluation::calibration(&outcome.metrics);
    text += &evaluation::subgroups(&outcome.metrics, &outcome.shown);
    text.push('\n');
    for (count, what) in [(outcome.skipped_without_label, "label"), (outcome.skipped_without_input, "text or vector")] {
        if count > 0 {
            text += &format!("skipped   {} without a {what}\n", format::plural(count, "row"));
        }
    }
    if gate {
        text += &super::promote::gate(&outcome.gate);
        text += &dim("          bounds only; `mlops promote --dry-run` asks the whole gate\n");
    }
    text + &format!("run       {}  {}\n", outcome.run_id.short(), dim(&shown(&outcome.run_folder)))
}
