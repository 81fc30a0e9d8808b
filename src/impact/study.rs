//! All parameters of a set of runs: statistics of each, importance with its stability, or why there is none.
//!
//! Importances (`ped_anova`) are relative to their sum. Their 95 % interval is of the bootstrap of runs: how far they
//! would move with other runs of the same kind. They are refused under max(10, 3 · parameters) runs, where they are
//! noise, and when every run is as good as the best; the statistics are given all the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parameter::{Kind, Parameter};
use super::ped_anova::{Column, importances};
use super::statistics::Statistics;
use crate::stats::bootstrap;

/// How importance is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Whether higher values of the metric are better.
    pub maximize: bool,
    /// The part of the runs that counts as the best (0…1).
    pub quantile: f64,
    /// Bootstrap replicates of the runs.
    pub replicates: usize,
    /// Their seed.
    pub seed: u64,
}

/// A parameter's part in the sum of importances, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weight {
    /// The part, 0…1.
    pub value: f64,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// How the importances were made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Importance {
    /// `ped_anova`.
    pub method: &'static str,
    /// The part of the runs that counts as the best.
    pub quantile: f64,
    /// How many runs that is, ties too.
    pub best_runs: usize,
    /// Bootstrap replicates behind the intervals.
    pub replicates: usize,
    /// Each parameter's part.
    pub parameters: BTreeMap<String, Weight>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What kind of value it has.
    pub kind: Kind,
    /// Its part in the importances, where they were computed.
    pub importance: Option<Weight>,
    /// The metric over its values.
    #[serde(flatten)]
    pub statistics: Statistics,
}

/// All parameters that differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// How the importances were made; none when they were refused.
    pub importance: Option<Importance>,
    /// Why they were refused.
    pub importance_reason: Option<String>,
    /// The parameters, the most important first; without importances the one with the largest spread.
    pub parameters: Vec<Finding>,
}

/// So many runs are needed for so many parameters.
#[must_use]
pub fn needed(parameters: usize) -> usize {
    (3 * parameters).max(10)
}

/// Studies runs: `metric` holds the value of each (finite), `params` the texts of each parameter by name, one for each
/// run that has it.
#[must_use]
pub fn study(metric: &[f64], params: &BTreeMap<&str, Vec<Option<&str>>>, settings: &Settings) -> Study {
    let differing: Vec<Parameter> = params.iter().filter_map(|(name, values)| Parameter::of(name, values)).collect();
    let (importance, importance_reason) = match weighed(metric, &differing, settings) {
        Ok(importance) => (Some(importance), None),
        Err(reason) => (None, Some(reason)),
    };
    let finding = |parameter: &Parameter| Finding {
        name: parameter.name.clone(),
        kind: parameter.kind,
        importance: importance.as_ref().and_then(|all| all.parameters.get(&parameter.name).copied()),
        statistics: Statistics::of(parameter, metric, settings.maximize),
    };
    let mut parameters: Vec<Finding> = differing.iter().map(finding).collect();
    let weight = |finding: &Finding| finding.importance.map_or(0.0, |weight| weight.value);
    // By name among equals: they come from a map.
    parameters.sort_by(|left, right| {
        weight(right).total_cmp(&weight(left)).then(right.statistics.spread.total_cmp(&left.statistics.spread))
    });
    Study { importance, importance_reason, parameters }
}

/// The importances, or why there are none.
fn weighed(metric: &[f64], parameters: &[Parameter], settings: &Settings) -> Result<Importance, String> {
    if parameters.is_empty() {
        return Err("no parameter differs between the runs".into());
    }
    let needed = needed(parameters.len());
    if metric.len() < needed {
        return Err(format!("needs {needed} finished runs, has {}", metric.len()));
    }
    let losses: Vec<f64> = metric.iter().map(|value| if settings.maximize { -value } else { *value }).collect();
    let columns: Vec<Column> = parameters.iter().map(Parameter::column).collect();
    let once = vec![1; losses.len()];
    let values = relative(&columns, &losses, &once, settings.quantile);
    if values[0].is_nan() {
        return Err("the best runs took the values that all runs took".into());
    }
    let replicates = bootstrap::replicates(losses.len(), settings.replicates, settings.seed, |counts| {
        relative(&columns, &losses, counts, settings.quantile)
    });
    let weight = |at: usize| {
        let drawn: Vec<f64> = replicates.iter().map(|values| values[at]).collect();
        let (low, high) = bootstrap::percentile_interval(&drawn, 0.95).unzip();
        Weight { value: values[at], low, high }
    };
    Ok(Importance {
        method: "ped_anova",
        quantile: settings.quantile,
        best_runs: best_runs(&losses, settings.quantile),
        replicates: settings.replicates,
        parameters: parameters.iter().enumerate().map(|(at, one)| (one.name.clone(), weight(at))).collect(),
    })
}

/// Importances over their sum; NaN where that is 0.
fn relative(columns: &[Column], losses: &[f64], counts: &[u32], quantile: f64) -> Vec<f64> {
    let values = importances(columns, losses, counts, quantile);
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|value| if sum > 0.0 { value / sum } else { f64::NAN }).collect()
}

fn best_runs(losses: &[f64], quantile: f64) -> usize {
    let mut sorted = losses.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cutoff = sorted[((quantile * losses.len() as f64).ceil() as usize).clamp(1, losses.len()) - 1];
    losses.iter().filter(|loss| **loss <= cutoff).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { maximize: true, quantile: 0.1, replicates: 100, seed: 0 };

    /// `C` decides the metric, `seed` does nothing.
    fn runs(count: usize) -> (Vec<f64>, Vec<String>, Vec<String>) {
        let exponent = |run: usize| (run * 7 % count) as f64 / count as f64 * 6.0 - 4.0;
        let metric = (0..count).map(|run| -(exponent(run) - 0.5).powi(2)).collect();
        let c = (0..count).map(|run| 10.0_f64.powf(exponent(run)).to_string()).collect();
        (metric, c, (0..count).map(|run| (run % 3).to_string()).collect())
    }

    fn studied(count: usize, settings: &Settings) -> Study {
        fn texts(values: &[String]) -> Vec<Option<&str>> {
            values.iter().map(|text| Some(text.as_str())).collect()
        }
        let (metric, c, seed) = runs(count);
        let same = vec![Some("lr"); count];
        let params = BTreeMap::from([("C", texts(&c)), ("kind", same), ("seed", texts(&seed))]);
        study(&metric, &params, settings)
    }

    #[test]
    fn what_decides_is_found_with_its_interval() {
        let found = studied(30, &SETTINGS);
        let importance = found.importance.as_ref().expect("enough runs");
        assert_eq!(
            (importance.method, importance.best_runs, importance.replicates),
            ("ped_anova", 4, 100),
            "the third and the fourth are equal"
        );
        let names: Vec<&str> = found.parameters.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["C", "seed"], "what does not differ is left out");
        let weights: Vec<Weight> = found.parameters.iter().map(|one| one.importance.expect("computed")).collect();
        assert!((weights[0].value + weights[1].value - 1.0).abs() < 1e-12 && weights[0].value > 0.6, "{weights:?}");
        assert!(weights.iter().all(|one| one.low <= one.high && one.low.is_some()));
        assert!(weights[0].low > weights[1].low);
        assert_eq!(found, studied(30, &SETTINGS));
        assert_eq!(importance.parameters["C"], weights[0]);
    }

    #[test]
    fn too_few_runs_have_statistics_and_a_reason() {
        assert_eq!([needed(1), needed(3), needed(4), needed(9)], [10, 10, 12, 27]);
        let found = studied(9, &SETTINGS);
        assert_eq!(
            (found.importance, found.importance_reason.as_deref()),
            (None, Some("needs 10 finished runs, has 9"))
        );
        assert!(found.parameters.iter().all(|one| one.importance.is_none()));
        assert_eq!(found.parameters[0].name, "C", "the largest spread is first");
        let params = BTreeMap::from([("C", vec![Some("1"); 20])]);
        let nothing = study(&[0.5; 20], &params, &SETTINGS);
        assert_eq!(nothing.importance_reason.as_deref(), Some("no parameter differs between the runs"));
        let c: Vec<String> = (0..20).map(|run| run.to_string()).collect();
        let params = BTreeMap::from([("C", c.iter().map(|text| Some(text.as_str())).collect())]);
        let equal = study(&[0.5; 20], &params, &SETTINGS);
        assert_eq!(equal.importance_reason.as_deref(), Some("the best runs took the values that all runs took"));
    }
}
