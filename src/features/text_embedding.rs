//! `embedding`: texts as dense vectors, made by an embedder that is fitted on the training texts.

use std::path::{Path, PathBuf};

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params, did_you_mean};
use crate::data::dataset::Features;
use crate::embeddings::{EMBEDDERS, Embedder, EmbedderKind, hashing};
use crate::error::{Error, Result};
use crate::features::step::{Fitted, Signal, Step, StepKind, Takes};

/// The step kind `embedding`.
pub struct TextEmbedding;

const MODEL: Param =
    Param { name: "model", kind: ParamKind::Text, default: r#""hashing""#, about: "the embedder: `hashing`" };
const PARAMS: &[Param] = &[MODEL, hashing::PARAMS[0], hashing::PARAMS[1], hashing::PARAMS[2], hashing::PARAMS[3]];

fn find(model: &str) -> Result<&'static dyn EmbedderKind, ParamProblem> {
    EMBEDDERS.iter().find(|kind| kind.name() == model).copied().ok_or_else(|| {
        let known = || EMBEDDERS.iter().map(|kind| kind.name());
        let hint = match did_you_mean(model, known()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!(
                "this build does not read sentence-transformers folders; known: {}",
                known().collect::<Vec<_>>().join(", ")
            ),
        };
        ParamProblem { name: MODEL.name.into(), message: format!("unknown embedder `{model}`"), hint: Some(hint) }
    })
}

fn file(folder: &Path, prefix: &str) -> PathBuf {
    folder.join(format!("{prefix}embedding.safetensors"))
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
        PARAMS
    }

    fn takes(&self) -> Takes {
        Takes::Texts
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        const LONGEST: usize = 65_536;
        let dimensions = params.usize("dimensions");
        if dimensions > LONGEST {
            return Err(ParamProblem {
                name: "dimensions".into(),
                message: format!("`dimensions` is {dimensions}, at most {LONGEST} are made"),
                hint: Some("sentence embeddings have a few hundred".into()),
            });
        }
        Ok(Box::new(Configured { kind: find(params.str(MODEL.name))?, params: params.clone() }))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        let kind = find(params.str(MODEL.name)).map_err(|problem| Error::failed(problem.message))?;
        Ok(Box::new(FittedEmbedding(kind.load(params, &file(folder, prefix))?)))
    }
}

struct Configured {
    kind: &'static dyn EmbedderKind,
    params: Params,
}

impl Step for Configured {
    fn fit_transform(&self, train: Signal) -> Result<(Box<dyn Fitted>, Features)> {
        let texts = texts_of(train)?;
        let embedder = self.kind.fit(&self.params, &texts)?;
        let features = Features::Dense(embedder.embed(&texts)?);
        Ok((Box::new(FittedEmbedding(embedder)), features))
    }
}

struct FittedEmbedding(Box<dyn Embedder>);

impl Fitted for FittedEmbedding {
    fn transform(&self, rows: Signal) -> Result<Features> {
        Ok(Features::Dense(self.0.embed(&texts_of(rows)?)?))
    }

    fn n_features(&self) -> usize {
        self.0.dimensions()
    }

    fn embedder(&self) -> Option<String> {
        Some(self.0.id())
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        self.0.save(&file(folder, prefix))
    }
}

fn texts_of(signal: Signal) -> Result<Vec<String>> {
    match signal {
        Signal::Texts(texts) => Ok(texts),
        Signal::Matrix(_) => Err(Error::invalid("`embedding` takes texts, got a matrix")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        Params::checked(PARAMS, &serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn loads_what_it_saved() {
        let folder = tempfile::tempdir().unwrap();
        let params = params(r#"{"dimensions":16}"#);
        let texts = || Signal::Texts(vec!["좋다".into(), "나쁘다".into(), String::new()]);
        let (fitted, features) = TextEmbedding.configure(&params).unwrap().fit_transform(texts()).unwrap();
        assert_eq!((features.n_rows(), features.n_features(), fitted.n_features()), (3, 16, 16));
        fitted.save(folder.path(), "step0_").unwrap();
        let loaded = TextEmbedding.load(&params, folder.path(), "step0_").unwrap();
        assert_eq!(loaded.transform(texts()).unwrap(), features);
    }

    #[test]
    fn an_unknown_model_gets_a_remedy() {
        let problem = |json| TextEmbedding.configure(&params(json)).err().unwrap();
        assert_eq!(problem(r#"{"model":"hashign"}"#).hint.unwrap(), "did you mean `hashing`?");
        let folder = problem(r#"{"model":"models/ko-sbert"}"#);
        assert_eq!((folder.name.as_str(), folder.message.as_str()), ("model", "unknown embedder `models/ko-sbert`"));
        assert!(folder.hint.unwrap().contains("sentence-transformers"));
    }
}
