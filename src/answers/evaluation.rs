//! An evaluation: the metrics with their intervals and what they rest on. Of classes the confusion matrix, the average, the
//! threshold, the calibration and the groups; of rankings the conventions, the grades and the numbers of LETOR's script.

use super::format::{self, count, plural};
use crate::data::Part;
use crate::metrics::ranking::{Empty, LetorScript};
use crate::metrics::reliability::Reliability;
use crate::metrics::subgroups::{FEW, MISSING, OTHER};
use crate::metrics::{ClassDetail, Estimate, Evaluation, QueryDetail, RankingFacts, Subgroup, Subgroups};
use crate::report::document::{Align, Document, Line, Table, bad, cells, dim, emphasis, good};
use crate::report::numbers::estimate_with_interval;

/// The metrics of classes, those to show first, with their intervals; where the threshold is another, also their value at 0.5.
#[must_use]
pub fn class_metrics(evaluation: &Evaluation, detail: &ClassDetail, shown: &[String]) -> Table {
    let mut columns = vec![("metric", Align::Left), ("value", Align::Right), ("95 %", Align::Right)];
    let at_half = !detail.at_half.is_empty();
    if at_half {
        columns.extend([("at 0.5", Align::Right), ("95 %", Align::Right)]);
    }
    let row = |(name, estimate): (&String, &Estimate)| {
        let mut row = cells![name, format::estimate(estimate), format::interval(estimate)];
        if at_half {
            let half = detail.at_half.get(name);
            row.extend(with_interval(half));
        }
        row
    };
    Table::of(&columns).with(in_order(evaluation, shown).map(row))
}

/// The metrics of rankings, those to show first; where there are empty queries also by the other conventions for them.
#[must_use]
pub fn ranking_metrics(evaluation: &Evaluation, facts: &RankingFacts, shown: &[String]) -> Table {
    let mut columns = vec![("metric", Align::Left), ("value", Align::Right), ("95 %", Align::Right)];
    let others: Vec<usize> = match facts.empty {
        0 => Vec::new(),
        _ => (0..Empty::ALL.len()).filter(|at| Empty::ALL[*at] != facts.convention.empty).collect(),
    };
    let heading = |at: &usize| match Empty::ALL[*at] {
        Empty::Zero => "empty as 0",
        Empty::Skip => "empty skipped",
        Empty::One => "empty as 1",
    };
    columns.extend(others.iter().map(|at| (heading(at), Align::Right)));
    let row = |(name, estimate): (&String, &Estimate)| {
        let mut row = cells![name, format::estimate(estimate), format::interval(estimate)];
        let by = facts.by_empty.get(name).copied().unwrap_or_default();
        row.extend(others.iter().map(|at| by[*at].map_or_else(|| "n/a".into(), |value| format!("{value:.4}").into())));
        row
    };
    Table::of(&columns).with(in_order(evaluation, shown).map(row))
}

/// Where intervals stand in a table of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intervals {
    /// In every cell, behind the value: for papers.
    InCells,
    /// Those of the test rows, in a column at the end: such a table fits a terminal of 80 columns.
    OfTest,
}

/// A row a metric, a column a part under its head.
#[must_use]
pub fn by_part(parts: &[(String, &Evaluation)], names: &[String], intervals: Intervals) -> Table {
    let test = parts.iter().find(|(name, _)| name == Part::Test.name()).filter(|_| intervals == Intervals::OfTest);
    let interval = |name: &String| test.and_then(|(_, test)| test.metrics.get(name)).map(format::interval);
    let interval = |name: &String| interval(name).unwrap_or_default();
    let mut columns = vec![("metric", Align::Left)];
    columns.extend(parts.iter().map(|(head, _)| (head.as_str(), Align::Right)));
    let last = names.iter().any(|name| !interval(name).is_empty());
    columns.extend(last.then_some(("95 % (test)", Align::Right)));
    let cell = |estimate: Option<&Estimate>| match (estimate, intervals) {
        (Some(estimate), Intervals::InCells) => Line::from(estimate_with_interval(estimate)),
        (Some(estimate), Intervals::OfTest) => Line::from(format::estimate(estimate)),
        (None, Intervals::InCells) => "–".into(),
        (None, Intervals::OfTest) => Line::default(),
    };
    let row = |name: &String| {
        let mut row = cells![name];
        row.extend(parts.iter().map(|(_, one)| cell(one.metrics.get(name))));
        row.extend(last.then(|| Line::from(interval(name))));
        row
    };
    Table::of(&columns).with(names.iter().map(row))
}

/// The metrics that there are: those to show, then the others by name.
fn in_order<'a>(evaluation: &'a Evaluation, shown: &'a [String]) -> impl Iterator<Item = (&'a String, &'a Estimate)> {
    let others = evaluation.metrics.keys().filter(|name| !shown.contains(name));
    shown.iter().chain(others).filter_map(|name| Some((name, evaluation.metrics.get(name)?)))
}

/// Two cells: an estimate and its interval, empty where there is none.
fn with_interval(estimate: Option<&Estimate>) -> [Line; 2] {
    let cell = |text: fn(&Estimate) -> String| estimate.map_or_else(String::new, text).into();
    [cell(format::estimate), cell(format::interval)]
}

/// The confusion matrix of up to 20 classes.
pub fn confusion(document: &mut Document, detail: &ClassDetail) {
    if detail.labels.len() > 20 {
        return;
    }
    let heads: Vec<String> = detail.labels.iter().map(|label| format!("predicted {label}")).collect();
    let mut columns = vec![("", Align::Left)];
    columns.extend(heads.iter().map(|head| (head.as_str(), Align::Right)));
    columns.push(("support", Align::Right));
    let row = |(class, counts): (usize, &Vec<usize>)| {
        let mut row = cells![format!("is {}", detail.labels[class])];
        row.extend(counts.iter().map(|rows| Line::from(count(*rows))));
        row.push(count(detail.support[class]).into());
        row
    };
    document.table(Table::of(&columns).with(detail.confusion.iter().enumerate().map(row)));
}

/// Which average and which label the numbers are of, and from which score on a row is called positive.
pub fn average_and_threshold(document: &mut Document, detail: &ClassDetail, chosen_for: Option<&str>) {
    document.note(match (detail.average.as_str(), &detail.positive) {
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
    });
    if let Some(threshold) = detail.threshold {
        let positive = detail.labels.get(1).map_or("", String::as_str);
        let why = chosen_for.map_or_else(String::new, |metric| format!(", chosen for {metric} on the validation rows"));
        document.note(format!("a row is called {positive} from a score of {} on{why}", decimals(threshold)));
    }
}

/// A threshold: 0.5, 0.3821.
#[must_use]
pub fn decimals(threshold: f64) -> String {
    let text = format!("{threshold:.4}");
    text.trim_end_matches('0').to_owned()
}

/// The reliability table with the error, and what chance alone would show.
pub fn calibration(document: &mut Document, detail: &ClassDetail) {
    let Some(reliability) = &detail.reliability else { return };
    let what = reliability.positive.as_ref().map_or_else(
        || "the class that is called is right".to_owned(),
        |positive| format!("a row is of class {positive}"),
    );
    document.section(Line::from("calibration") + "  " + dim(format!("how often {what}, by predicted probability")));
    let columns = [
        ("probability", Align::Right),
        ("predicted", Align::Right),
        ("observed", Align::Right),
        ("95 %", Align::Right),
        ("rows", Align::Right),
    ];
    let outside = |bin: &crate::metrics::reliability::Bin| bin.predicted < bin.low || bin.predicted > bin.high;
    let row = |bin: &crate::metrics::reliability::Bin| {
        cells![
            format!("{:.3}–{:.3}", bin.from, bin.to),
            format!("{:.3}", bin.predicted),
            format!("{:.3}", bin.observed),
            format!("{:.3}–{:.3}{}", bin.low, bin.high, if outside(bin) { " *" } else { "  " }),
            count(bin.rows as usize),
        ]
    };
    document.table(Table::of(&columns).with(reliability.bins.iter().map(row)));
    if reliability.bins.iter().any(outside) {
        document.note("* the prediction lies outside the interval of what was observed");
    }
    calibration_error(document, reliability);
    if let Some(scores) = &detail.reliability_of_scores {
        document.note(format!("the raw scores, before class weights are undone, have an ECE of {:.4}", scores.ece));
    }
}

fn calibration_error(document: &mut Document, reliability: &Reliability) {
    let error = Line::from(format!("ECE {:.4} over {} bins of equal count", reliability.ece, reliability.bins.len()));
    let Some(null) = reliability.null else { return document.text(error) };
    let verdict = if reliability.within_chance() == Some(true) {
        good("as calibrated as so many rows can show")
    } else {
        bad("not calibrated")
    };
    document.text(error + ": " + verdict);
    let (mean, high) = (null.mean, null.high);
    document.text(format!("a perfectly calibrated model would show {mean:.4}, at most {high:.4} 95 times in 100"));
}

/// The metrics of each group of rows, a table a column; `shown` are the metrics to show.
pub fn subgroups(document: &mut Document, detail: &ClassDetail, shown: &[String]) {
    for (column, groups) in &detail.subgroups {
        of_column(document, detail, (column, groups), shown);
    }
}

/// The first characters of a long value: `--json` has all of it.
fn short(value: &str) -> String {
    const LONGEST: usize = 40;
    let line = value.replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// How many metrics fit beside the sizes.
const FITTING: usize = 4;

fn of_column(document: &mut Document, detail: &ClassDetail, column: (&String, &Subgroups), shown: &[String]) {
    let (column, found) = column;
    document.part(emphasis(format!("by {column}")) + "  " + dim(plural(found.values, "value")));
    let names: Vec<&String> = shown.iter().take(FITTING).collect();
    let binary = detail.labels.len() == 2;
    let positive = detail.positive.as_ref().and_then(|label| detail.labels.iter().position(|one| one == label));
    let positive = positive.unwrap_or(1);
    let support = if binary { format!("of class {}", detail.labels[positive]) } else { "classes".to_owned() };
    let mut columns = vec![("value", Align::Cut), ("rows", Align::Right), (support.as_str(), Align::Right)];
    for name in &names {
        columns.extend([(name.as_str(), Align::Right), ("95 %", Align::Right)]);
    }
    let row = |group: &Subgroup| {
        let few = if group.few { " *" } else { "" };
        let support = if binary {
            count(group.support[positive])
        } else {
            group.support.iter().filter(|rows| **rows > 0).count().to_string()
        };
        let mut row = cells![format!("{}{few}", short(&group.value)), count(group.rows), support];
        names.iter().for_each(|name| row.extend(with_interval(group.metrics.get(*name))));
        row
    };
    document.table(Table::of(&columns).with(found.groups.iter().map(row)));
    if found.groups.iter().any(|group| group.few) {
        document.note(format!("* fewer than {FEW} rows: read the intervals, not the values"));
    }
    if let Some(other) = found.get(OTHER) {
        let alone = found.groups.iter().filter(|group| ![MISSING, OTHER].contains(&group.value.as_str())).count();
        let (smallest, rows) = (found.values - alone, plural(other.rows, "row"));
        document.note(format!("{OTHER} are the {smallest} smallest values ({rows})"));
    }
}

/// Beside the numbers of rankings: over which queries, by which conventions, which grades there are.
pub fn conventions(document: &mut Document, detail: &QueryDetail) {
    let QueryDetail { grades, facts } = detail;
    let queries = format::queries(facts.queries);
    document.note(match facts.empty {
        0 => format!("over {queries}, each with a relevant document"),
        empty => {
            let empty = count(empty);
            let counted = match facts.convention.empty {
                Empty::Zero => "which count 0",
                Empty::Skip => "which are left out",
                Empty::One => "which count 1 (0 in precision, hit and err)",
            };
            format!("over {queries}; {empty} of them without a relevant document, {counted}")
        }
    });
    document.note(facts.convention.describe());
    let grades = grades.iter().map(|(grade, documents)| format!("{grade}: {}", count(*documents)));
    document.note(format!("documents by grade  {}", grades.collect::<Vec<_>>().join(", ")));
}

/// The numbers of LETOR's script.
pub fn letor(document: &mut Document, script: &LetorScript) {
    document.text("as LETOR 4.0's Eval-Score-4.0.pl counts");
    let columns = [("k", Align::Right), ("NDCG@k", Align::Right), ("P@k", Align::Right)];
    let values = script.ndcg.iter().zip(&script.precision).zip(1..);
    let row = |((ndcg, precision), k): ((&f64, &f64), usize)| {
        cells![k.to_string(), format!("{ndcg:.4}"), format!("{precision:.4}")]
    };
    document.table(Table::of(&columns).with(values.map(row)));
    document.text(format!("MAP {:.4}  MeanNDCG {:.4}", script.map, script.mean_ndcg));
    document.note("its discounts are 1, 1, log2(3), log2(4), …; NDCG@k is 0 for a query with fewer than k documents");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::Detail;
    use crate::metrics::ranking::{Convention, Gain, Ties};
    use crate::report::markdown::{Figures, markdown};

    fn evaluation(empty: usize, convention: Convention) -> (Evaluation, QueryDetail) {
        let estimate = Estimate { value: Some(0.4257), reason: None, low: Some(0.41), high: Some(0.4401) };
        let by_empty = BTreeMap::from([("ndcg@10".to_owned(), [Some(0.4257), Some(0.471), Some(0.523)])]);
        let facts = RankingFacts { queries: 1043, empty, convention, by_empty };
        let detail = QueryDetail { grades: BTreeMap::from([(0, 4000), (2, 1000)]), facts };
        let metrics = BTreeMap::from([("ndcg@10".to_owned(), estimate)]);
        (Evaluation { rows: 5000, metrics, detail: Detail::Queries(detail.clone()) }, detail)
    }

    fn drawn(evaluation: &Evaluation, detail: &QueryDetail, shown: &[String]) -> String {
        let mut document = Document::new("x");
        document.table(ranking_metrics(evaluation, &detail.facts, shown));
        conventions(&mut document, detail);
        markdown(&document, Figures::Told)
    }

    #[test]
    fn numbers_stand_beside_their_conventions() {
        let (found, detail) = evaluation(112, Convention::new(2));
        insta::assert_snapshot!(drawn(&found, &detail, &["ndcg@10".into()]), @"
        # x

        | metric | value | 95 % | empty skipped | empty as 1 |
        | :-- | --: | --: | --: | --: |
        | ndcg@10 | 0.4257 | 0.410–0.440 | 0.4710 | 0.5230 |

        > over 1,043 queries; 112 of them without a relevant document, which count 0

        > gain 2^grade − 1, discount log2(rank + 1), equal scores in the order of the data, AP over all relevant documents; relevant from grade 1, highest grade 2

        > documents by grade  0: 4,000, 2: 1,000
        ");
        let (found, detail) =
            evaluation(0, Convention { gain: Gain::Linear, ties: Ties::Average, ..Convention::new(4) });
        let text = drawn(&found, &detail, &[]);
        assert!(text.contains("| metric | value | 95 % |\n"), "{text}");
        assert!(text.contains("over 1,043 queries, each with a relevant document\n\n> gain grade, "), "{text}");
    }

    #[test]
    fn the_script_has_a_row_a_rank() {
        let script = LetorScript { precision: vec![0.5, 0.25], map: 0.4, ndcg: vec![0.3, 0.2], mean_ndcg: 0.45 };
        let mut document = Document::new("x");
        letor(&mut document, &script);
        let text = markdown(&document, Figures::Told);
        assert!(text.contains("| 2 | 0.2000 | 0.2500 |\n\nMAP 0.4000  MeanNDCG 0.4500\n"), "{text}");
    }

    #[test]
    fn intervals_stand_in_the_cells_or_beside_the_test_rows() {
        let (found, _) = evaluation(0, Convention::new(2));
        let parts = [("train".to_owned(), &found), ("test".to_owned(), &found)];
        let names = ["ndcg@10".to_owned(), "map".to_owned()];
        let cells = |intervals: Intervals| {
            let table = by_part(&parts, &names, intervals);
            table.rows.iter().map(|row| Line::joined(row.clone(), "|").to_string()).collect::<Vec<_>>()
        };
        let inside = "ndcg@10|0.4257 [0.410, 0.440]|0.4257 [0.410, 0.440]";
        assert_eq!(cells(Intervals::InCells), [inside, "map|–|–"]);
        assert_eq!(cells(Intervals::OfTest), ["ndcg@10|0.4257|0.4257|0.410–0.440", "map|||"]);
    }
}
