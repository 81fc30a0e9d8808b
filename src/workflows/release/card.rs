//! `model_card.md` of a release.

use super::export::MODEL_FILE;
use super::facts::Facts;
use super::latency::{Latency, Timing};
use crate::metrics::Evaluation;
use crate::report::model_card::{DataWindow, ModelCard, OnnxFile, Subgroup};
use crate::runs::stored::Stored;
use crate::tasks::{Words, kind_of};

impl Facts<'_> {
    /// `model_card.md` of the release.
    pub fn card(&self) -> ModelCard {
        let (config, manifest) = (self.config(), &self.manifest);
        let kind = kind_of(self.schema.task());
        let input = config.columns().input;
        let window = self.stored.as_ref().and_then(|stored| stored.window.as_ref());
        let evaluation = self.evaluation();
        // These tags of the experiment say what nothing else can.
        let tag = |key: &str| config.experiment.tags.get(key).cloned();
        let others = config.experiment.tags.iter();
        let others = others.filter(|(key, _)| !["language", "license", "intended_use"].contains(&key.as_str()));
        let encoder = self.manifest.embedder_identity.is_some();
        ModelCard {
            model: manifest.model.to_string(),
            version: manifest.version.0,
            experiment: config.experiment.name.to_string(),
            run_id: manifest.run_id.to_string(),
            description: config.experiment.description.clone(),
            kind: self.schema.kind.clone(),
            modality: kind.modality(&input),
            languages: tag("language").iter().flat_map(|text| text.split(',')).map(|code| code.trim().into()).collect(),
            license: tag("license"),
            tags: others.map(|(key, value)| format!("{key}:{value}")).collect(),
            intended_use: tag("intended_use"),
            data: DataWindow {
                source: config.data.place(),
                fingerprint: manifest.data_fingerprint.clone(),
                rows: self.rows(),
                time: window.and_then(|window| window.time.clone()).map(|time| (time.from, time.to)),
                split: "test".into(),
            },
            metrics: self.metrics(),
            primary: config.evaluation.primary.clone(),
            labels: self.schema.labels().to_vec(),
            positive: (self.schema.labels().len() == 2).then(|| self.schema.labels()[1].clone()),
            threshold: (self.schema.labels().len() == 2).then_some(self.schema.threshold()),
            ranking: self.queries(),
            subgroups: evaluation
                .map(|evaluation| subgroups(evaluation, &config.evaluation.primary))
                .unwrap_or_default(),
            calibration: kind.calibration(evaluation),
            truncation: if encoder {
                self.stored.as_ref().and_then(truncation)
            } else {
                Some("No encoder reads the rows: nothing is cut.".into())
            },
            latency: self.latency.timings.iter().map(|timing| told(timing, kind.words())).collect(),
            measured_on: measured_on(self.latency),
            limits: self.forced.map(|why| format!("It was promoted against its gate: {why}.")).into_iter().collect(),
            onnx: Some(OnnxFile { file: MODEL_FILE.into(), input: self.exported.inputs[0].name.clone() }),
        }
    }
}

/// A timing as the card has it, in milliseconds.
fn told(timing: &Timing, words: &Words) -> (String, u64, [f64; 3]) {
    let what = match timing.subject.as_str() {
        "model" => "mlops, from ready features",
        "onnx" => "the ONNX file, from the graph's input",
        _ => words.pipeline_on_card,
    };
    (what.to_owned(), timing.batch_size as u64, [timing.p50_us, timing.p95_us, timing.p99_us].map(|us| us / 1000.0))
}

fn measured_on(latency: &Latency) -> String {
    let fact = |key: &str| latency.machine.get(key).cloned().unwrap_or_default();
    format!(
        "{} repetitions each, {} threads (the file: 1, by {}), {} cores, {}.",
        latency.repetitions,
        latency.threads,
        latency.runtime,
        fact("cores"),
        fact("arch")
    )
}

/// The primary metric of each subgroup.
fn subgroups(evaluation: &Evaluation, primary: &str) -> Vec<Subgroup> {
    let columns = evaluation.classes().into_iter().flat_map(|classes| &classes.subgroups);
    let rows = columns.flat_map(|(column, found)| found.groups.iter().map(move |group| (column, group)));
    let line = |(column, group): (&String, &crate::metrics::Subgroup)| {
        let estimate = group.metrics.get(primary)?.clone();
        let (column, value, rows) = (column.clone(), group.value.clone(), group.rows as u64);
        Some(Subgroup { column, value, rows, metric: primary.to_owned(), estimate })
    };
    rows.filter_map(line).collect()
}

/// How many texts were cut, where an encoder read them.
fn truncation(stored: &Stored) -> Option<String> {
    let cut = stored.run.metrics.get("texts_truncated")?;
    Some(format!("{cut:.0} of the texts were longer than the encoder reads and were cut"))
}
