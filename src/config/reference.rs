//! The reference of all configs: `docs/config.md`, made from the lists of fields.

use std::fmt::Write as _;

use super::evaluation::CHOSEN_BY;
use super::experiment::EXPERIMENT;
use super::field::{Field, Section};
use super::notify::CHANNEL;
use super::promotion::PROMOTION;
use super::retrain::RETRAIN;

/// Sections that stand beside another form of the same value, by the path of their field.
const OTHER_FORMS: [(&str, &Section); 1] = [("evaluation.threshold", &CHOSEN_BY)];

/// The sections below a section, each with its path.
fn below(path: &str, section: &'static Section, found: &mut Vec<(String, &'static Section)>) {
    for field in section.fields {
        let path = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let other = || OTHER_FORMS.iter().find(|(of, _)| *of == path).map(|(_, section)| *section);
        if let Some(inner) = field.kind.section().or_else(other) {
            found.push((path.clone(), inner));
            below(&path, inner, found);
        }
    }
}

/// The sections of an experiment config, each with its path; the first is the config itself.
pub(super) fn sections() -> Vec<(String, &'static Section)> {
    let mut found = vec![("config".to_owned(), &EXPERIMENT)];
    below("", &EXPERIMENT, &mut found);
    found
}

/// Text that stands in a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

fn row(field: &Field) -> String {
    let task = field.only.map(|only| format!(" Only for {}.", only.task.name())).unwrap_or_default();
    let default = if field.required.is_some() { "**required**".to_owned() } else { field.default_label() };
    let text = format!("{}{task}", field.text.trim());
    format!("| `{}` | {} | {} | {} |\n", field.name, cell(&field.kind.label()), cell(&default), cell(&text))
}

fn describe(text: &mut String, heading: &str, section: &Section) {
    let rows: String = section.fields.iter().map(row).collect();
    let _ = write!(
        text,
        "\n{heading}\n\n{}\n\n| key | value | default | what it is |\n|---|---|---|---|\n{rows}",
        section.text.trim()
    );
}

/// The page.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# The configs, key by key\n\n\
         This page is made from the lists of fields in `src/config`, and a test holds it fresh (CONTRIBUTING.md says \
         how it is written anew). `mlops schema` gives the same as JSON Schema for editors, \
         `mlops schema --list config` on the terminal. Parameters of models and feature steps: `mlops schema --list models`, `training`, `features`.\n\n\
         Where a value may be a list, one value stands for a list of one. `null` is the same as no value.\n",
    );
    for (title, file, section) in [
        ("Experiment config", "`mlops train CONFIG`", &EXPERIMENT),
        ("Retrain config", "`mlops retrain CONFIG`; JSON Schema: `mlops schema --retrain`", &RETRAIN),
        ("Policy file", "`mlops promote --policy FILE`; JSON Schema: `mlops schema --policy`", &PROMOTION),
        ("Channels for notices", "a list; JSON Schema: `mlops schema --config notify`", &CHANNEL),
    ] {
        describe(&mut text, &format!("## {title}\n\n{file}"), section);
        // The sections of a policy are those of `promotion`.
        if std::ptr::eq(section, &raw const PROMOTION) {
            continue;
        }
        let mut inner = Vec::new();
        below("", section, &mut inner);
        for (path, section) in inner {
            describe(&mut text, &format!("### `{path}`"), section);
        }
    }
    text
}
