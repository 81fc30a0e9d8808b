//! What `evaluate` is asked.

use std::collections::HashSet;

use crate::bundle::Schema;
use crate::config::Experiment;
use crate::data::Part;
use crate::data::reading::Reading;
use crate::metrics::ranking::Empty;
use crate::metrics::{Average, View};
use crate::tasks::{Judging, Options};

/// What to evaluate, on what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model.
    pub model: String,
    /// Other data than those of its config.
    pub data: Option<String>,
    /// The query, for a database in `data`.
    pub query: Option<String>,
    /// How a text file of rows is read.
    pub reading: Reading,
    /// The part of the config's split; all rows of `data` when absent.
    pub part: Option<Part>,
    /// Only rows with these ids.
    pub ids: Option<HashSet<String>>,
    /// Rows of `data` that the model has learned from are kept.
    pub include_known: bool,
    /// Tags of the run.
    pub tags: Vec<(String, String)>,
    /// Columns whose values get metrics of their own, beside those of the config.
    pub by: Vec<String>,
    /// The average of metrics that have none in their name.
    pub average: Option<Average>,
    /// The positive label.
    pub pos_label: Option<String>,
    /// For ranking, what a query without a relevant document counts, in place of the config's word.
    pub empty: Option<Empty>,
    /// For ranking, also the numbers of LETOR 4.0's script.
    pub letor_compat: bool,
}

impl Request {
    /// The options that depend on the task.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            average: self.average,
            pos_label: self.pos_label.clone(),
            by: !self.by.is_empty(),
            empty: self.empty,
            letor_compat: self.letor_compat,
        }
    }

    /// By what the answers are judged.
    #[must_use]
    pub fn judging<'a>(&self, experiment: &'a Experiment, schema: &'a Schema, view: View) -> Judging<'a> {
        Judging { experiment, schema, view, empty: self.empty, letor_compat: self.letor_compat }
    }
}
