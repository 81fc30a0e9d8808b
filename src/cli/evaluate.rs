//! `mlops evaluate`.

use std::process::ExitCode;

use super::door::{Door, Records, from_here};
use super::embedding_args::EmbeddingArgs;
use super::reading_args::ReadingArgs;
use crate::answers;
use crate::data::Part;
use crate::error::{Error, Result};
use crate::metrics::Average;
use crate::metrics::ranking::Empty;
use crate::workflows::evaluate::{Request, evaluate};
use crate::workflows::gate::{Verdict, overall};

const EXAMPLES: &str = "\
Examples:
  mlops evaluate reviews                    the production version on its test rows
  mlops evaluate reviews/2 --data june.csv  all rows of another file
  mlops evaluate reviews --by city --by age how it does for each city and each range of ages
  mlops evaluate reviews --pos-label 0      precision, recall and f1 of class 0
  mlops evaluate mq2008 --data S2.txt       a ranking model on all queries of a LETOR file
  mlops evaluate mq2008 --letor-compat      the numbers of LETOR 4.0's own script, too
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
    /// Keep the rows of --data that the model was trained on; by default they are left out
    #[arg(long, requires = "data")]
    include_known: bool,
    /// Metrics for each value of this column too; may be given several times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// How precision, recall and f1 of several classes become one number [default: binary for two classes, else macro]
    #[arg(long, value_name = "HOW", value_parser = Average::ALL.map(Average::name))]
    average: Option<String>,
    /// The class that counts as positive [default: the model's]
    #[arg(long, value_name = "LABEL")]
    pos_label: Option<String>,
    /// Rankings: what a query without a relevant document counts [default: the config's]
    #[arg(long, value_name = "WORD", value_parser = Empty::ALL.map(Empty::name))]
    empty: Option<String>,
    /// Rankings: also the numbers of LETOR 4.0's own script
    #[arg(long)]
    letor_compat: bool,
    /// Exit with 3 when the config's gate is not met
    #[arg(long, conflicts_with_all = ["average", "pos_label", "empty"])]
    gate: bool,
    /// How text files are read
    #[command(flatten)]
    reading: ReadingArgs,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        ids: None,
        include_known: args.include_known,
        tags: Vec::new(),
        model: args.model.clone(),
        data: args.data.as_deref().map(from_here),
        query: args.query.clone(),
        reading: args.reading.reading()?,
        part: args.split.as_deref().and_then(Part::parse),
        by: args.by.clone(),
        average: args.average.as_deref().and_then(Average::parse),
        pos_label: args.pos_label.clone(),
        empty: args.empty.as_deref().and_then(|word| Empty::ALL.into_iter().find(|empty| empty.name() == word)),
        letor_compat: args.letor_compat,
    };
    let outcome = door.work(Records::Runs, |session| evaluate(session, &request))?;
    door.answer("evaluate", &outcome, || answers::evaluate::document(&outcome, args.gate))?;
    if args.gate && outcome.gate.is_empty() {
        return Err(Error::invalid("the model's config has no gate").hint(if outcome.metrics.queries().is_some() {
            "promotion: {require: [{metric: ndcg@10, min: 0.4}]}"
        } else {
            "promotion: {require: [{metric: f1, min: 0.55}]}"
        }));
    }
    Ok(match (args.gate, overall(&outcome.gate)) {
        (true, Verdict::Fail) => ExitCode::from(3),
        (true, Verdict::Inconclusive) => ExitCode::from(5),
        _ => ExitCode::SUCCESS,
    })
}
