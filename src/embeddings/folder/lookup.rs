//! A model by its name on the Hugging Face hub: looked up in the local cache, else downloaded into it.
//!
//! What is there is used without asking the network, so that the same command gives the same vectors tomorrow; a commit
//! can be asked for, and is reported. A snapshot that lacks files (another program may have fetched only the tokenizer)
//! is completed by `download`.

use std::path::Path;

use serde_json::Value;

use crate::embeddings::Network;
use crate::embeddings::folder::hub::{Found, Hub, is_name, snapshots};
use crate::embeddings::folder::{document, download, weights};
use crate::error::{Error, ErrorKind, Result};

/// Models of the hub's early days that have no organisation in their name; every other short name belongs to
/// `sentence-transformers`, as it does there (`util/misc.py`, 6.2; those of the architectures read here).
const WITHOUT_ORGANISATION: [&str; 35] = [
    "bert-base-cased-finetuned-mrpc",
    "bert-base-cased",
    "bert-base-chinese",
    "bert-base-german-cased",
    "bert-base-german-dbmdz-cased",
    "bert-base-german-dbmdz-uncased",
    "bert-base-multilingual-cased",
    "bert-base-multilingual-uncased",
    "bert-base-uncased",
    "bert-large-cased-whole-word-masking-finetuned-squad",
    "bert-large-cased-whole-word-masking",
    "bert-large-cased",
    "bert-large-uncased-whole-word-masking-finetuned-squad",
    "bert-large-uncased-whole-word-masking",
    "bert-large-uncased",
    "camembert-base",
    "distilbert-base-cased-distilled-squad",
    "distilbert-base-cased",
    "distilbert-base-german-cased",
    "distilbert-base-multilingual-cased",
    "distilbert-base-uncased-distilled-squad",
    "distilbert-base-uncased-finetuned-sst-2-english",
    "distilbert-base-uncased",
    "distilroberta-base",
    "roberta-base-openai-detector",
    "roberta-base",
    "roberta-large-mnli",
    "roberta-large-openai-detector",
    "roberta-large",
    "xlm-roberta-base",
    "xlm-roberta-large-finetuned-conll02-dutch",
    "xlm-roberta-large-finetuned-conll02-spanish",
    "xlm-roberta-large-finetuned-conll03-english",
    "xlm-roberta-large-finetuned-conll03-german",
    "xlm-roberta-large",
];

fn full_name(name: &str) -> String {
    if name.contains('/') || WITHOUT_ORGANISATION.contains(&name.to_lowercase().as_str()) {
        return name.to_owned();
    }
    format!("sentence-transformers/{name}")
}

impl Hub<'_> {
    /// Finds a model by its name. `revision` is a commit, tag or branch; `main` when there is none.
    ///
    /// # Errors
    /// `NotFound` when the cache does not have it and the network does not either or may not be asked, `Invalid` for
    /// what is no name, `Failed` when a download fails.
    pub fn find(&self, name: &str, revision: Option<&str>) -> Result<Found> {
        if !is_name(name) {
            return Err(Error::invalid(format!("`{name}` is no folder and no name of a model"))
                .hint("give the path of a folder, or a name as on the Hugging Face hub, such as `org/name`"));
        }
        let name = full_name(name);
        let revision = revision.unwrap_or("main");
        let plain = !revision.is_empty()
            && !revision.starts_with('/')
            && !revision.split('/').any(|part| part.starts_with('.'));
        if !plain {
            return Err(Error::invalid(format!("`{revision}` is no revision")));
        }
        let Some(cache) = self.cache else {
            return Err(Error::not_found(format!("there is no Hugging Face cache to look for `{name}` in"))
                .hint("set HF_HOME, or give the path of a model folder"));
        };
        let lacking = match cached(cache, &name, revision) {
            Some(found) => match lacking(&found.folder)? {
                None => return Ok(found),
                Some(file) => format!("`{name}` in `{}` lacks `{file}`", found.folder.display()),
            },
            None if revision == "main" => format!("`{name}` is not in the cache `{}`", cache.display()),
            None => format!("`{name}` at `{revision}` is not in the cache `{}`", cache.display()),
        };
        match self.network {
            Network::Allowed => {
                let commit = download::model(self, cache, &name, revision)?;
                let found = cached(cache, &name, &commit);
                found.ok_or_else(|| {
                    Error::failed(format!("`{name}` is not in `{}` after its download", cache.display()))
                })
            }
            Network::Offline => Err(Error::not_found(format!("{lacking}, and the network may not be used"))
                .hint("run once without `--offline` to download it, or give the path of a folder with the model")),
        }
    }
}

/// The snapshot of a revision, if the cache has it.
fn cached(cache: &Path, name: &str, revision: &str) -> Option<Found> {
    let snapshots = snapshots(cache, name);
    let reference = snapshots.parent()?.join("refs").join(revision);
    let commit =
        std::fs::read_to_string(reference).map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folder = snapshots.join(&commit);
    (is_commit && folder.is_dir()).then(|| Found { folder, name: name.to_owned(), revision: commit })
}

/// The first file that a snapshot lacks.
fn lacking(folder: &Path) -> Result<Option<String>> {
    let modules = folder.join("modules.json");
    let mut folders = vec![folder.to_owned()];
    if modules.exists() {
        let modules = document::json(&modules)?;
        let mut transformer = None;
        for module in modules.as_array().into_iter().flatten() {
            let text = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
            let class = text("type").rsplit('.').next().unwrap_or_default();
            match class {
                "Transformer" => transformer = Some(folder.join(text("path"))),
                "Dense" | "LayerNorm" => folders.push(folder.join(text("path"))),
                "Pooling" if !folder.join(text("path")).join("config.json").exists() => {
                    return Ok(Some(format!("{}/config.json", text("path"))));
                }
                _ => {}
            }
        }
        folders[0] = transformer.unwrap_or_else(|| folder.to_owned());
    }
    let tokenizer = ["tokenizer.json", "vocab.txt", "vocab.json"];
    if !tokenizer.iter().any(|name| folders[0].join(name).exists()) {
        return Ok(Some("tokenizer.json".to_owned()));
    }
    for folder in &folders {
        if !folder.join("config.json").exists() {
            return Ok(Some("config.json".to_owned()));
        }
        let files = match weights::files(folder) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Some("model.safetensors".to_owned())),
            files => files?,
        };
        if let Some(file) = files.iter().find(|file| !file.exists()) {
            return Ok(Some(file.file_name().unwrap_or_default().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(cache: &Path) -> Hub<'_> {
        Hub { cache: Some(cache), network: Network::Offline, endpoint: None, progress: &|_, _, _| {} }
    }

    #[test]
    fn short_names_belong_to_sentence_transformers() {
        assert_eq!(full_name("all-MiniLM-L6-v2"), "sentence-transformers/all-MiniLM-L6-v2");
        assert_eq!(
            full_name("distilbert-base-nli-mean-tokens"),
            "sentence-transformers/distilbert-base-nli-mean-tokens"
        );
        assert_eq!(full_name("bert-base-uncased"), "bert-base-uncased");
        assert_eq!(full_name("a/b"), "a/b");
    }

    #[test]
    fn a_snapshot_is_found_by_branch_and_by_commit() {
        let cache = tempfile::tempdir().unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let model = cache.path().join("models--org--tiny");
        let snapshot = model.join("snapshots").join(commit);
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), format!("{commit}\n")).unwrap();
        let error = hub(cache.path()).find("org/tiny", None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("lacks `tokenizer.json`"), "{}", error.message);
        for name in ["tokenizer.json", "config.json", "model.safetensors"] {
            std::fs::write(snapshot.join(name), "{}").unwrap();
        }
        for revision in [None, Some("main"), Some(commit)] {
            let found = hub(cache.path()).find("org/tiny", revision).unwrap();
            assert_eq!((found.folder.as_path(), found.revision.as_str()), (snapshot.as_path(), commit));
        }
        let error = hub(cache.path()).find("org/tiny", Some("v2")).unwrap_err();
        assert!(error.message.contains("at `v2`"), "{}", error.message);
    }

    #[test]
    fn offline_names_both_remedies() {
        let cache = tempfile::tempdir().unwrap();
        let error = hub(cache.path()).find("org/absent", None).unwrap_err();
        let hint = error.hint.unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(hint.contains("--offline") && hint.contains("path of a folder"), "{hint}");
        for name in ["../x", "a/b/c"] {
            assert_eq!(hub(cache.path()).find(name, None).unwrap_err().kind, ErrorKind::Invalid);
        }
        assert_eq!(hub(cache.path()).find("org/a", Some("../../etc")).unwrap_err().kind, ErrorKind::Invalid);
    }
}
