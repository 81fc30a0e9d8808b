//! The tracking database: experiments, runs, registered models and their ledger, with `MLflow`'s nouns and semantics
//! in a schema of our own.
//!
//! `record` holds the plain structs that come back, `database` opens the file and gives transactions, `failure` names
//! the file in what SQLite says, `migrations` is the schema. `Tracker` is one type; each file adds the verbs of its
//! noun: `experiments`, `runs`, `logging` (params, metrics, tags, artifacts, inputs), `models`, `ledger` (stages and
//! who decided what), `retention` (pins, what refers to a version, its removal), `drift_events`, `search` (over
//! `filter`; `parser` and `lexer` read the language that people write filters in). `timeline` reads a ledger up to a
//! moment. `prediction_log` is no part of the database: files that many processes append to. Times and ids are given
//! by the caller. The SQL of the tracking database is written here and nowhere else.

mod commands;
mod database;
mod drift_events;
mod experiments;
mod failure;
mod filter;
mod keys;
mod ledger;
mod lexer;
mod logging;
mod lookup;
mod migrations;
mod models;
mod parser;
pub mod prediction_log;
mod record;
mod releases;
mod retention;
mod runs;
mod search;
mod timeline;

pub use commands::BOOKKEEPING;
pub use database::Tracker;
pub use drift_events::{DriftEvent, DriftReset, Severity};
pub use filter::Filter;
pub use ledger::Transition;
pub use logging::Batch;
pub use record::{
    Artifact, Durations, Experiment, ExperimentStatistics, Input, LedgerEntry, Metric, MetricStatistics, MetricSummary,
    ModelVersion, NewRun, Pin, Process, RegisteredModel, Run, Stage, Status, View,
};
pub use retention::{Removal, removable};
pub use search::Search;
pub use timeline::{AliasAt, StateAt, VersionAt, previous_holder, state_at};
