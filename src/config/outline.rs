//! What a schedule must know of a config without checking all of it: that it is YAML, which model it is about, which
//! variables it needs.

use std::collections::BTreeSet;
use std::path::Path;

use super::decode::{At, Decoder};
use super::load::{CONFIG, refuse, text_of, tree};
use crate::error::Result;

/// The outline of a config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// `model:` or `model.name`, when it is there.
    pub model: Option<String>,
    /// The experiment config of the first of `candidates:`, relative to the root: a retrain config names its model by
    /// them.
    pub candidate: Option<String>,
    /// The environment variables that it names as `${NAME}`.
    pub variables: BTreeSet<String>,
}

/// Reads the outline of a config.
///
/// # Errors
/// `Invalid` when there is no such file or it is not YAML.
pub fn outline(path: &Path) -> Result<Outline> {
    let file = path.display().to_string();
    let text = text_of(path, &file, &CONFIG)?;
    let decoder = Decoder::new(&file, &text);
    let Some(root) = tree(&decoder, &text) else { return Err(refuse(&file, decoder.finish())) };
    let at = At::root(&decoder, &root);
    if !at.is_map() {
        return Err(refuse(&file, decoder.finish()));
    }
    let word = |at: &At<'_, '_>| at.as_word().map(str::to_owned);
    let model = at.child("model");
    let model = if model.is_map() { model.child("name").text() } else { word(&model) };
    let candidate = at
        .child("candidates")
        .items()
        .first()
        .and_then(|first| if first.is_map() { first.child("config").text() } else { word(first) });
    let mut variables = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let names = line.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
        let sound = |name: &&str| {
            let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            letters && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
        };
        variables.extend(names.filter(sound).map(str::to_owned));
    }
    Ok(Outline { model, candidate, variables })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_and_variables_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("retrain.yaml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            outline(&path)
        };
        let found =
            read("model: reviews\nsource: ${DATA_URL}\n# ${NOT}\nnotify: [{slack: \"${A}${B_2}${1}${x y}\"}]\n")
                .unwrap();
        assert_eq!(found.model.as_deref(), Some("reviews"));
        assert_eq!(found.variables.iter().map(String::as_str).collect::<Vec<_>>(), ["A", "B_2", "DATA_URL"]);
        assert_eq!(read("model: {name: 합격}").unwrap().model.as_deref(), Some("합격"));
        assert_eq!(read("name: x").unwrap(), Outline::default());
        assert_eq!(read("candidates: [a.yaml, b.yaml]").unwrap().candidate.as_deref(), Some("a.yaml"));
        assert_eq!(read("candidates: [{config: b.yaml, set: {}}]").unwrap().candidate.as_deref(), Some("b.yaml"));
        assert!(read("a: [").is_err() && read("- a").is_err() && outline(Path::new("none.yaml")).is_err());
    }
}
