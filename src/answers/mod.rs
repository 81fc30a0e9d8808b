//! Answers: what a person sees of an outcome. One file a command, `document(&Outcome) -> Document`: headings, facts, tables,
//! remarks, each drawn once. The terminal writes such a document with colours, papers write it as Markdown or HTML.
//!
//! `report` is a verb whose outcome is such a document: a run, an experiment or a model version with its plots.

pub mod compare;
pub mod drift_check;
pub mod drift_events;
pub mod embed;
pub mod evaluation;
pub mod evidence;
pub mod experiments;
pub mod export;
pub mod format;
pub mod gc;
pub mod impact;
pub mod ledger;
pub mod models;
pub mod project;
pub mod promote;
pub mod recommend;
pub mod report;
pub mod retrain;
pub mod runs;
pub mod train;
