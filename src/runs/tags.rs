//! The tags of runs: which code made a run, which version it was about, which rows it was tested on.

use std::collections::BTreeMap;

use crate::config::ExperimentConfig;
use crate::project::Located;
use crate::tracking::Run;

/// Pairs of texts, as params and tags are given.
#[must_use]
pub fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The tags that say which code made a run.
#[must_use]
pub fn code_tags(environment: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let keys = ["git_commit", "git_dirty", "mlops_version"];
    keys.into_iter().filter_map(|key| Some((key.to_owned(), environment.get(key)?.clone()))).collect()
}

/// The tags that say which version a command was about, and what it was trained with.
#[must_use]
pub fn version_tags(located: &Located, config: &ExperimentConfig) -> Vec<(String, String)> {
    pairs([
        ("model", located.model.to_string()),
        ("version", located.version.0.to_string()),
        ("trained_by", located.run_id.to_string()),
        ("seed", config.seed.to_string()),
        ("trained_on", located.data_fingerprint.clone()),
    ])
}

/// The first run that was tested on other rows than the first of them.
#[must_use]
pub fn tested_elsewhere(runs: &[Run]) -> Option<&Run> {
    let tested_on = |run: &Run| run.tags.get("test_ids").cloned();
    runs.iter().find(|run| tested_on(run) != tested_on(&runs[0]))
}
