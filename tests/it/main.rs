//! The integration tests: the built binary and the public library, as a user and a script meet them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod compare;
mod compare_ranking;
mod concurrency;
mod config;
mod contracts;
mod contracts_ranking;
mod crash;
mod data;
mod drift_check;
mod drift_events;
mod drift_files;
mod embed;
mod evaluate;
mod evaluate_ranking;
mod export;
mod export_ranking;
mod gate;
mod gc;
mod impact;
mod json_page;
mod judged;
mod models;
mod notify;
mod outputs;
mod peers;
mod predict;
mod predict_ranking;
mod prediction_log;
mod promote;
mod ranking_data;
mod readme;
mod report;
mod retrain;
mod retrain_killed;
mod schedule;
mod secrets;
mod selectors;
mod sentence;
mod store;
mod support;
mod tracking;
mod train;
mod train_ranking;
