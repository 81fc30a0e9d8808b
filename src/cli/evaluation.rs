//! An evaluation as a person reads it: metrics, confusion matrix, which average, threshold, calibration, groups.

use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, format, table};
use crate::metrics::reliability::Reliability;
use crate::metrics::subgroups::{FEW, MISSING, OTHER};
use crate::metrics::{ClassDetail, Estimate, Evaluation, Subgroups};

/// The metrics, those to show first, with their intervals; where the threshold is another, also their value at 0.5.
pub fn metrics(evaluation: &Evaluation, detail: &ClassDetail, shown: &[String]) -> String {
    let mut columns = vec![("metric", Align::Left), ("value", Align::Right), ("95 %", Align::Right)];
    let at_half = !detail.at_half.is_empty();
    if at_half {
        columns.extend([("at 0.5", Align::Right), ("95 %", Align::Right)]);
    }
    let others = evaluation.metrics.keys().filter(|name| !shown.contains(name));
    let rows: Vec<Vec<String>> = shown
        .iter()
        .chain(others)
        .filter_map(|name| {
            let estimate = evaluation.metrics.get(name)?;
            let mut row = vec![name.clone(), format::estimate(estimate), format::interval(estimate)];
            if at_half {
                let half = detail.at_half.get(name);
                let told = |tell: fn(&Estimate) -> String| half.map_or_else(String::new, tell);
                row.extend([told(format::estimate), told(format::interval)]);
            }
            Some(row)
        })
        .collect();
    table(&columns, &rows)
}

/// The confusion matrix of up to 20 classes.
pub fn confusion(detail: &ClassDetail) -> String {
    if detail.labels.len() > 20 {
        return String::new();
    }
    let heads: Vec<String> = detail.labels.iter().map(|label| format!("predicted {label}")).collect();
    let mut columns = vec![("", Align::Left)];
    columns.extend(heads.iter().map(|head| (head.as_str(), Align::Right)));
    columns.push(("support", Align::Right));
    let row = |(class, counts): (usize, &Vec<usize>)| {
        let mut row = vec![format!("is {}", detail.labels[class])];
        row.extend(counts.iter().map(|count| format::count(*count)));
        row.push(format::count(detail.support[class]));
        row
    };
    table(&columns, &detail.confusion.iter().enumerate().map(row).collect::<Vec<_>>())
}

/// Which average and which label the numbers are of, and where rows are decided.
pub fn taken(detail: &ClassDetail, chosen_for: Option<&str>) -> String {
    let mut text = match (detail.average.as_str(), &detail.positive) {
        ("binary", Some(positive)) => {
            format!("precision, recall and f1 are those of class {positive} (average: binary)")
        }
        (average, Some(positive)) => {
            format!("precision, recall and f1 are {average} averages; average_precision is that of class {positive}")
        }
        (average, None) => {
            let ranked = "roc_auc and average_precision are macro averages of each class against the rest";
            let same = if average == "macro" { String::new() } else { format!("; {ranked}") };
            format!("precision, recall and f1 are {average} averages{same}")
        }
    };
    text.push('\n');
    if let Some(threshold) = detail.threshold {
        let positive = detail.labels.get(1).map_or("", String::as_str);
        let why = chosen_for.map_or_else(String::new, |metric| format!(", chosen for {metric} on the validation rows"));
        text += &format!("a row is called {positive} from a score of {} on{why}\n", decimals(threshold));
    }
    dim(text.trim_end()) + "\n"
}

/// A threshold: 0.5, 0.3821.
pub fn decimals(threshold: f64) -> String {
    let text = format!("{threshold:.4}");
    text.trim_end_matches('0').to_owned()
}

/// The reliability table with the error, and what chance alone would show.
pub fn calibration(detail: &ClassDetail) -> String {
    let Some(reliability) = &detail.reliability else { return String::new() };
    let what = reliability.positive.as_ref().map_or_else(
        || "the class that is called is right".to_owned(),
        |positive| format!("a row is of class {positive}"),
    );
    let mut text =
        format!("\n{}  {}\n", bold("calibration"), dim(&format!("how often {what}, by predicted probability")));
    let columns = [
        ("probability", Align::Right),
        ("predicted", Align::Right),
        ("observed", Align::Right),
        ("95 %", Align::Right),
        ("rows", Align::Right),
    ];
    let rows: Vec<Vec<String>> = reliability
        .bins
        .iter()
        .map(|bin| {
            let outside = bin.predicted < bin.low || bin.predicted > bin.high;
            vec![
                format!("{:.3}–{:.3}", bin.from, bin.to),
                format!("{:.3}", bin.predicted),
                format!("{:.3}", bin.observed),
                format!("{:.3}–{:.3}{}", bin.low, bin.high, if outside { " *" } else { "  " }),
                format::count(bin.rows as usize),
            ]
        })
        .collect();
    text += &table(&columns, &rows);
    let outside = reliability.bins.iter().any(|bin| bin.predicted < bin.low || bin.predicted > bin.high);
    if outside {
        text += &dim("* the prediction lies outside the interval of what was observed\n");
    }
    text += &format!("{}\n", error(reliability));
    if let Some(scores) = &detail.reliability_of_scores {
        text += &dim(&format!("the raw scores, before class weights are undone, have an ECE of {:.4}\n", scores.ece));
    }
    text
}

fn error(reliability: &Reliability) -> String {
    let bins = reliability.bins.len();
    let mut text = format!("ECE {:.4} over {bins} bins of equal count", reliability.ece);
    if let Some(null) = reliability.null {
        let verdict = if reliability.within_chance() == Some(true) {
            good("as calibrated as so many rows can show")
        } else {
            bad("not calibrated")
        };
        let (mean, high) = (null.mean, null.high);
        text += &format!(
            ": {verdict}\na perfectly calibrated model would show {mean:.4}, at most {high:.4} 95 times in 100"
        );
    }
    text
}

/// The metrics of each group of rows, a table a column; `shown` are the metrics to show.
pub fn subgroups(detail: &ClassDetail, shown: &[String]) -> String {
    detail.subgroups.iter().map(|(column, groups)| of_column(detail, column, groups, shown)).collect()
}

/// The first characters of a long value: `--json` has all of it.
fn short(value: &str) -> String {
    const LONGEST: usize = 40;
    let line = value.replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// How many metrics fit beside the sizes.
const FITTING: usize = 4;

fn of_column(detail: &ClassDetail, column: &str, found: &Subgroups, shown: &[String]) -> String {
    let mut text = format!("\n{}  {}\n", bold(&format!("by {column}")), dim(&format::plural(found.values, "value")));
    let names: Vec<&String> = shown.iter().take(FITTING).collect();
    let binary = detail.labels.len() == 2;
    let positive = detail.positive.as_ref().and_then(|label| detail.labels.iter().position(|one| one == label));
    let positive = positive.unwrap_or(1);
    let support = if binary { format!("of class {}", detail.labels[positive]) } else { "classes".to_owned() };
    let mut columns = vec![("value", Align::Cut), ("rows", Align::Right), (support.as_str(), Align::Right)];
    for name in &names {
        columns.extend([(name.as_str(), Align::Right), ("95 %", Align::Right)]);
    }
    let group = |group: &crate::metrics::Subgroup| {
        let few = if group.few { " *" } else { "" };
        let support = if binary {
            format::count(group.support[positive])
        } else {
            group.support.iter().filter(|rows| **rows > 0).count().to_string()
        };
        let mut row = vec![format!("{}{few}", short(&group.value)), format::count(group.rows), support];
        for name in &names {
            let estimate = group.metrics.get(*name);
            let told = |tell: fn(&Estimate) -> String| estimate.map_or_else(String::new, tell);
            row.extend([told(format::estimate), told(format::interval)]);
        }
        row
    };
    let rows: Vec<Vec<String>> = found.groups.iter().map(group).collect();
    text += &table(&columns, &rows);
    if found.groups.iter().any(|group| group.few) {
        text += &dim(&format!("* fewer than {FEW} rows: read the intervals, not the values\n"));
    }
    if let Some(other) = found.get(OTHER) {
        let alone = found.groups.iter().filter(|group| ![MISSING, OTHER].contains(&group.value.as_str())).count();
        text += &dim(&format!(
            "{OTHER} are the {} smallest values ({})\n",
            found.values - alone,
            format::plural(other.rows, "row")
        ));
    }
    text
}
