//! What a check answers, and what the one who asks may wish otherwise than the reference has it.

use serde::Serialize;

use crate::drift::statistic::FEW;
use crate::drift::{Checked, Finding, Report, Role, Rule, Settings, Statistic};
use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::tracking::Severity;

/// Wishes in place of the frozen settings.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The statistic.
    pub statistic: Option<Statistic>,
    /// α.
    pub alpha: Option<f64>,
    /// The effect floor.
    pub effect_floor: Option<f64>,
    /// The window.
    pub window: Option<u64>,
    /// The rule.
    pub rule: Option<Rule>,
}

impl Wishes {
    /// The settings with the wishes in them.
    ///
    /// # Errors
    /// `Invalid` for an α that is none.
    pub fn over(&self, settings: &Settings) -> Result<Settings> {
        if let Some(alpha) = self.alpha.filter(|alpha| !(*alpha > 0.0 && *alpha < 0.5)) {
            return Err(Error::invalid(format!("α lies above 0 and below 0.5, got {alpha}")).hint("0.01 is usual"));
        }
        let other = self.statistic.is_some_and(|statistic| statistic != settings.statistic);
        Ok(Settings {
            statistic: self.statistic.unwrap_or(settings.statistic),
            alpha: self.alpha.unwrap_or(settings.alpha),
            // A floor is of one statistic and means nothing to another.
            effect_floor: self.effect_floor.or(settings.effect_floor.filter(|_| !other)),
            window: self.window.unwrap_or(settings.window),
            rule: self.rule.unwrap_or(settings.rule),
        })
    }
}

/// The rows that were checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowFacts {
    /// A file, or `prediction log`.
    pub source: String,
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows of a full window.
    pub size: u64,
    /// Whether there are as many.
    pub full: bool,
    /// The time of the earliest row, in milliseconds since the epoch; without times, of the check.
    pub from_ms: i64,
    /// The time of the latest.
    pub to_ms: i64,
    /// Whether the rows have times of their own.
    #[serde(skip)]
    pub timed: bool,
    /// What the events of this window are known by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// What a check answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The model; none where two files are compared.
    pub model: Option<ModelName>,
    /// Its version.
    pub version: Option<Version>,
    /// `checked`; `warming_up 317/1000` where the log has no full window yet; `few_rows 5/20` where nothing can be judged.
    pub state: String,
    /// Whether anything drifts.
    pub drift_detected: bool,
    /// The worst severity.
    pub severity: Severity,
    /// The column that the next six numbers are of: the prediction score, or without a model the one with the largest
    /// divergence.
    pub column: Option<String>,
    /// Its Kullback–Leibler divergence from the reference.
    pub kl_divergence: Option<f64>,
    /// What the divergence had to exceed.
    pub threshold: Option<f64>,
    /// Its values.
    pub buffer_size: u64,
    /// Their mean.
    pub buffer_mean: Option<f64>,
    /// Their standard deviation.
    pub buffer_std: Option<f64>,
    /// Whether drift asks for a retrain, by the events so far and these.
    pub should_retrain: bool,
    /// Why, or why not.
    pub reasons: Vec<String>,
    /// What was decided by.
    pub settings: Settings,
    /// The rows.
    pub window: WindowFacts,
    /// The columns.
    pub columns: Vec<Checked>,
    /// What is plainly wrong.
    pub findings: Vec<Finding>,
    /// New events that were recorded.
    pub events_recorded: usize,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// The state of a check with too few rows to judge any column.
const FEW_ROWS: &str = "few_rows";

impl Outcome {
    /// Whether there were too few rows to judge any column, so that neither drift nor its absence can be concluded.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.state.starts_with(FEW_ROWS)
    }

    /// The answer of a report.
    #[must_use]
    pub fn of(report: Report, settings: Settings, window: WindowFacts) -> Self {
        let score = report.columns.iter().find(|column| column.role == Some(Role::Score));
        let largest = || {
            let value = |column: &&Checked| column.kl_divergence.unwrap_or(-1.0);
            report.columns.iter().max_by(|left, right| value(left).total_cmp(&value(right)))
        };
        let column = score.or_else(largest).cloned();
        let of = |value: fn(&Checked) -> Option<f64>| column.as_ref().and_then(value);
        Self {
            model: None,
            version: None,
            state: if report.drift || window.rows >= FEW {
                "checked".to_owned()
            } else {
                format!("{FEW_ROWS} {}/{FEW}", window.rows)
            },
            drift_detected: report.drift,
            severity: report.severity,
            kl_divergence: of(|column| column.kl_divergence),
            threshold: of(|column| column.kl_threshold),
            buffer_size: column.as_ref().map_or(0, |column| column.n),
            buffer_mean: of(|column| column.mean),
            buffer_std: of(|column| column.std),
            column: column.map(|column| column.name),
            should_retrain: false,
            reasons: Vec::new(),
            settings,
            window,
            columns: report.columns,
            findings: report.findings,
            events_recorded: 0,
            notes: report.notes,
        }
    }

    /// Whether it is as bad as this or worse: `drift` for any drift; `significant` for drift that a test has found
    /// significant (and large enough), or by `rule: bands` for that severity; `slight` and `severe` for a severity.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn reaches(&self, bar: &str) -> Result<bool> {
        Ok(match bar {
            "drift" => self.drift_detected,
            "significant" if self.settings.rule == Rule::Significant => self.drift_detected,
            severity => self.drift_detected && self.severity >= Severity::parse(severity)?,
        })
    }
}
