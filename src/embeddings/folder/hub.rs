//! The Hugging Face hub and its local cache: where models by name come from.
//!
//! The cache is the one that Python's `huggingface_hub` uses: `models--ORG--NAME/refs/main` holds a commit,
//! `snapshots/COMMIT` the files of that commit. `lookup` finds a model in it, `download` fetches one into it.

use std::path::{Path, PathBuf};

use crate::embeddings::Network;

/// Where models by name come from.
#[derive(Clone, Copy)]
pub struct Hub<'a> {
    /// The cache: the folder that holds `models--…`.
    pub cache: Option<&'a Path>,
    /// Whether what is not there may be downloaded.
    pub network: Network,
    /// The hub's address, where it is a mirror (`HF_ENDPOINT`).
    pub endpoint: Option<&'a str>,
    /// Told the file, its bytes so far and in all.
    pub progress: &'a dyn Fn(&str, u64, u64),
}

/// A model that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// Its name in full, with the organisation.
    pub name: String,
    /// The commit.
    pub revision: String,
}

/// Whether a text could be the name of a model: `org/name`, or `name` alone.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && !part.starts_with(['.', '-'])
            && !part.contains("..")
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'))
    };
    text.split('/').count() <= 2 && text.split('/').all(part)
}

/// Where the snapshots of a model lie.
pub(super) fn snapshots(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!("models--{}", name.replace('/', "--"))).join("snapshots")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        for name in ["snunlp/KR-SBERT-V40K-klueNLI-augSTS", "all-MiniLM-L6-v2", "intfloat/multilingual-e5-small"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["", "/tmp/model", "./model", "../model", "a/b/c", "a//b", "models/", "a b", "모델"] {
            assert!(!is_name(path), "{path}");
        }
    }
}
