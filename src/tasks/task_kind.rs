//! The trait that every task implements, and what goes into its judgement and comes out of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::part_rows::PartRows;
use crate::bundle::{Bundle, Prediction, Schema};
use crate::config::{Experiment, ExperimentConfig};
use crate::data::rows::{Labels, Rows};
use crate::data::{Columns, Input, Task, Truth};
use crate::error::Result;
use crate::metrics::ranking::{Empty, LetorScript, RankingEstimate};
use crate::metrics::{Average, Evaluation, View};
use crate::onnx::Outputs;
use crate::report::model_card::Modality;
use crate::runs::record::Recorder;

/// The words in which a task is described to people.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What the rows are: `rows`, `documents`.
    pub rows: &'static str,
    /// What a timing of many rows measures.
    pub batch: &'static str,
    /// Where the timing of the whole pipeline starts, for the terminal.
    pub pipeline: &'static str,
    /// The same for the model card.
    pub pipeline_on_card: &'static str,
    /// What goes into an exported graph.
    pub graph_input: &'static str,
    /// What comes out of it.
    pub graph_output: &'static str,
}

/// What a person asked of an evaluation besides the config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The average of metrics that have none in their name.
    pub average: Option<Average>,
    /// The positive label.
    pub pos_label: Option<String>,
    /// Whether groups of rows were asked for.
    pub by: bool,
    /// What a query without a relevant document counts, in place of the config's word.
    pub empty: Option<Empty>,
    /// Also the numbers of LETOR 4.0's script.
    pub letor_compat: bool,
}

/// By what answers are judged.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    /// The experiment with its metrics.
    pub experiment: &'a Experiment,
    /// The model's schema.
    pub schema: &'a Schema,
    /// The average and the positive class.
    pub view: View,
    /// What a query without a relevant document counts, in place of the config's word.
    pub empty: Option<Empty>,
    /// Whether the numbers of LETOR 4.0's script are wanted.
    pub letor_compat: bool,
}

impl<'a> Judging<'a> {
    /// As the config says.
    #[must_use]
    pub fn of(experiment: &'a Experiment, schema: &'a Schema) -> Self {
        Self { experiment, schema, view: View::default(), empty: None, letor_compat: false }
    }
}

/// Rows that a model has answered.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    /// All rows.
    pub rows: &'a Rows,
    /// Those that were answered.
    pub part: &'a PartRows,
    /// The answers, in the order of the part.
    pub prediction: &'a Prediction,
}

/// What came of a judgement.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The metrics.
    pub evaluation: Evaluation,
    /// The values of each query by metric; empty for other tasks.
    pub per_query: Vec<RankingEstimate>,
    /// The numbers of LETOR 4.0's script, where they were wanted.
    pub letor_script: Option<LetorScript>,
}

/// A part of the rows, answered and judged.
#[derive(Clone, Copy)]
pub struct JudgedPart<'a> {
    /// The name that the run's files give it: `validation`, `test`, `all`.
    pub name: &'a str,
    /// The rows and the answers.
    pub answered: Answered<'a>,
    /// The judgement.
    pub judgement: &'a Judgement,
}

/// Trait that every task implements.
pub trait TaskKind: Sync {
    /// The task.
    fn task(&self) -> Task;

    /// The words in which it is described.
    fn words(&self) -> &'static Words;

    /// How labels are read for a training.
    fn labels_to_learn<'a>(&self, config: &'a ExperimentConfig) -> Labels<'a>;

    /// How labels are read when a model is judged.
    fn labels_to_judge<'a>(&self, schema: &'a Schema) -> Labels<'a>;

    /// The column of ids in data that need not be those of training; refuses data without the columns that the task needs.
    ///
    /// # Errors
    /// `Invalid`, with the column that looks like the missing one.
    fn id_column(&self, source: &str, columns: &Columns, known: &[String]) -> Result<Option<String>>;

    /// Refuses rows that the task cannot be learned from.
    ///
    /// # Errors
    /// `Invalid`, naming what is missing.
    fn check_training(&self, experiment: &Experiment, rows: &Rows, parts: &[PartRows; 3]) -> Result<()>;

    /// Whether predictions can be logged, drift checked and models retrained: a ranker's scores have a meaning within a query
    /// only, so that their distribution says nothing.
    fn is_monitored(&self) -> bool;

    /// Refuses options of an evaluation that the task has not, and gives the view with a remark for the person who asked.
    ///
    /// # Errors
    /// `Invalid`, naming the option.
    fn view(&self, options: &Options, schema: &Schema) -> Result<(View, Option<String>)>;

    /// The metrics of answered rows; intervals on test rows only.
    ///
    /// # Errors
    /// `Failed` or `Invalid` when an answer is no number.
    fn judge(&self, judging: &Judging<'_>, answered: &Answered<'_>) -> Result<Judgement>;

    /// A remark on labels that the metrics cannot tell apart.
    fn remark(&self, experiment: &Experiment, schema: &Schema, truth: &[&Truth]) -> Option<String>;

    /// Writes what the model answered for each row of these parts into the run's folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    fn record(&self, recorder: &Recorder<'_>, parts: &[JudgedPart<'_>]) -> Result<()>;

    /// How far an exported file is from the model.
    ///
    /// # Errors
    /// `Failed` when the file has other outputs.
    fn distance(&self, ours: &Prediction, theirs: &Outputs, schema: &Schema) -> Result<f64>;

    /// The sizes of batches that are measured where nobody names any.
    fn batch_sizes(&self) -> [usize; 4];

    /// Whether rows are answered together: then the whole pipeline is measured for batches too.
    fn answers_together(&self) -> bool;

    /// The task's part of `preprocessor.json`.
    fn preprocessor(&self, bundle: &Bundle) -> Value;

    /// The task's facts in the metadata of an ONNX file.
    fn onnx_facts(&self, schema: &Schema) -> BTreeMap<String, String>;

    /// What a model card says goes in.
    fn modality(&self, input: &Input) -> Modality;

    /// How far the model's probabilities can be trusted, in words.
    fn calibration(&self, evaluation: Option<&Evaluation>) -> Option<String>;
}
