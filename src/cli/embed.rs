//! `mlops embed`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records, from_here, shown};
use super::ui::format;
use super::ui::style::dim;
use crate::error::{Error, Result};
use crate::workflows::embed::{FileRequest, Outcome, embed_config, embed_file};

const EXAMPLES: &str = "\
Examples:
  mlops embed experiments/reviews_hashing/config.yaml
  mlops embed --input new.csv --text-column text --output new.parquet";

/// Arguments of `embed`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An experiment config with an `embedding` step
    #[arg(value_name = "CONFIG", conflicts_with = "input", required_unless_present = "input")]
    config: Option<PathBuf>,
    /// Another value for a key of the config
    #[arg(long, value_name = "KEY=VALUE", requires = "config")]
    set: Vec<String>,
    /// A file of rows
    #[arg(long, short, value_name = "FILE", requires = "text_column", requires = "output")]
    input: Option<String>,
    /// The query, when the input is a database
    #[arg(long, value_name = "SQL", requires = "input")]
    query: Option<String>,
    /// The text column
    #[arg(long, value_name = "COLUMN")]
    text_column: Option<String>,
    /// The id column [default: row numbers]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// The embedder
    #[arg(long, default_value = "hashing")]
    model: String,
    /// Length of a vector
    #[arg(long, default_value_t = 768)]
    dimensions: u32,
    /// The Parquet file [default with a config: embeddings.parquet beside it]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let outcome = match (&args.config, &args.input) {
        (Some(config), _) => {
            let experiment = super::train::load(config, &args.set)?;
            door.work(Records::Runs, |session| embed_config(session, &experiment, args.output.clone()))?
        }
        (None, Some(input)) => {
            let request = FileRequest {
                input: from_here(input),
                query: args.query.clone(),
                text_column: args.text_column.clone().unwrap_or_default(),
                id_column: args.id_column.clone(),
                params: BTreeMap::from([
                    ("model".to_owned(), args.model.as_str().into()),
                    ("dimensions".to_owned(), args.dimensions.into()),
                ]),
                output: args.output.clone().unwrap_or_default(),
            };
            door.work(Records::Runs, |session| embed_file(session, &request))?
        }
        (None, None) => return Err(Error::invalid("nothing to embed").hint("name a config, or `--input FILE`")),
    };
    door.answer("embed", &outcome, || summary(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

fn summary(outcome: &Outcome) -> String {
    let rows = format::plural(outcome.rows, "row");
    let mut text = format!("embedded  {rows} in {} dimensions -> {}\n", outcome.dimensions, shown(&outcome.output));
    for (count, what) in [(outcome.skipped_without_label, "label"), (outcome.skipped_without_input, "text")] {
        if count > 0 {
            text += &format!("skipped   {} without a {what}\n", format::plural(count, "row"));
        }
    }
    if outcome.empty > 0 {
        text += &format!("empty     {}: the vector is zero\n", format::plural(outcome.empty, "text"));
    }
    text + &format!("embedder  {}\n", dim(&outcome.embedder))
}
