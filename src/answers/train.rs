//! A training: what was learned from which rows, how well it did, where it is; of several seeds how much they differ.

use super::evaluation::{Intervals, by_part, conventions, decimals, subgroups};
use super::format::{self, count, optional, plural, seconds, shown, value};
use super::promote;
use crate::data::Part;
use crate::metrics::{Detail, Estimate, Evaluation};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::tasks::kind_of;
use crate::workflows::promote::Outcome as Promotion;
use crate::workflows::seeds::{SeedRun, Seeds};
use crate::workflows::train::Outcome;

/// What `train` answers.
#[derive(Debug, Clone, Copy)]
pub struct Trained<'a> {
    /// The trainings, in order.
    pub runs: &'a [Outcome],
    /// Those of configs with several seeds.
    pub seeds: &'a [Seeds],
    /// The promotion, where one was asked for.
    pub promotion: Option<&'a Promotion>,
    /// Results only, a line each.
    pub brief: bool,
}

/// The answer.
#[must_use]
pub fn document(trained: Trained<'_>) -> Document {
    let Trained { runs, seeds, promotion, brief } = trained;
    let mut document = Document::new("Training");
    let of_seeds = |one: &Outcome| seeds.iter().any(|all| all.runs.iter().any(|run| run.run_id == one.run_id));
    for one in runs {
        if brief || of_seeds(one) {
            document.text(in_short(one));
        } else {
            summary(&mut document, one);
            document.gap();
        }
    }
    seeds.iter().for_each(|all| over_seeds(&mut document, all));
    match promotion {
        Some(promotion) => document.append(promote::document(promotion)),
        None if !brief => document.text(next(runs)),
        None => {}
    }
    document
}

fn name(outcome: &Outcome) -> String {
    format!("{} {}", outcome.model, outcome.version)
}

/// A training in a line: the version, its primary metric, its folder.
fn in_short(outcome: &Outcome) -> String {
    let primary = &outcome.shown[0];
    let estimate = outcome.metrics.get(&Part::Test).and_then(|test| test.metrics.get(primary));
    let value = estimate.map_or_else(String::new, format::estimate);
    format!("{}  {primary} {value}  {}", name(outcome), shown(&outcome.folder))
}

fn summary(document: &mut Document, outcome: &Outcome) {
    let about = format!("{} of experiment {}", outcome.kind, outcome.experiment);
    document.text(emphasis(name(outcome)) + "  " + dim(about));
    let rows = &outcome.rows;
    let [read, train, validation, test] = [rows.read, rows.train, rows.validation, rows.test].map(count);
    let words = kind_of(outcome.task).words();
    document.fact(words.rows, format!("{read}: {train} train, {validation} validation, {test} test"));
    if outcome.labels.is_empty() {
        document.fact("queries", queries(outcome));
    }
    let ranking = outcome.labels.is_empty();
    skipped(document, rows.skipped_without_label, (rows.skipped_without_input, outcome.input_missing));
    if let [negative, positive] = outcome.labels.as_slice() {
        document.fact("classes", format!("\"{positive}\" (the positive class), \"{negative}\""));
    } else if !ranking {
        document.fact("classes", format!("{} (macro averages)", outcome.labels.join(", ")));
    }
    document.fact("fit", fit(outcome));
    document.gap();
    let parts: Vec<_> = outcome.metrics.iter().map(|(part, one)| (part.name().to_owned(), one)).collect();
    document.table(by_part(&parts, &outcome.shown, Intervals::OfTest));
    threshold(document, outcome);
    if let Some(test) = outcome.metrics.get(&Part::Test) {
        match &test.detail {
            Detail::Classes(detail) => subgroups(document, detail, &outcome.shown),
            Detail::Queries(detail) => {
                document.gap();
                let (primary, facts) = (&outcome.shown[0], &detail.facts);
                if let (Some(estimate), true) = (test.metrics.get(primary), facts.empty > 0) {
                    document.text(format!("{primary} {} {}", format::estimate(estimate), facts.behind(primary)));
                }
                conventions(document, detail);
            }
        }
    }
    document.gap();
    if let Some(run) = &outcome.resumed {
        document.fact("resumed", format!("from run {}", run.short()));
        document.gap();
    }
    document.fact("model", shown(&outcome.folder));
    document.fact("run", Line::from(format!("{}  ", outcome.run_id.short())) + dim(shown(&outcome.run_folder)));
}

/// The rows that were left out, and what was missing in them.
pub fn skipped(document: &mut Document, without_label: usize, without_input: (usize, &str)) {
    for (rows, why) in [(without_label, "no label"), without_input] {
        if rows > 0 {
            document.fact("skipped", format!("{}: {why}", plural(rows, "row")));
        }
    }
}

/// How many features there are, and how long the fit took in which steps.
fn fit(outcome: &Outcome) -> String {
    let took = outcome.seconds.get("fit").copied().unwrap_or_default();
    let fact = |name: &str| outcome.facts.get(name).copied();
    let steps = match (fact("n_iter"), fact("epochs"), fact("best_epoch"), fact("n_trees")) {
        (Some(count), ..) => format!(", {count:.0} iterations"),
        (_, Some(epochs), Some(best), _) => format!(", {epochs:.0} epochs, the best was {best:.0}"),
        (.., Some(trees)) => format!(", {trees:.0} trees"),
        _ => String::new(),
    };
    format!("{} features in {}{steps}", count(outcome.n_features), seconds(took))
}

/// How many queries there are in each part.
fn queries(outcome: &Outcome) -> String {
    let counted =
        |(part, one): (&Part, &Evaluation)| Some(format!("{} {}", count(one.queries()?.facts.queries), part.name()));
    outcome.metrics.iter().filter_map(counted).collect::<Vec<_>>().join(", ")
}

/// Where rows are decided, when that is not at 0.5, and what the shown metrics would be there.
fn threshold(document: &mut Document, outcome: &Outcome) {
    let classes = outcome.metrics.get(&Part::Test).and_then(|test| test.classes());
    let Some(test) = classes.filter(|test| !test.at_half.is_empty()) else { return };
    let why = outcome.threshold_chosen.as_ref().map_or_else(String::new, |chosen| {
        format!(
            ", the best for {} on {}: {} (at 0.5 {})",
            chosen.metric,
            plural(chosen.rows, "validation row"),
            value(chosen.value),
            optional(chosen.at_half)
        )
    });
    document.gap();
    document.fact("threshold", format!("{}{why}", decimals(test.threshold.unwrap_or(0.5))));
    let moved = outcome.shown.iter().filter_map(|name| Some((name, test.at_half.get(name)?)));
    let moved: Vec<String> =
        moved.map(|(name, estimate): (&String, &Estimate)| format!("{name} {}", format::estimate(estimate))).collect();
    if !moved.is_empty() {
        document.fact("at 0.5", format!("{} (test)", moved.join(", ")));
    }
}

/// The runs of a config with several seeds: a row a seed, then mean and standard deviation.
fn over_seeds(document: &mut Document, all: &Seeds) {
    let mut columns = vec![("seed", Align::Left), ("version", Align::Left)];
    columns.extend(all.metrics.iter().map(|spread| (spread.metric.as_str(), Align::Right)));
    let row = |(at, run): (usize, &SeedRun)| {
        let mut row = cells![run.seed.to_string(), run.version.to_string()];
        row.extend(all.metrics.iter().map(|spread| Line::from(optional(spread.values[at]))));
        row
    };
    let mut table = Table::of(&columns).with(all.runs.iter().enumerate().map(row));
    let mut mean = cells!["mean", ""];
    mean.extend(all.metrics.iter().map(|spread| Line::from(optional(spread.mean))));
    let mut deviation = cells!["SD", ""];
    deviation.extend(all.metrics.iter().map(|spread| Line::from(optional(spread.sd))));
    table.rows.extend([mean, deviation]);
    document.gap();
    let seeds = emphasis(plural(all.runs.len(), "seed"));
    document.text(seeds + format!(" of experiment {} on its test rows", all.experiment));
    document.table(table);
    document.gap();
}

/// The command that comes next.
fn next(trained: &[Outcome]) -> Line {
    let selectors: Vec<String> = trained.iter().map(|one| format!("{}/{}", one.model, one.version.0)).collect();
    let command = match selectors.as_slice() {
        [only] => format!("mlops promote {only}"),
        several => format!("mlops promote --best {} {}", trained[0].shown[0], several.join(" ")),
    };
    Line::from("next: ") + emphasis(command)
}
