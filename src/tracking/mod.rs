//! The tracking database: experiments, runs, registered models and their ledger, with `MLflow`'s nouns and semantics
//! in a schema of our own.
//!
//! `record` holds the plain structs that come back, `database` opens the file and gives transactions, `migrations`
//! is the schema. `Tracker` is one type; each file adds the verbs of its noun: `experiments`, `runs`, `logging`
//! (params, metrics, tags, artifacts, inputs), `models`, `ledger` (stages and who decided what), `search` (over
//! `filter` and `lexer`, the language). Times and ids are given by the caller. `SQLite` is known here and nowhere else.

mod database;
mod experiments;
mod filter;
mod ledger;
mod lexer;
mod logging;
mod migrations;
mod models;
mod record;
mod runs;
mod search;

pub use database::Tracker;
pub use ledger::Transition;
pub use logging::Batch;
pub use record::{
    Artifact, BOOKKEEPING, Durations, Experiment, ExperimentStatistics, Input, LedgerEntry, Metric, MetricStatistics,
    MetricSummary, ModelVersion, NewRun, Process, RegisteredModel, Run, Stage, Status, View,
};
pub use search::Search;
