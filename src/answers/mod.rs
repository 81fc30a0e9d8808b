//! Answers: what a person sees of an outcome. One file a command, `document(&Outcome) -> Document`: headings, facts, tables,
//! remarks, each drawn once. The terminal writes such a document with colours, papers write it as Markdown or HTML.
//!
//! `report` is a verb whose outcome is such a document: a run, an experiment or a model version with its plots.

pub mod compare;
pub mod evaluation;
pub mod format;
pub mod impact;
pub mod promote;
pub mod report;
pub mod train;
