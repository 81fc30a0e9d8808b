//! `drift:`: what is watched beside the model's own inputs, and what counts as drift. It is frozen with the version.

use serde::Serialize;
use serde_json::json;

use super::decode::{At, Fields};
use super::field::{Field, Kind, Limits, Preset, Section, TEXTS, words};
use super::schema_parts::names;
use super::value::FromSection;
use crate::catalog::find;
use crate::drift::{Role, STATISTICS, Settings};

/// The section.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DriftSection {
    /// Columns of the data that are watched beside the model's inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What is frozen with the reference.
    #[serde(flatten)]
    pub settings: Settings,
}

const STATISTIC: Kind = Kind::Name {
    label: "drift statistic (`mlops schema --list statistics`)",
    check: |name, _| Ok(find("drift statistic", STATISTICS, name)?.name().to_owned()),
    schema: || json!({"enum": names(STATISTICS)}),
};

/// The fields of the section.
pub(super) static DRIFT: Section = Section {
    text: "What is watched beside the model's own inputs, and what counts as drift. It is frozen with the version.",
    fields: &[
        Field::new("columns", TEXTS, "Columns of the data that are watched beside the model's inputs."),
        Field::new("statistic", STATISTIC, "The statistic.").preset(Preset::Text("kl")),
        Field::new(
            "alpha",
            Kind::Number(Limits::inside(0.0, 0.5, "`alpha` lies above 0 and below 0.5, got {}").hint("0.01 is usual")),
            "The chance of a false alarm in one check, over all columns.",
        )
        .preset(Preset::Number(0.01)),
        Field::new(
            "effect_floor",
            Kind::Number(Limits::at_least(0.0, "`effect_floor` is at least 0")),
            "The effect floor: smaller drift is none.",
        )
        .preset(Preset::Other("the statistic's own")),
        Field::new(
            "window",
            Kind::Whole(
                Limits::between(2.0, 1e7, "a window has 2 to 10000000 predictions, got {}").hint("1000 is usual"),
            ),
            "Predictions of the log that make a window.",
        )
        .preset(Preset::Whole(1000)),
        Field::new("rule", words(&["significant", "bands"], "unknown rule `{}`"), "What counts as drift."),
    ],
    refine: None,
};

impl FromSection for DriftSection {
    const SECTION: &'static Section = &DRIFT;

    fn from_fields(fields: &Fields<'_, '_>) -> Self {
        let columns: Vec<String> = fields.get("columns");
        check_columns(&columns, &fields.at("columns"));
        let settings = Settings {
            statistic: fields.get("statistic"),
            alpha: fields.get("alpha"),
            effect_floor: fields.get("effect_floor"),
            window: fields.get("window"),
            rule: fields.get("rule"),
        };
        Self { columns, settings }
    }
}

fn check_columns(columns: &[String], at: &At<'_, '_>) {
    let own = [Role::Score, Role::TextLength, Role::VectorNorm, Role::CentroidCosine].map(Role::own_name);
    for name in columns.iter().filter(|name| own.contains(&Some(name.as_str()))) {
        at.problem(format!("`{name}` is what a check itself calls a column"), Some("rename it".into()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Decoder;
    use super::super::yaml::parse;
    use super::*;

    #[test]
    fn an_empty_section_has_the_defaults_of_a_check() {
        let (root, _) = parse("{}").unwrap();
        let decoder = Decoder::new("", "");
        assert_eq!(DriftSection::from_section(&At::root(&decoder, &root)).settings, Settings::default());
    }
}
