//! Loading a config file: text → tree → overrides → config, with every problem told at once.

use std::path::Path;

use super::decode::{At, Decoder};
use super::experiment;
use super::notify::{NotifyChannel, decode_notify};
use super::promotion::{PromotionSection, decode_promotion};
use super::resolve::{Experiment, look_up};
use super::retrain::{self, RetrainConfig};
use super::yaml::{self, Node, Value};
use crate::error::{Error, Problem, Result};
use crate::fs::{read_text, sha256};

/// One `--set a.b=c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key path.
    pub path: String,
    /// The value, as YAML.
    pub value: String,
}

impl Override {
    /// Parses `a.b=c`.
    ///
    /// # Errors
    /// `Invalid` when there is no `=` or no key.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => {
                Ok(Self { path: path.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(Error::invalid(format!("`--set {text}` is not `key=value`")).hint("--set model.params.C=0.1")),
        }
    }

    fn apply(&self, root: &mut Node) -> Result<()> {
        let wrong = |why: String| Error::invalid(format!("`--set {}={}`: {why}", self.path, self.value));
        let (value, _) = yaml::parse(&self.value).map_err(|(message, ..)| wrong(message))?;
        let path = self.path.replace('[', ".").replace(']', "");
        let mut node = root;
        for key in path.split('.') {
            if node.value == Value::Null {
                node.value = Value::Map(Vec::new());
            }
            node = match &mut node.value {
                Value::Map(entries) => {
                    let at = entries.iter().position(|(name, ..)| name == key).unwrap_or_else(|| {
                        entries.push((key.to_owned(), Node::nowhere(Value::Null), Node::nowhere(Value::Null)));
                        entries.len() - 1
                    });
                    &mut entries[at].2
                }
                Value::List(items) => {
                    let count = items.len();
                    let item = key.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                    item.ok_or_else(|| wrong(format!("`{key}` is not one of the {count} items, counted from 0")))?
                }
                _ => return Err(wrong(format!("there is no `{key}` inside a plain value"))),
            };
        }
        *node = value.without_place();
        Ok(())
    }
}

/// The error that tells all problems of a file.
pub(super) fn refuse(file: &str, problems: Vec<Problem>) -> Error {
    let count = problems.len();
    let noun = if count == 1 { "a problem" } else { "problems" };
    let number = if count == 1 { String::new() } else { format!("{count} ") };
    Error::invalid(format!("{number}{noun} in `{file}`")).with_problems(problems)
}

/// The text of a config file.
pub(super) fn text_of(path: &Path, file: &str) -> Result<String> {
    let text = read_text(path).map_err(|error| match error.kind {
        crate::error::ErrorKind::NotFound => {
            Error::invalid(format!("there is no config `{file}`")).hint("`mlops init` writes examples to start from")
        }
        _ => error,
    })?;
    if text.len() > 1 << 20 {
        return Err(Error::invalid(format!("`{file}` is larger than 1 MiB: it is hardly a config")));
    }
    Ok(text)
}

/// The tree of a file; every key that stands twice is noted.
pub(super) fn tree(decoder: &Decoder<'_>, text: &str) -> Option<Node> {
    match yaml::parse(text) {
        Ok((root, duplicates)) => {
            duplicates.into_iter().for_each(|(message, line, column)| decoder.problem(line, column, "", message, None));
            Some(root)
        }
        Err((message, line, column)) => {
            decoder.problem(line, column, "", message, None);
            None
        }
    }
}

/// Loads, checks and resolves a config file.
///
/// # Errors
/// `NotFound` when there is no such file; `Invalid` with all problems when it is wrong.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Experiment> {
    let file = path.display().to_string();
    let text = text_of(path, &file)?;
    let decoder = Decoder::new(&file, &text);
    let Some(mut root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    if root.value == Value::Null {
        return Err(Error::invalid(format!("`{file}` is empty")).hint("`mlops init` writes examples to start from"));
    }
    for given in overrides {
        given.apply(&mut root)?;
    }
    let experiment = look_up(experiment::decode(&At::root(&decoder, &root)));
    let problems = decoder.finish();
    match experiment {
        Some(experiment) if problems.is_empty() => Ok(experiment),
        _ => Err(refuse(&file, problems)),
    }
}

/// A retrain config from its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrain {
    /// The file, as it was named.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What it holds.
    pub config: RetrainConfig,
}

/// Loads and checks a retrain config.
///
/// # Errors
/// `Invalid` with all problems when it is wrong or missing.
pub fn load_retrain(path: &Path) -> Result<Retrain> {
    let file = path.display().to_string();
    let text = text_of(path, &file).map_err(|error| match error.hint {
        Some(_) => Error::invalid(format!("there is no retrain config `{file}`")),
        None => error,
    })?;
    let decoder = Decoder::new(&file, &text);
    let Some(root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    if root.value == Value::Null {
        return Err(Error::invalid(format!("`{file}` is empty"))
            .hint("name: reviews_monthly, candidates: [experiments/reviews_lr/config.yaml]"));
    }
    let config = retrain::decode(&At::root(&decoder, &root));
    let problems = decoder.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(Retrain { file, sha256: sha256(text.as_bytes()), config }),
        _ => Err(refuse(&file, problems)),
    }
}

/// A gate from a file of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The file, as it was named.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The gate.
    pub gate: PromotionSection,
}

/// Loads and checks a policy file: the keys of `promotion:` at its root.
///
/// # Errors
/// `Invalid` with all problems when it is wrong or missing.
pub fn load_policy(path: &Path) -> Result<Policy> {
    let file = path.display().to_string();
    let text = text_of(path, &file).map_err(|error| match error.hint {
        Some(_) => Error::invalid(format!("there is no policy `{file}`")),
        None => error,
    })?;
    let decoder = Decoder::new(&file, &text);
    let Some(root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    if root.value == Value::Null {
        return Err(Error::invalid(format!("`{file}` is empty")).hint("require: [{metric: f1, min: 0.55}]"));
    }
    let gate = decode_promotion(&At::root(&decoder, &root), None);
    let problems = decoder.finish();
    if problems.is_empty() {
        Ok(Policy { file, sha256: sha256(text.as_bytes()), gate })
    } else {
        Err(refuse(&file, problems))
    }
}

/// Loads and checks the channels of a file: a list at its root, or under `notify:`, whose neighbours are not looked at
/// (a retrain config is checked by `retrain`).
///
/// # Errors
/// `Invalid` with all problems when it is wrong or missing.
pub fn load_notify(path: &Path) -> Result<Vec<NotifyChannel>> {
    let file = path.display().to_string();
    let text = text_of(path, &file).map_err(|error| match error.hint {
        Some(_) => Error::invalid(format!("there is no file `{file}` with channels for notices")),
        None => error,
    })?;
    let decoder = Decoder::new(&file, &text);
    let Some(root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    let at = At::root(&decoder, &root);
    let list = if matches!(root.value, Value::Map(_)) { at.fields().get("notify") } else { at };
    if !list.is_given() {
        return Err(
            Error::invalid(format!("`{file}` has no `notify:`")).hint("notify: [{slack: \"${SLACK_WEBHOOK_URL}\"}]")
        );
    }
    let channels = decode_notify(&list);
    let problems = decoder.finish();
    if problems.is_empty() { Ok(channels) } else { Err(refuse(&file, problems)) }
}
