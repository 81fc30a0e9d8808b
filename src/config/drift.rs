//! `drift:`: what is watched beside the model's own inputs, and what counts as drift. It is frozen with the version.

use serde::{Deserialize, Serialize};

use super::decode::At;
use crate::catalog::{find, known_hint};
use crate::drift::{Role, Rule, STATISTICS, Settings};

/// The section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftSection {
    /// Columns of the data that are watched beside the model's inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The statistic.
    pub statistic: String,
    /// The chance of a false alarm in one check, over all columns.
    pub alpha: f64,
    /// The effect floor; the statistic's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_floor: Option<f64>,
    /// Predictions of the log that make a window.
    pub window: u64,
    /// What counts as drift.
    pub rule: Rule,
}

impl Default for DriftSection {
    fn default() -> Self {
        let Settings { statistic, alpha, effect_floor, window, rule } = Settings::default();
        Self { columns: Vec::new(), statistic, alpha, effect_floor, window, rule }
    }
}

impl DriftSection {
    /// What is frozen with the reference.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let Self { statistic, alpha, effect_floor, window, rule, .. } = self.clone();
        Settings { statistic, alpha, effect_floor, window, rule }
    }

    /// True when it says nothing of its own.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the section.
pub(super) fn decode_drift(at: &At<'_, '_>) -> DriftSection {
    let usual = Settings::default();
    let mut fields = at.fields();
    let columns_at = fields.get("columns");
    let columns = columns_at.texts();
    for name in &columns {
        let own = [Role::Score, Role::TextLength, Role::VectorNorm, Role::CentroidCosine].map(Role::own_name);
        if own.contains(&Some(name.as_str())) {
            columns_at.problem(format!("`{name}` is what a check itself calls a column"), Some("rename it".into()));
        }
    }
    let statistic = fields.get("statistic");
    let statistic = statistic
        .parsed(|name| find("drift statistic", STATISTICS, name))
        .map_or(usual.statistic, |found| found.name().to_owned());
    let alpha_at = fields.get("alpha");
    let alpha = alpha_at.number().unwrap_or(usual.alpha);
    if !(alpha > 0.0 && alpha < 0.5) {
        alpha_at.problem(format!("`alpha` lies above 0 and below 0.5, got {alpha}"), Some("0.01 is usual".into()));
    }
    let floor_at = fields.get("effect_floor");
    let effect_floor = floor_at.number();
    if effect_floor.is_some_and(|floor| floor < 0.0) {
        floor_at.problem("`effect_floor` is at least 0", None);
    }
    let window_at = fields.get("window");
    let window = window_at.whole().unwrap_or(usual.window);
    if !(2..=10_000_000).contains(&window) {
        window_at
            .problem(format!("a window has 2 to 10000000 predictions, got {window}"), Some("1000 is usual".into()));
    }
    let rule = fields.get("rule");
    let rule = rule.text().and_then(|text| {
        let found = Rule::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, rule)| rule);
        if found.is_none() {
            let hint = known_hint(&text, Rule::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            rule.problem(format!("unknown rule `{text}`"), Some(hint));
        }
        found
    });
    fields.finish();
    DriftSection { columns, statistic, alpha, effect_floor, window, rule: rule.unwrap_or_default() }
}
