//! `drift:`: what is watched beside the model's own inputs, and what counts as drift. It is frozen with the version.

use serde::Serialize;
use serde_json::json;

use super::decode::{At, Fields};
use super::field::{Kind, Limits, Preset, TEXTS, words};
use super::schema_parts::names;
use super::section::section;
use super::value::Value;
use crate::drift::{Role, Rule, STATISTICS, Settings, Statistic};

const STATISTIC: Kind =
    Kind::Custom("drift statistic (`mlops schema --list statistics`)", || json!({"enum": names(STATISTICS)}));
const ALPHA: Limits = Limits::inside(0.0, 0.5, "`alpha` lies above 0 and below 0.5, got {}").hint("0.01 is usual");
const WINDOW: Limits =
    Limits::between(2.0, 1e7, "a window has 2 to 10000000 predictions, got {}").hint("1000 is usual");

section! {
    /// What is watched beside the model's own inputs, and what counts as drift. It is frozen with the version.
    DRIFT: DriftSection derive(Serialize), check check_drift {
        /// Columns of the data that are watched beside the model's inputs.
        columns: Vec<String>, TEXTS, omit "Vec::is_empty";
        /// The statistic.
        statistic: Statistic, STATISTIC, preset Preset::Text("kl");
        /// The chance of a false alarm in one check, over all columns.
        alpha: f64, Kind::Number(ALPHA), preset Preset::Number(0.01);
        /// The effect floor: smaller drift is none.
        effect_floor: Option<f64>, Kind::Number(Limits::at_least(0.0, "`effect_floor` is at least 0")),
            preset Preset::Other("the statistic's own"), omit "Option::is_none";
        /// Predictions of the log that make a window.
        window: u64, Kind::Whole(WINDOW), preset Preset::Whole(1000);
        /// What counts as drift.
        rule: Rule, words(&["significant", "bands"], "unknown rule `{}`");
    }
}

impl DriftSection {
    /// What is frozen with the reference.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let Self { statistic, alpha, effect_floor, window, rule, .. } = *self;
        Settings { statistic, alpha, effect_floor, window, rule }
    }

    /// Whether it says no more than a config without it.
    pub(super) fn is_usual(&self) -> bool {
        self.columns.is_empty() && self.settings() == Settings::default()
    }
}

impl Value for Statistic {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        at.parsed(Self::parse)
    }

    fn preset(_at: &At<'_, '_>, preset: &Preset, _kind: &Kind) -> Option<Self> {
        if let Preset::Text(name) = preset { Self::parse(name).ok() } else { None }
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::default()
    }
}

fn check_drift(section: &mut DriftSection, fields: &Fields<'_, '_>) {
    let own = [Role::Score, Role::TextLength, Role::VectorNorm, Role::CentroidCosine].map(Role::own_name);
    for name in section.columns.iter().filter(|name| own.contains(&Some(name.as_str()))) {
        let message = format!("`{name}` is what a check itself calls a column");
        fields.at("columns").problem(message, Some("rename it".into()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Decoder;
    use super::super::value::FromSection;
    use super::super::yaml::parse;
    use super::*;

    #[test]
    fn an_empty_section_has_the_defaults_of_a_check() {
        let (root, _) = parse("{}").unwrap();
        let decoder = Decoder::new("", "");
        assert_eq!(DriftSection::from_section(&At::root(&decoder, &root)).settings(), Settings::default());
    }
}
