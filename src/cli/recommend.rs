//! `mlops recommend`.

use std::path::Path;
use std::process::ExitCode;

use super::door::{Door, Records, from_here};
use super::embedding_args::EmbeddingArgs;
use crate::answers;
use crate::error::Result;
use crate::workflows::recommend::{By, Query, Request, Twins, recommend};

const EXAMPLES: &str = "\
Examples:
  mlops recommend letters --query 17 --items jobs.parquet --top 10
  mlops recommend letters --text '저는 성실한 개발자입니다' --items jobs.csv --show company,title
  mlops recommend letters --query me.csv --items jobs.parquet --embedding embedding --by combined --json";

/// Arguments of `recommend`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model that embeds texts or was trained on vectors: `letters`, `letters/3`, `letters@production`, a folder
    model: String,
    /// The items to choose from
    #[arg(long, short, value_name = "FILE")]
    items: String,
    /// The query of the items, when they are in a database
    #[arg(long, value_name = "SQL")]
    items_query: Option<String>,
    /// What to find items for: an item's id, or a file of rows
    #[arg(long, value_name = "ID|FILE", required_unless_present = "text", conflicts_with = "text")]
    query: Option<String>,
    /// What to find items for, as text
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Items and query file hold vectors, made by the model's embedder, in this column
    #[arg(long, value_name = "COLUMN")]
    embedding: Option<String>,
    /// At most so many items a query
    #[arg(long, short = 'k', default_value_t = 10)]
    top: usize,
    /// The share of the success probability in the combined score
    #[arg(long, default_value_t = 0.5)]
    weight: f64,
    /// What decides the order
    #[arg(long, default_value = "similarity", value_parser = ["similarity", "probability", "combined"])]
    by: String,
    /// Columns of the items to repeat in the answer
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    show: Vec<String>,
    /// Keep items that are the same as the query or as an earlier item
    #[arg(long)]
    keep_duplicates: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedder: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let query = match (&args.text, &args.query) {
        (Some(text), _) => Query::Text(text.clone()),
        (None, Some(query)) if Path::new(query).is_file() => Query::File(from_here(query)),
        (None, query) => Query::Item(query.clone().unwrap_or_default()),
    };
    let request = Request {
        model: args.model.clone(),
        items: from_here(&args.items),
        items_query: args.items_query.clone(),
        embedding: args.embedding.clone(),
        show: args.show.clone(),
        query,
        top: args.top,
        weight: args.weight,
        by: match args.by.as_str() {
            "probability" => By::Probability,
            "combined" => By::Combined,
            _ => By::Similarity,
        },
        twins: if args.keep_duplicates { Twins::Keep } else { Twins::Leave },
    };
    let outcome = door.work_with(&args.model, Records::Runs, |session| recommend(session, &request))?;
    door.show("recommend", &outcome, || answers::recommend::document(&outcome, &args.show))?;
    Ok(ExitCode::SUCCESS)
}
