//! The program and the list of its commands.

use clap::{Parser, Subcommand};

use super::embedding_args::EmbeddingArgs;
use super::global::Global;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: disk, network, a damaged file, a bug
  2    the request is wrong: usage, config, data that does not fit
  3    the answer is no: gate refused
  4    not found: run, experiment, model, version
  5    inconclusive
  75   someone else holds the lock, try later
  130  interrupted; what was written is whole";

const EXAMPLES: &str = "\
Examples:
  mlops init shop && cd shop
  mlops train experiments/reviews_lr/config.yaml --promote
  mlops compare reviews_lr reviews_forest
  mlops predict reviews --input new.csv --output answers.csv
";

/// From a table of rows to a model in production.
#[derive(Debug, Parser)]
#[command(name = "mlops", version, about, before_long_help = EXAMPLES, after_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project: folders, configs that run, real sample data
    Init(super::init::Args),
    /// Turn texts into vectors, in a Parquet file
    Embed(super::embed::Args),
    /// Train a model as a config says, and record the run
    Train(super::train::Args),
    /// Measure a model on rows, with intervals
    Evaluate(super::evaluate::Args),
    /// Put runs side by side
    Compare(super::compare::Args),
    /// Move a model version to production, through its gate
    Promote(super::promote::Args),
    /// Put the previous production version back
    Rollback(super::rollback::Args),
    /// Newest rows to a new version in production, by cron: train, compare, switch, prove, or roll back
    Retrain(super::retrain::Args),
    /// Class and probability for each row of a file
    Predict(super::predict::Args),
    /// The items most like a query, with the model's probability of success
    Recommend(super::recommend::Args),
    /// Hold what comes in against what a model was made with; what drifted of late, whether to retrain
    DriftCheck(super::drift_check::Args),
    /// A run, an experiment or a model as a paper: Markdown or one HTML page with plots
    Report(super::report::Args),
    /// A model as files for other systems, checked by an independent runtime; its latency
    Export(super::export::Args),
    /// List, show, search, log, delete and restore runs
    #[command(subcommand)]
    Runs(super::runs::Command),
    /// List, show, create, delete and restore experiments
    #[command(subcommand)]
    Experiments(super::experiments::Command),
    /// List, show, name, pin and delete model versions, and their history
    Models(super::models::Args),
    /// Check that database and folders agree
    Doctor(super::doctor::Args),
    /// Give the disk back what nothing refers to
    Gc(super::gc::Args),
    /// Send a notice through the channels of a config, to see that they work
    Notify(super::notify::Args),
    /// The lines that run a retrain or a drift check by the clock
    #[command(subcommand)]
    Schedule(super::schedule::Command),
    /// The config as JSON Schema, for editors
    Schema(super::schema::Args),
    /// Completions for a shell
    Completions(super::completions::Args),
    /// Manual pages
    Man(super::completions::ManArgs),
}

impl Command {
    /// What embedders may use; the defaults for a command that says nothing about it.
    pub fn embedding(&self) -> EmbeddingArgs {
        match self {
            Self::Embed(args) => args.embedding.clone(),
            Self::Train(args) => args.embedding.clone(),
            Self::Evaluate(args) => args.embedding.clone(),
            Self::Predict(args) => args.embedding.clone(),
            Self::Promote(args) => args.embedding.clone(),
            Self::Retrain(args) => args.embedding.clone(),
            Self::Rollback(args) => args.embedding.clone(),
            Self::Export(args) => args.embedding.clone(),
            Self::Recommend(args) => args.embedder.clone(),
            Self::DriftCheck(args) => args.embedding(),
            _ => EmbeddingArgs::default(),
        }
    }
}
