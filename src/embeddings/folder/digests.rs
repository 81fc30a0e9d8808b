//! What the vectors of a folder depend on, as SHA-256: so that vectors of two folders are never mixed up.
//!
//! Each group's digest is that of lines `<sha-256>  <path in the folder>`, in order of the paths, which is what
//! `sha256sum` prints: anybody can check it. Only files that are read count, so a copy without the others has the same
//! digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::embeddings::folder::model_folder::Folder;
use crate::embeddings::folder::modules::Step;
use crate::embeddings::folder::{tokenizer_files, weights};
use crate::error::Result;
use crate::fs;

/// The digests of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Of the network: `config.json`, its weights and those of the layers behind it.
    pub weights: String,
    /// Of the tokenizer's files.
    pub tokenizer: String,
    /// Of each file, by its path in the folder.
    pub files: BTreeMap<String, String>,
}

impl Folder {
    /// Hashes every file that the vectors depend on, several at once; `digest` gives a file's SHA-256.
    ///
    /// # Errors
    /// `NotFound` for a missing file, `Failed` when one cannot be read.
    pub fn digests(&self, digest: &(dyn Fn(&Path) -> Result<String> + Sync)) -> Result<Digests> {
        let mut network = vec![self.transformer.join("config.json")];
        network.extend(weights::files(&self.transformer)?);
        for step in &self.recipe.steps {
            if let Step::Dense { folder, .. } | Step::LayerNorm { folder, .. } = step {
                network.extend(weights::files(folder)?);
            }
        }
        let tokenizer = tokenizer_files::used(&self.transformer);
        let all: Vec<&PathBuf> = network.iter().chain(&tokenizer).collect();
        let hash = |path: &PathBuf| Ok((self.name_of(path), digest(path)?));
        let files: BTreeMap<String, String> = all.into_par_iter().map(hash).collect::<Result<_>>()?;
        let group = |paths: &[PathBuf]| {
            let mut names: Vec<String> = paths.iter().map(|path| self.name_of(path)).collect();
            names.sort_unstable();
            let lines: String = names.iter().map(|name| format!("{}  {name}\n", files[name])).collect();
            fs::sha256(lines.as_bytes())
        };
        Ok(Digests { weights: group(&network), tokenizer: group(&tokenizer), files })
    }

    fn name_of(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.path).unwrap_or(path);
        inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::folder::fixtures::Copied;

    fn digests(copied: &Copied) -> Digests {
        copied.open().unwrap().digests(&|path| Ok(fs::sha256_file(path)?.1)).unwrap()
    }

    #[test]
    fn what_is_read_counts_and_nothing_else() {
        let copied = Copied::of("tiny-bert-max-dense");
        let before = digests(&copied);
        let files: Vec<&str> = before.files.keys().map(String::as_str).collect();
        let expected = [
            "2_Dense/model.safetensors",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        assert_eq!(files, expected);
        // What `sha256sum tokenizer.json tokenizer_config.json | sha256sum` prints.
        let lines = ["tokenizer.json", "tokenizer_config.json"]
            .map(|name| format!("{}  {name}\n", fs::sha256_file(&copied.path().join(name)).unwrap().1));
        assert_eq!(before.tokenizer, fs::sha256(lines.concat().as_bytes()));
        copied.write("README.md", "new").write("vocab.txt", "not read");
        assert_eq!(digests(&copied), before);
        copied.write("tokenizer.json", "{}");
        let after = digests(&copied);
        assert!(after.weights == before.weights && after.tokenizer != before.tokenizer);
        copied.write("2_Dense/model.safetensors", "other");
        assert_ne!(digests(&copied).weights, before.weights);
    }
}
