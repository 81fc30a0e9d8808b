//! Fetching a model's files from the hub into the local cache.
//!
//! Only files that are read are fetched: settings, tokenizer, one form of the weights; all of one commit, whatever happens
//! to its branch meanwhile. The hub's library writes the cache in the form that Python's does, resumes what was
//! interrupted and keeps other processes out. Large files are named by their SHA-256 there, and checked against it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde_json::Value;

use crate::embeddings::folder::document;
use crate::embeddings::folder::hub::{Hub, snapshots};
use crate::embeddings::folder::recipe::SETTINGS;
use crate::error::{Context, Error, Result};
use crate::fs;

/// Downloads what is read of a model into the cache. Gives the commit.
///
/// # Errors
/// `NotFound` when the hub has no such model, `Failed` when the network or the disk fails or a file arrives damaged.
pub(super) fn model(hub: &Hub<'_>, cache: &Path, name: &str, revision: &str) -> Result<String> {
    let failed = |cause: ApiError| unreachable(name, revision, cause);
    let api = ApiBuilder::from_cache(Cache::new(cache.to_owned())).with_progress(false).with_retries(3);
    let api = match hub.endpoint {
        Some(endpoint) => api.with_endpoint(endpoint.trim_end_matches('/').to_owned()),
        None => api,
    };
    let api = api.build().map_err(failed)?;
    let repo = |revision: &str| Repo::with_revision(name.to_owned(), RepoType::Model, revision.to_owned());
    let info = api.repo(repo(revision)).info().map_err(failed)?;
    // The answer names files on this disk: it must not lead out of the cache.
    if info.sha.len() != 40 || !info.sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::failed(format!("the hub names the commit `{}` of `{name}`, which is none", info.sha)));
    }
    let inside = |file: &String| Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    let there: BTreeSet<String> = info.siblings.into_iter().map(|file| file.rfilename).filter(inside).collect();
    // Everything from one commit, whatever happens to the branch meanwhile.
    let pinned = Download { repo: api.repo(repo(&info.sha)), there: &there, hub, cache, name, revision: &info.sha };
    for file in pinned.files()? {
        pinned.get(&file)?;
    }
    let cannot = || format!("cannot write the cache `{}`", cache.display());
    Cache::new(cache.to_owned()).repo(repo(revision)).create_ref(&info.sha).context(cannot)?;
    Ok(info.sha)
}

struct Download<'a> {
    repo: ApiRepo,
    there: &'a BTreeSet<String>,
    hub: &'a Hub<'a>,
    cache: &'a Path,
    name: &'a str,
    revision: &'a str,
}

impl Download<'_> {
    /// The files of the repository that are read.
    fn files(&self) -> Result<Vec<String>> {
        let mut folders = vec![String::new()];
        if self.there.contains("modules.json") {
            let modules: Value = document::json(&self.get("modules.json")?)?;
            let paths = modules.as_array().into_iter().flatten().filter_map(|module| module.get("path")?.as_str());
            folders
                .extend(paths.filter(|path| !path.is_empty()).map(|path| format!("{}/", path.trim_end_matches('/'))));
        }
        let mut files = Vec::new();
        for folder in &folders {
            let there = |name: &&str| self.there.contains(&format!("{folder}{name}"));
            files.extend(
                PLAIN.iter().chain(&SETTINGS).copied().filter(|name| there(name)).map(|name| format!("{folder}{name}")),
            );
            for (whole, index) in WEIGHTS {
                if there(&whole) {
                    files.push(format!("{folder}{whole}"));
                    break;
                }
                if there(&index) {
                    let index = format!("{folder}{index}");
                    let map = document::json(&self.get(&index)?)?;
                    let shards = map.get("weight_map").and_then(Value::as_object).into_iter().flatten();
                    let shards: BTreeSet<&str> = shards.filter_map(|(_, shard)| shard.as_str()).collect();
                    files.extend(shards.into_iter().map(|shard| format!("{folder}{shard}")));
                    files.push(index);
                    break;
                }
            }
        }
        Ok(files)
    }

    fn get(&self, file: &str) -> Result<PathBuf> {
        let there = snapshots(self.cache, self.name).join(self.revision).join(file);
        if there.exists() {
            return Ok(there);
        }
        let fetch = || {
            let progress = Told { hub: self.hub, file: file.to_owned(), so_far: 0, total: 0 };
            self.repo.download_with_progress(file, progress)
        };
        let fetched = fetch().or_else(|cause| match cause {
            // A process that died between the last byte and the renaming left a whole file: no bytes are left to ask for.
            cause if cause.to_string().contains("status code 416") && self.remove_parts() => fetch(),
            cause => Err(cause),
        });
        let path = fetched.map_err(|cause| unreachable(self.name, self.revision, cause))?;
        check(&path)?;
        Ok(path)
    }

    /// Removes what interrupted downloads of this model left. True when there was something.
    fn remove_parts(&self) -> bool {
        let blobs = snapshots(self.cache, self.name).with_file_name("blobs");
        let parts = std::fs::read_dir(blobs).into_iter().flatten().flatten().map(|entry| entry.path());
        let parts = parts.filter(|path| path.extension().is_some_and(|extension| extension == "part"));
        parts.filter(|part| std::fs::remove_file(part).is_ok()).count() > 0
    }
}

/// Files of every folder of a model but its weights and the transformer's own settings.
const PLAIN: [&str; 10] = [
    "config.json",
    "config_sentence_transformers.json",
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
];

/// The forms of the weights, the first that is there is taken: a whole file, or the index of its shards.
const WEIGHTS: [(&str, &str); 2] =
    [("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")];

struct Told<'a> {
    hub: &'a Hub<'a>,
    file: String,
    so_far: u64,
    total: u64,
}

impl Progress for Told<'_> {
    fn init(&mut self, size: usize, _: &str) {
        (self.so_far, self.total) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.so_far += size as u64;
        (self.hub.progress)(&self.file, self.so_far, self.total);
    }

    fn finish(&mut self) {
        (self.hub.progress)(&self.file, self.total, self.total);
    }
}

/// Checks a downloaded file against its name in the cache, which for large files is their SHA-256.
fn check(path: &Path) -> Result<()> {
    let stored = path.canonicalize().context(|| format!("cannot read `{}`", path.display()))?;
    let name = stored.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let (_, digest) = fs::sha256_file(&stored)?;
    if digest == name.to_ascii_lowercase() {
        return Ok(());
    }
    for damaged in [path, &stored] {
        std::fs::remove_file(damaged).context(|| format!("cannot remove `{}`, which is damaged", damaged.display()))?;
    }
    Err(Error::failed(format!("`{}` arrived damaged: its SHA-256 is {digest}, expected {name}", path.display()))
        .hint("run the command again"))
}

fn unreachable(name: &str, revision: &str, cause: ApiError) -> Error {
    let text = cause.to_string();
    // The hub answers 401 for what does not exist, too: it does not tell strangers which private models there are.
    if ["401", "403", "404"].iter().any(|code| text.contains(&format!("status code {code}"))) {
        return Error::not_found(format!("the hub has no model `{name}` at `{revision}`, or it is private"))
            .caused_by(cause)
            .hint(
                "check the name; for a private model put a token into the file `token` beside the cache's `hub` folder",
            );
    }
    Error::failed(format!("cannot download `{name}`")).caused_by(cause).hint(
        "check the network, or copy the model's folder here and give its path; with `--offline` only the cache is used",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;

    use super::*;
    use crate::embeddings::Network;
    use crate::error::ErrorKind;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// A hub with one model, on this machine: answers ranges as the real one does, and writes down what it was asked.
    struct Served {
        endpoint: String,
        asked: std::sync::Arc<Mutex<Vec<String>>>,
    }

    fn serve(files: &'static [(&'static str, &'static str)]) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
        let log = std::sync::Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(std::io::Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = lines[0].split(' ').nth(1).unwrap().to_owned();
                let start =
                    lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
                stream.write_all(&answer(files, &path, start.as_deref())).unwrap();
                log.lock().unwrap().push(path);
            }
        });
        Served { endpoint, asked }
    }

    fn answer(files: &[(&str, &str)], path: &str, range: Option<&str>) -> Vec<u8> {
        if path == "/api/models/org/tiny/revision/main" {
            let names: Vec<Value> = files.iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
            let body = serde_json::json!({"siblings": names, "sha": COMMIT}).to_string();
            return format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                .into();
        }
        let file = path.strip_prefix(&format!("/org/tiny/resolve/{COMMIT}/"));
        let Some((name, body)) = file.and_then(|file| files.iter().find(|(name, _)| *name == file)) else {
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        };
        // Weights are named by their SHA-256, those of a damaged model by that of something else.
        let tag = if name.ends_with("safetensors") {
            fs::sha256(body.replace("damaged", "whole").as_bytes())
        } else {
            format!("tag-{}", name.replace('/', "-"))
        };
        let (start, end) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
        let (start, size): (usize, usize) = (start.parse().unwrap(), body.len());
        let end = end.parse().map_or(size, |end: usize| (end + 1).min(size));
        if start >= size {
            return b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        }
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"{tag}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {start}-{}/{size}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            end - 1,
            end - start
        );
        [head.as_bytes(), &body.as_bytes()[start..end]].concat()
    }

    const MODEL: &[(&str, &str)] = &[
        ("README.md", "# tiny"),
        ("config.json", "{}"),
        ("model.safetensors", "weights"),
        (
            "modules.json",
            r#"[{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]"#,
        ),
        ("1_Pooling/config.json", "{}"),
        ("onnx/model.onnx", "large"),
        ("pytorch_model.bin", "the same again"),
        ("tokenizer.json", "{}"),
    ];

    #[test]
    fn what_is_read_is_fetched_once() {
        let (cache, served) = (tempfile::tempdir().unwrap(), serve(MODEL));
        let seen = Mutex::new(Vec::new());
        let progress = |file: &str, so_far: u64, total: u64| {
            if so_far == total {
                seen.lock().unwrap().push(file.to_owned());
            }
        };
        let hub = Hub {
            cache: Some(cache.path()),
            network: Network::Allowed,
            endpoint: Some(&served.endpoint),
            progress: &progress,
        };
        let found = hub.find("org/tiny", None).unwrap();
        assert_eq!(found.revision, COMMIT);
        for (name, body) in MODEL {
            let path = found.folder.join(name);
            let read = ["README.md", "onnx/model.onnx", "pytorch_model.bin"].iter().all(|unread| name != unread);
            assert_eq!(std::fs::read_to_string(path).ok(), read.then(|| (*body).to_owned()), "{name}");
        }
        assert!(seen.lock().unwrap().contains(&"model.safetensors".to_owned()));
        // Nothing is asked when everything is there, and the network is not needed any more.
        let n_asked = served.asked.lock().unwrap().len();
        let offline = Hub { network: Network::Offline, ..hub };
        for revision in [None, Some(COMMIT)] {
            assert_eq!(offline.find("org/tiny", revision).unwrap(), found);
        }
        assert_eq!(hub.find("org/tiny", None).unwrap(), found);
        assert_eq!(served.asked.lock().unwrap().len(), n_asked);
        // A file that is lost is fetched again, alone. A download that ended before its renaming is in nobody's way.
        std::fs::remove_file(found.folder.join("tokenizer.json")).unwrap();
        let blobs = cache.path().join("models--org--tiny/blobs");
        std::fs::rename(blobs.join("tag-tokenizer.json"), blobs.join("tag-tokenizer.part")).unwrap();
        assert_eq!(hub.find("org/tiny", None).unwrap(), found);
        let asked = served.asked.lock().unwrap();
        assert!(asked[n_asked..].iter().all(|path| path.ends_with("tokenizer.json") || path.starts_with("/api/")));
    }

    #[test]
    fn what_arrives_damaged_is_not_kept() {
        const DAMAGED: &[(&str, &str)] =
            &[("config.json", "{}"), ("model.safetensors", "damaged"), ("tokenizer.json", "{}")];
        let (cache, served) = (tempfile::tempdir().unwrap(), serve(DAMAGED));
        let hub = Hub {
            cache: Some(cache.path()),
            network: Network::Allowed,
            endpoint: Some(&served.endpoint),
            progress: &|_, _, _| {},
        };
        let error = hub.find("org/tiny", None).unwrap_err();
        assert!(error.message.contains("arrived damaged"), "{}", error.message);
        let snapshot = cache.path().join("models--org--tiny/snapshots").join(COMMIT);
        assert!(
            snapshot.join("config.json").exists() && snapshot.join("model.safetensors").symlink_metadata().is_err()
        );
    }

    #[test]
    fn a_model_that_is_not_there_is_not_found() {
        let (cache, served) = (tempfile::tempdir().unwrap(), serve(MODEL));
        let hub = Hub {
            cache: Some(cache.path()),
            network: Network::Allowed,
            endpoint: Some(&served.endpoint),
            progress: &|_, _, _| {},
        };
        assert_eq!(hub.find("org/absent", None).unwrap_err().kind, ErrorKind::NotFound);
        let nowhere = Hub { endpoint: Some("http://127.0.0.1:9"), ..hub };
        let error = nowhere.find("org/tiny", None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(error.hint.unwrap().contains("give its path"));
    }
}
