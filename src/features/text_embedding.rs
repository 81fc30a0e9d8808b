//! `embedding`: texts as dense vectors, by an embedder that is fitted on the training texts (`hashing`) or that a
//! sentence-transformers folder brings.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params, did_you_mean};
use crate::data::dataset::Features;
use crate::embeddings::{EMBEDDERS, EmbedContext, Embedder, EmbedderKind, TextReport, hashing, sentence};
use crate::error::{Error, Result};
use crate::features::batch::{Batch, Signal};
use crate::features::step::{Fitted, Outside, Step, StepKind, Takes};
use crate::onnx::{self, Graph};

/// The step kind `embedding`.
pub struct TextEmbedding;

const MODEL: Param = Param {
    name: "model",
    kind: ParamKind::Text,
    default: r#""hashing""#,
    about: "the embedder: `hashing`, a sentence-transformers folder, or a name on the Hugging Face hub",
};

/// `model` and what goes with it.
const fn with_model<const N: usize>(more: &[&[Param]]) -> [Param; N] {
    let mut list = [MODEL; N];
    let (mut at, mut part) = (1, 0);
    while part < more.len() {
        let mut one = 0;
        while one < more[part].len() {
            list[at] = more[part][one];
            (at, one) = (at + 1, one + 1);
        }
        part += 1;
    }
    list
}

const N_HASHING: usize = hashing::PARAMS.len();
const N_SENTENCE: usize = sentence::PARAMS.len();
static OF_HASHING: [Param; 1 + N_HASHING] = with_model(&[hashing::PARAMS]);
static OF_SENTENCE: [Param; 1 + N_SENTENCE] = with_model(&[sentence::PARAMS]);
static ALL: [Param; 1 + N_HASHING + N_SENTENCE] = with_model(&[hashing::PARAMS, sentence::PARAMS]);

/// An embedder of the catalog by its name; everything else names a folder or a model of the hub.
fn find(model: &str) -> Result<&'static dyn EmbedderKind, ParamProblem> {
    let known = || EMBEDDERS.iter().map(|kind| kind.name());
    if let Some(kind) = EMBEDDERS.iter().find(|kind| kind.name() == model) {
        return Ok(*kind);
    }
    // A path or a hub's name has a slash or a dot; a bare word that is nearly `hashing` is a slip of the finger.
    match did_you_mean(model, known()) {
        Some(close) if !model.contains(['/', '.']) => Err(ParamProblem {
            name: MODEL.name.into(),
            message: format!("unknown embedder `{model}`"),
            hint: Some(format!("did you mean `{close}`?")),
        }),
        _ if model.trim().is_empty() => Err(ParamProblem {
            name: MODEL.name.into(),
            message: "`model` is empty".into(),
            hint: Some(MODEL.about.into()),
        }),
        _ => Ok(&sentence::SentenceTransformers),
    }
}

impl Named for TextEmbedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn about(&self) -> &'static str {
        "a dense vector per text"
    }
}

impl StepKind for TextEmbedding {
    fn params(&self) -> &'static [Param] {
        &ALL
    }

    fn params_for(&self, given: &BTreeMap<String, Value>) -> &'static [Param] {
        match given.get(MODEL.name).and_then(Value::as_str).unwrap_or("hashing") {
            model if EMBEDDERS.iter().any(|kind| kind.name() == model) => &OF_HASHING,
            _ => &OF_SENTENCE,
        }
    }

    fn takes(&self) -> Takes {
        Takes::Texts
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        let kind = find(params.str(MODEL.name))?;
        kind.check(params)?;
        Ok(Box::new(Configured { kind, params: params.clone() }))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        let kind = find(params.str(MODEL.name)).map_err(|problem| Error::failed(problem.message))?;
        Ok(Box::new(FittedEmbedding(kind.load(params, folder, prefix)?)))
    }
}

struct Configured {
    kind: &'static dyn EmbedderKind,
    params: Params,
}

impl Step for Configured {
    fn prepare(&self, context: &EmbedContext<'_>) -> Result<()> {
        self.kind.prepare(&self.params, context)
    }

    fn fit_transform(
        &self,
        train: Batch,
        context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let Batch { signal, row_numbers, .. } = train;
        let texts = texts_of(signal)?;
        let (embedder, mut report) = self.kind.fit(&self.params, &texts, context)?;
        let (vectors, of_texts) = embedder.embed(&texts, row_numbers.as_deref(), context)?;
        report.merge(of_texts);
        Ok((Box::new(FittedEmbedding(embedder)), Features::Dense(vectors), report))
    }
}

struct FittedEmbedding(Box<dyn Embedder>);

impl Fitted for FittedEmbedding {
    fn transform(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        let Batch { signal, row_numbers, .. } = rows;
        let (vectors, report) = self.0.embed(&texts_of(signal)?, row_numbers.as_deref(), context)?;
        Ok((Features::Dense(vectors), report))
    }

    fn n_features(&self) -> usize {
        self.0.dimensions()
    }

    fn embedder(&self) -> Option<String> {
        Some(self.0.id())
    }

    fn embedder_identity(&self) -> Option<Value> {
        Some(self.0.identity())
    }

    fn outside(&self) -> Option<Outside> {
        let description = json!({"step": "embedding", "embedder": self.0.identity(), "how": self.0.description()});
        Some(Outside { input: "embedding", description })
    }

    fn onnx(&self, _graph: &mut Graph, input: &onnx::Value) -> onnx::Value {
        input.clone()
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        self.0.save(folder, prefix)
    }
}

fn texts_of(signal: Signal) -> Result<Vec<String>> {
    match signal {
        Signal::Texts(texts) => Ok(texts),
        Signal::Matrix(_) => Err(Error::invalid_rows("`embedding` takes texts, got a matrix")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::samples::no_queries;

    fn params(json: &str) -> Params {
        {
            let given = serde_json::from_str(json).unwrap();
            Params::checked(TextEmbedding.params_for(&given), &given).unwrap()
        }
    }

    #[test]
    fn loads_what_it_saved() {
        let folder = tempfile::tempdir().unwrap();
        let params = params(r#"{"dimensions":16}"#);
        let texts = || no_queries(Signal::Texts(vec!["좋다".into(), "나쁘다".into(), String::new()]));
        let (fitted, features, _) = TextEmbedding
            .configure(&params)
            .unwrap()
            .fit_transform(texts(), &EmbedContext::bare(".".as_ref()))
            .unwrap();
        assert_eq!((features.n_rows(), features.n_features(), fitted.n_features()), (3, 16, 16));
        fitted.save(folder.path(), "step0_").unwrap();
        let loaded = TextEmbedding.load(&params, folder.path(), "step0_").unwrap();
        assert_eq!(loaded.transform(texts(), &EmbedContext::bare(".".as_ref())).unwrap().0, features);
    }

    #[test]
    fn an_unknown_model_gets_a_remedy() {
        let problem = |json| TextEmbedding.configure(&params(json)).err().unwrap();
        assert_eq!(problem(r#"{"model":"hashign"}"#).hint.unwrap(), "did you mean `hashing`?");
        assert_eq!(problem(r#"{"model":" "}"#).message, "`model` is empty");
        // What a folder brings is looked at when the folder is opened.
        assert!(TextEmbedding.configure(&params(r#"{"model":"models/ko-sbert","pooling":"cls"}"#)).is_ok());
        assert!(TextEmbedding.configure(&params(r#"{"model":"ko-sbert"}"#)).is_ok());
    }

    #[test]
    fn each_embedder_has_its_own_parameters() {
        let refused = |json: &str| {
            let given = serde_json::from_str(json).unwrap();
            Params::checked(TextEmbedding.params_for(&given), &given).unwrap_err()[0].message.clone()
        };
        assert_eq!(refused(r#"{"model":"hashing","pooling":"cls"}"#), "unknown parameter `pooling`");
        assert_eq!(refused(r#"{"model":"models/ko-sbert","dimensions":64}"#), "unknown parameter `dimensions`");
    }
}
