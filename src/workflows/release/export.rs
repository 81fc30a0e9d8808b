//! `export`: a version as files that another system can serve, and the proof that they say what the model says.
//!
//! `model.onnx` goes from numbers to probabilities: the fitted steps that ONNX can hold are inside. What it cannot hold
//! (texts to numbers) is described in `preprocessor.json`. Parity: the file is run by an independent runtime on the golden
//! rows, see `parity`; further than 1e-5 from the model is a refusal. A ranking model's file goes from the features of
//! documents to their scores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::super::light::{Light, light};
use super::super::session::Session;
use super::latency::{self, Benchmark, Latency};
use super::parity::{Parity, parity};
use super::preprocessor;
use crate::bundle::Bundle;
use crate::data::Task;
use crate::error::{Context, Error, Result};
use crate::fs::{publish_dir, sha256, write_atomic};
use crate::names::{ModelName, Version};
use crate::onnx::{Facts, IR_VERSION, ML_OPSET, OPSET, Port, Runtime};
use crate::project::{Located, Prefer};
use crate::registry::FileFacts;
use crate::runs::opened::Opened;
use crate::runs::record::write_json;
use crate::runs::tags::{pairs, version_tags};
use crate::tasks::kind_of;

/// The exported graph.
pub const MODEL_FILE: &str = "model.onnx";
/// What stays outside of it.
pub const PREPROCESSOR_FILE: &str = "preprocessor.json";
/// What a benchmark measured.
pub const LATENCY_FILE: &str = "latency.json";
/// What export itself writes down: hashes, opset, inputs and outputs, parity.
pub const EXPORT_FILE: &str = "export.json";
/// Where the files go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: the file is made and checked only.
    #[default]
    Nothing,
    /// A folder named after the version, here: `reviews-v3-onnx`.
    Named,
    /// This folder.
    Folder(PathBuf),
}

/// What to export, and what to measure.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model.
    pub model: String,
    /// Where the files go.
    pub target: Target,
    /// What to measure.
    pub benchmark: Option<Benchmark>,
    /// Whether files of an earlier export may be replaced.
    pub replace: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    /// Size and hash of each file.
    pub files: BTreeMap<String, FileFacts>,
    /// The version of the file format.
    pub ir_version: i64,
    /// The versions of the operators, by domain.
    pub opset: BTreeMap<&'static str, i64>,
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// How near the file is to the model.
    pub parity: Parity,
}

/// An export in memory, open in the independent runtime and checked against the model.
pub struct Export {
    /// The contents of each file.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The facts about them.
    pub exported: Exported,
    /// The exported graph, ready to run.
    pub runtime: Runtime,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The kind of model.
    pub kind: String,
    /// What was learned.
    pub task: Task,
    /// The class names, in the order of the columns; none for ranking.
    pub labels: Vec<String>,
    /// Where the files lie; none when nothing was asked to be written.
    pub folder: Option<PathBuf>,
    /// The export itself.
    #[serde(flatten)]
    pub exported: Exported,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// Exports a version.
///
/// # Errors
/// `NotFound` without such a model, `Invalid` for a kind that cannot be exported or files that are in the way, `Refused`
/// when the file does not say what the model says, `Failed` when the disk refuses.
pub fn export(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let started_ms = session.project.now_ms();
    let located = session.locate(&request.model, Prefer::ProductionElseLatest)?;
    session.stage(&format!("loading {} {}", located.model, located.version))?;
    let opened = Opened::open(located)?;
    let Opened { located, bundle, .. } = &opened;
    let output = match &request.target {
        Target::Nothing => None,
        Target::Named => Some(PathBuf::from(format!("{}-{}-onnx", located.model, located.version))),
        Target::Folder(folder) => Some(folder.clone()),
    };
    if let Some(folder) = &output {
        check_target(folder, request.replace)?;
    }
    session.stage("exporting and checking")?;
    let Export { files, exported, runtime } = Export::build(session, &opened)?;
    let latency = match &request.benchmark {
        Some(benchmark) => {
            session.stage("measuring")?;
            Some(latency::measure(session, bundle, Some(&runtime), opened.golden()?, benchmark)?)
        }
        None => None,
    };
    let outcome = Outcome {
        model: located.model.clone(),
        version: located.version,
        kind: bundle.schema.kind.clone(),
        task: bundle.schema.task(),
        labels: bundle.schema.labels().to_vec(),
        folder: output,
        exported,
        latency,
    };
    if let Some(folder) = &outcome.folder {
        session.check()?;
        write_folder(folder, &files, &outcome)?;
        light(session, &recorded(&opened, &outcome, folder, started_ms)?);
    }
    Ok(outcome)
}

impl Export {
    /// Exports a version into memory and compares the file with the model.
    ///
    /// # Errors
    /// `Invalid` for a kind that cannot be exported, `Refused` when the file does not say what the model says.
    pub fn build(session: &Session<'_>, opened: &Opened) -> Result<Self> {
        let Opened { located, bundle, .. } = opened;
        let graph = bundle.onnx()?;
        let (inputs, outputs) = (vec![graph.input_port().clone()], graph.output_ports().to_vec());
        let bytes = graph.bytes(&facts(bundle, located));
        let runtime = Runtime::new(&bytes)?;
        let parity = parity(session, opened, &runtime)?;
        let mut preprocessor = serde_json::to_vec_pretty(&preprocessor::document(bundle, located, &inputs, &outputs))
            .context(|| format!("cannot write `{PREPROCESSOR_FILE}`"))?;
        preprocessor.push(b'\n');
        let files = BTreeMap::from([(MODEL_FILE.to_owned(), bytes), (PREPROCESSOR_FILE.to_owned(), preprocessor)]);
        let fact = |(name, bytes): (&String, &Vec<u8>)| {
            (name.clone(), FileFacts { size: bytes.len() as u64, sha256: sha256(bytes) })
        };
        let exported = Exported {
            files: files.iter().map(fact).collect(),
            ir_version: IR_VERSION,
            opset: BTreeMap::from([("ai.onnx", OPSET), ("ai.onnx.ml", ML_OPSET)]),
            inputs,
            outputs,
            parity,
        };
        Ok(Self { files, exported, runtime })
    }

    /// Writes `model.onnx` and `preprocessor.json` into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|(name, bytes)| write_atomic(&folder.join(name), bytes))
    }
}

/// The export as a finished run of the model's experiment.
fn recorded(opened: &Opened, outcome: &Outcome, folder: &Path, started_ms: i64) -> Result<Light> {
    let (config, located, parity) = (opened.config()?, &opened.located, &outcome.exported.parity);
    Ok(Light {
        experiment: config.experiment.name.to_string(),
        command: "export",
        name: format!("export {} {}", located.model, located.version),
        started_ms,
        params: pairs([("format", "onnx".to_owned()), ("output", folder.display().to_string())]),
        metrics: vec![("parity_worst", parity.worst), ("parity_rows", parity.rows as f64)],
        tags: version_tags(located, config),
        artifacts: outcome.exported.files.keys().map(|name| folder.join(name)).collect(),
    })
}

/// Refuses a target that is no folder, or one with files of an export when they may not be replaced.
fn check_target(folder: &Path, replace: bool) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::invalid(format!("`{}` is a file, not a folder", folder.display())));
    }
    let names = [MODEL_FILE, PREPROCESSOR_FILE, EXPORT_FILE, LATENCY_FILE];
    if folder.join("manifest.json").is_file() {
        return Err(Error::invalid(format!("`{}` is a published version: it never changes", folder.display()))
            .hint("name another folder"));
    }
    match names.into_iter().find(|name| folder.join(name).exists()) {
        Some(name) if !replace => Err(Error::invalid(format!("`{}` is there already", folder.join(name).display()))
            .hint("`--yes` replaces it; `--output DIR` names another folder")),
        _ => Ok(()),
    }
}

/// Writes all files: a new folder appears whole; in one that is there, each file is replaced whole, `export.json` last.
fn write_folder(folder: &Path, files: &BTreeMap<String, Vec<u8>>, outcome: &Outcome) -> Result<()> {
    let fill = |folder: &Path| {
        files.iter().try_for_each(|(name, bytes)| write_atomic(&folder.join(name), bytes))?;
        if let Some(latency) = &outcome.latency {
            write_json(&folder.join(LATENCY_FILE), latency)?;
        }
        let document = json!({
            "format_version": 1,
            "model": outcome.model,
            "version": outcome.version,
            "kind": outcome.kind,
            "task": outcome.task,
            "labels": outcome.labels,
            "export": outcome.exported,
        });
        write_json(&folder.join(EXPORT_FILE), &document)
    };
    if !folder.exists() {
        return publish_dir(folder, fill);
    }
    // Numbers of an earlier export would be taken for those of this one.
    let stale = folder.join(LATENCY_FILE);
    if outcome.latency.is_none() && stale.exists() {
        std::fs::remove_file(&stale).context(|| format!("cannot remove `{}`", stale.display()))?;
    }
    fill(folder)
}

fn facts(bundle: &Bundle, located: &Located) -> Facts {
    let schema = &bundle.schema;
    let mut metadata = BTreeMap::from([
        ("model".to_owned(), located.model.to_string()),
        ("version".to_owned(), located.version.0.to_string()),
        ("run_id".to_owned(), located.run_id.to_string()),
        ("kind".to_owned(), schema.kind.clone()),
    ]);
    metadata.extend(kind_of(schema.task()).onnx_facts(schema));
    metadata.extend(bundle.features.embedder().map(|embedder| ("embedder".to_owned(), embedder)));
    Facts {
        name: located.model.to_string(),
        version: i64::from(located.version.0),
        about: format!("{} {}: {} ({})", located.model, located.version, schema.kind, PREPROCESSOR_FILE),
        metadata,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use ndarray::{Array2, array};
    use serde_json::Value;

    use super::*;
    use crate::bundle::{HALF, Output, Schema};
    use crate::catalog::{Params, find};
    use crate::data::{Columns, Dataset, Features, Input, Targets};
    use crate::embeddings::EmbedContext;
    use crate::features::{Batch, Chain, QueryBounds, STEPS, Signal};
    use crate::models::{FAMILIES, FitContext};

    fn params(list: &[crate::catalog::Param], json: &Value) -> Params {
        Params::checked(list, &serde_json::from_value(json.clone()).unwrap()).unwrap()
    }

    fn no_queries(rows: &Signal) -> Batch {
        Batch::new(rows.clone(), QueryBounds::Absent, None)
    }

    /// A bundle fitted on these rows, whose classes are counted from 0.
    fn fitted(steps: &[(&str, Value)], (kind, given): (&str, &Value), rows: &Signal, classes: &[usize]) -> Bundle {
        let context = EmbedContext::bare(".".as_ref());
        let steps: Vec<_> = steps
            .iter()
            .map(|(name, json)| {
                let kind = find("step", STEPS, name).unwrap();
                (kind, params(kind.params_for(&serde_json::from_value(json.clone()).unwrap()), json))
            })
            .collect();
        let chain = Chain::configure(&steps).map_err(|(_, problem)| problem.message).unwrap();
        let (features, matrix, _) = chain.fit_transform(no_queries(rows), &context).unwrap();
        let family = find("kind", FAMILIES, kind).unwrap();
        let labels: Vec<String> = (0..=*classes.iter().max().unwrap()).map(|class| format!("c{class}")).collect();
        let targets = Targets::Classes { index: classes.to_vec(), labels: labels.clone() };
        let estimator = family.configure(&params(family.params(), given)).unwrap();
        let class_weights = estimator.class_weights(&targets).unwrap();
        let never = AtomicBool::new(false);
        let context = FitContext::new(7, &|_| (), &never);
        let train = Dataset { features: matrix, targets, ids: vec![String::new(); classes.len()] };
        let model = estimator.fit(&train, &context).unwrap();
        let schema = Schema {
            format_version: 1,
            columns: Columns {
                id: None,
                label: None,
                query: None,
                input: Input::Numbers(Vec::new()),
                letor: crate::data::letor::Settings::default(),
            },
            output: Output::Classes { labels, class_weights, threshold: HALF },
            kind: kind.into(),
        };
        Bundle { schema, features, model }
    }

    /// How far the file of a bundle is from the bundle, on rows.
    fn gap(bundle: &Bundle, rows: &Signal) -> f64 {
        let context = EmbedContext::bare(".".as_ref());
        let bytes = bundle.onnx().unwrap().bytes(&Facts::default());
        assert_eq!(bytes, bundle.onnx().unwrap().bytes(&Facts::default()));
        let (input, _) = bundle.features.graph_input(no_queries(rows), &context).unwrap();
        let outputs = Runtime::new(&bytes).unwrap().run(&input).unwrap();
        let (ours, _) = bundle.predict(no_queries(rows), &context).unwrap();
        assert_eq!(outputs["class"].integers().unwrap().len(), ours.classes.len());
        kind_of(bundle.schema.task()).distance(&ours, &outputs, &bundle.schema).unwrap()
    }

    fn kinds() -> [(&'static str, Value); 6] {
        [
            ("logistic_regression", json!({})),
            ("logistic_regression", json!({"class_weight": "balanced", "fit_intercept": false})),
            ("random_forest", json!({"n_estimators": 7, "class_weight": "balanced"})),
            ("decision_tree", json!({})),
            ("decision_tree", json!({"max_depth": 2, "class_weight": {"c0": 9}})),
            ("baseline", json!({})),
        ]
    }

    /// Few values a column, neighbours of each other as f32, so that rows stand on thresholds.
    fn matrix(rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(row, column)| {
            let step = ((row * 7919 + column * 104_729 + row * row * 31) % 13) as u32;
            match column % 3 {
                0 => f32::from_bits(0.3_f32.to_bits() + step),
                1 => (step as f32 - 6.0) * 1e5,
                _ => (step as f32).sin(),
            }
        })
    }

    #[test]
    fn the_file_says_what_every_kind_says_of_vectors() {
        let dense = matrix(120, 6);
        let signal = |matrix: Array2<f32>| Signal::Matrix(Features::Dense(matrix));
        let label = |row: usize| usize::from(dense[[row, 2]] > 0.2) + usize::from(row.is_multiple_of(11));
        // Two classes, three, and three of which the middle one never occurs.
        let labelled: [Vec<usize>; 3] = [
            (0..120).map(|row| label(row).min(1)).collect(),
            (0..120).map(label).collect(),
            (0..120).map(|row| label(row).min(1) * 2).collect(),
        ];
        for classes in &labelled {
            for (kind, given) in &kinds() {
                for steps in [&[][..], &[("standardize", json!({}))], &[("standardize", json!({"with_mean": false}))]] {
                    let bundle = fitted(steps, (kind, given), &signal(dense.clone()), classes);
                    for rows in [0, 1, 120] {
                        let gap = gap(&bundle, &signal(dense.slice(ndarray::s![..rows, ..]).to_owned()));
                        assert!(gap < 1e-6, "{kind} {given} {steps:?}, {rows} rows: {gap}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_file_says_what_every_kind_says_of_texts() {
        let words = ["좋은", "영화", "나쁜", "Film", "film", "a", "정말", "ㅋㅋㅋㅋ"];
        let text = |row: usize| (0..row % 9).map(|at| words[(row * 5 + at * at * 3) % 8]).collect::<Vec<_>>().join(" ");
        let texts: Vec<String> = (0..90).map(text).collect();
        let classes: Vec<usize> = texts.iter().map(|text| usize::from(text.contains("좋은"))).collect();
        let new = ["", "모르는 말", "film FILM film 좋은좋은", "나쁜"].map(String::from).to_vec();
        let steps: [&[(&str, Value)]; 5] = [
            &[("tfidf", json!({}))],
            &[("tfidf", json!({"analyzer": "word", "ngram": [1, 2], "sublinear_tf": false, "norm": "none"}))],
            &[("tfidf", json!({"use_idf": false})), ("standardize", json!({"with_mean": false}))],
            &[("embedding", json!({"dimensions": 16, "min_df": 1}))],
            &[("embedding", json!({"dimensions": 16, "idf": false})), ("standardize", json!({}))],
        ];
        for steps in steps {
            for (kind, given) in &kinds() {
                let bundle = fitted(steps, (kind, given), &Signal::Texts(texts.clone()), &classes);
                for rows in [&texts, &new] {
                    let gap = gap(&bundle, &Signal::Texts(rows.clone()));
                    assert!(gap < 1e-6, "{kind} {given} {steps:?}: {gap}");
                }
            }
        }
    }

    #[test]
    fn a_kind_that_cannot_be_exported_is_named_with_those_that_can() {
        struct Foreign;
        impl crate::models::Model for Foreign {
            fn predict(&self, features: &Features) -> Result<Array2<f64>> {
                Ok(Array2::zeros((features.n_rows(), 2)))
            }
            fn save(&self, _folder: &Path) -> Result<()> {
                Ok(())
            }
        }
        let rows = Signal::Matrix(Features::Dense(array![[0.0], [1.0]]));
        let mut bundle = fitted(&[], ("baseline", &json!({})), &rows, &[0, 1]);
        bundle.model = Box::new(Foreign);
        bundle.schema.kind = "lambdamart".into();
        let refused = bundle.onnx().err().unwrap();
        assert_eq!(refused.message, "a model of kind `lambdamart` cannot be exported to ONNX");
        let expected = "these can: `logistic_regression`, `random_forest`, `decision_tree`, `baseline`";
        assert_eq!(refused.hint.as_deref(), Some(expected));
    }
}
