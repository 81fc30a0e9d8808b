//! `mlops experiments impact`.

use std::process::ExitCode;

use super::door::{Door, Records};
use super::ui::style::{bold, dim};
use super::ui::{Align, format, table};
use crate::error::Result;
use crate::impact::study::{Finding, Weight};
use crate::workflows::impact::{Outcome, QUANTILE, Request, impact};

const EXAMPLES: &str = "\
Examples:
  mlops experiments impact reviews_lr                     by the primary metric
  mlops experiments impact reviews_lr --metric log_loss   lower is better: the metric knows
  mlops experiments impact reviews_lr --top 3 --json      the three that matter most";

/// Arguments of `experiments impact`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name or id
    experiment: String,
    /// The metric [default: the primary one of the newest run]
    #[arg(long)]
    metric: Option<String>,
    /// Only the first K parameters
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top: usize,
    /// The part of the runs that counts as the best in the importance
    #[arg(long, value_name = "PART", default_value_t = QUANTILE)]
    best_part: f64,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        experiment: args.experiment.clone(),
        metric: args.metric.clone(),
        top: args.top,
        quantile: args.best_part,
    };
    let outcome = door.work(Records::Nothing, |session| impact(session, &request))?;
    door.answer("experiments impact", &outcome, || describe(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(outcome: &Outcome) -> String {
    let better = if outcome.maximize { "higher is better" } else { "lower is better" };
    let mut text = format!(
        "{}  {}\n",
        bold(&outcome.experiment),
        dim(&format!("{} by {} ({better})", format::plural(outcome.runs, "finished training run"), outcome.metric))
    );
    for (count, what) in
        [(outcome.skipped_without_value, "without a value"), (outcome.skipped_not_finite, "with NaN or infinity")]
    {
        if count > 0 {
            text += &format!("skipped   {} {what}\n", format::plural(count, "run"));
        }
    }
    if outcome.test_sets > 1 {
        text += &format!("note      the runs were tested on {} different sets of rows\n", outcome.test_sets);
    }
    let best = &outcome.best;
    text += &format!("best      {} {}  {}\n", outcome.metric, format::value(best.value), dim(best.run_id.short()));
    if let Some(reason) = &outcome.importance_reason {
        text += &format!("importance  none: {reason}\n");
    }
    if outcome.parameters.is_empty() {
        return text;
    }
    text += &format!("\n{}", parameters(outcome));
    if let Some(importance) = &outcome.importance {
        text += &dim(&format!(
            "importance: PED-ANOVA of the best {} of {} runs, 95 % over {} resamplings of the runs\n",
            importance.best_runs, outcome.runs, importance.replicates
        ));
        // The method's authors ask for five.
        if importance.best_runs < 5 && outcome.runs > 5 {
            let part = (500.0 / outcome.runs as f64).floor() / 100.0;
            text += &dim(&format!("fewer than 5 best runs are few: `--best-part {part}` takes 5\n"));
        }
    }
    if outcome.left_out > 0 {
        text +=
            &dim(&format!("{} more: without `--top` all are shown\n", format::plural(outcome.left_out, "parameter")));
    }
    text + &outcome.parameters.iter().map(|finding| groups(outcome, finding)).collect::<String>()
}

fn parameters(outcome: &Outcome) -> String {
    let weighed = outcome.importance.is_some();
    let mut columns = vec![("parameter", Align::Left)];
    if weighed {
        columns.extend([("importance", Align::Right), ("95 %", Align::Right)]);
    }
    columns.extend([
        ("kind", Align::Left),
        ("runs", Align::Right),
        ("values", Align::Right),
        ("Spearman", Align::Right),
        ("Pearson", Align::Right),
        ("best on average", Align::Left),
    ]);
    let row = |finding: &Finding| {
        let statistics = &finding.statistics;
        let mut row = vec![finding.name.clone()];
        if weighed {
            let weight = finding.importance;
            row.push(weight.map_or_else(String::new, |weight| format!("{:.3}", weight.value)));
            row.push(weight.map_or_else(String::new, interval));
        }
        let correlation = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:+.2}"));
        row.extend([
            finding.kind.name().to_owned(),
            statistics.runs.to_string(),
            statistics.distinct.to_string(),
            correlation(statistics.spearman),
            correlation(statistics.pearson),
            statistics.best_value.clone(),
        ]);
        row
    };
    table(&columns, &outcome.parameters.iter().map(row).collect::<Vec<_>>())
}

fn interval(weight: Weight) -> String {
    match (weight.low, weight.high) {
        (Some(low), Some(high)) => format!("{low:.2}–{high:.2}"),
        _ => String::new(),
    }
}

fn groups(outcome: &Outcome, finding: &Finding) -> String {
    let columns = [
        ("value", Align::Left),
        ("runs", Align::Right),
        ("mean", Align::Right),
        ("median", Align::Right),
        ("best", Align::Right),
    ];
    let row = |group: &crate::impact::Group| {
        let marked = if group.value == finding.statistics.best_value { " *" } else { "" };
        let numbers = [group.mean, group.median, group.best].map(format::value);
        [vec![format!("{}{marked}", group.value), group.runs.to_string()], numbers.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = finding.statistics.groups.iter().map(row).collect();
    format!("\n{}  {}\n{}", bold(&finding.name), dim(&outcome.metric), table(&columns, &rows))
}
