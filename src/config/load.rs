//! Loading a config file: text → tree → overrides → config, with every problem told at once.

use std::path::Path;

use super::decode::{At, Decoder};
use super::experiment::ExperimentConfig;
use super::notify::{CHANNELS, NotifyChannel};
use super::overrides::Override;
use super::promotion::PromotionSection;
use super::resolve::{Experiment, decode_experiment, resolve};
use super::retrain::RetrainConfig;
use super::value::{FromSection, Value as _};
use super::yaml::{self, Node, Value};
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::fs::{read_text, sha256};

/// The error that tells all problems of a file.
pub(super) fn refuse(file: &str, problems: Vec<Problem>) -> Error {
    let count = problems.len();
    let noun = if count == 1 { "a problem" } else { "problems" };
    let number = if count == 1 { String::new() } else { format!("{count} ") };
    Error::invalid(format!("{number}{noun} in `{file}`")).with_problems(problems)
}

/// What is said of a file that is missing or empty.
pub(super) struct File {
    /// What it is, as in "there is no config `x`".
    missing: fn(&str) -> String,
    missing_hint: Option<&'static str>,
    /// What to write into an empty one; an empty one may stand where there is no such hint.
    empty_hint: Option<&'static str>,
}

pub(super) const CONFIG: File = File {
    missing: |file| format!("there is no config `{file}`"),
    missing_hint: Some(EXAMPLES),
    empty_hint: Some(EXAMPLES),
};

const EXAMPLES: &str = "`mlops init` writes examples to start from";

const RETRAIN: File = File {
    missing: |file| format!("there is no retrain config `{file}`"),
    missing_hint: None,
    empty_hint: Some("name: reviews_monthly, candidates: [experiments/reviews_lr/config.yaml]"),
};

const POLICY: File = File {
    missing: |file| format!("there is no policy `{file}`"),
    missing_hint: None,
    empty_hint: Some("require: [{metric: f1, min: 0.55}]"),
};

const NOTIFY: File = File {
    missing: |file| format!("there is no file `{file}` with channels for notices"),
    missing_hint: None,
    empty_hint: None,
};

/// The text of a config file.
pub(super) fn text_of(path: &Path, file: &str, kind: &File) -> Result<String> {
    let text = read_text(path).map_err(|error| match (error.kind, kind.missing_hint) {
        (ErrorKind::NotFound, None) => Error::invalid((kind.missing)(file)),
        (ErrorKind::NotFound, Some(hint)) => Error::invalid((kind.missing)(file)).hint(hint),
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

/// Loads a file: text → tree → overrides → what `decode` makes of it, with every problem told at once.
fn load_file<T>(
    path: &Path,
    kind: &File,
    overrides: &[Override],
    decode: impl FnOnce(&At<'_, '_>) -> Result<T>,
) -> Result<Loaded<T>> {
    let file = path.display().to_string();
    let text = text_of(path, &file, kind)?;
    let decoder = Decoder::new(&file, &text);
    let Some(mut root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    if let (Value::Null, Some(hint)) = (&root.value, kind.empty_hint) {
        return Err(Error::invalid(format!("`{file}` is empty")).hint(hint));
    }
    for given in overrides {
        given.apply(&mut root)?;
    }
    let value = decode(&At::root(&decoder, &root))?;
    let problems = decoder.finish();
    if problems.is_empty() {
        Ok(Loaded { value, sha256: sha256(text.as_bytes()), file })
    } else {
        Err(refuse(&file, problems))
    }
}

struct Loaded<T> {
    value: T,
    file: String,
    sha256: String,
}

/// Loads, checks and resolves a config file.
///
/// # Errors
/// `NotFound` when there is no such file; `Invalid` with all problems when it is wrong.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Experiment> {
    resolve(load_file(path, &CONFIG, overrides, |root| Ok(decode_experiment(root)))?.value)
}

/// Reads the config that was stored with a run or a version. What this build would refuse in a new one is left as it
/// is, as long as it can be understood.
///
/// # Errors
/// `NotFound` when there is none, `Failed` with all problems when it is damaged or of a newer build.
pub fn load_stored(path: &Path) -> Result<ExperimentConfig> {
    let (file, text) = (path.display().to_string(), read_text(path)?);
    let decoder = Decoder::stored(&file, &text);
    let config = tree(&decoder, &text).map(|root| decode_experiment(&At::root(&decoder, &root)));
    let problems = decoder.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Error::failed(format!("`{file}` is damaged")).with_problems(problems)),
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
    let Loaded { value: config, file, sha256 } =
        load_file(path, &RETRAIN, &[], |root| Ok(RetrainConfig::from_section(root)))?;
    Ok(Retrain { file, sha256, config })
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
    let Loaded { value: gate, file, sha256 } =
        load_file(path, &POLICY, &[], |root| Ok(PromotionSection::from_section(root)))?;
    Ok(Policy { file, sha256, gate })
}

/// Loads and checks the channels of a file: a list at its root, or under `notify:`, whose neighbours are not looked at
/// (a retrain config is checked by `retrain`).
///
/// # Errors
/// `Invalid` with all problems when it is wrong or missing.
pub fn load_notify(path: &Path) -> Result<Vec<NotifyChannel>> {
    let decode = |root: &At<'_, '_>| {
        let below = root.is_map().then(|| root.child("notify"));
        let list = below.as_ref().unwrap_or(root);
        if !list.is_given() {
            let message = format!("`{}` has no `notify:`", path.display());
            return Err(Error::invalid(message).hint("notify: [{slack: \"${SLACK_WEBHOOK_URL}\"}]"));
        }
        Ok(Vec::read(list, &CHANNELS).unwrap_or_default())
    };
    Ok(load_file(path, &NOTIFY, &[], decode)?.value)
}
