//! `mlops drift-check explain`.

use std::process::ExitCode;

use super::check::{bars, head};
use super::what::{Events, What};
use crate::catalog::known_hint;
use crate::cli::door::Door;
use crate::cli::ui::format::plain;
use crate::cli::ui::style::{bold, dim};
use crate::cli::ui::{Align, table};
use crate::drift::Checked;
use crate::drift::pair::number;
use crate::error::{Error, Result};
use crate::workflows::drift_check::{Outcome, Tell};

const ABOUT: &str = "\
Bins are those that the window allows: quantiles of the reference, or categories; OTHER are those below 1 % or too rare for
the window, UNSEEN what the reference never had. `adds` is what a bin adds to the Kullback-Leibler divergence: they sum up to
it, and a bin that lost weight adds a negative number. The check is made anew and leaves no event behind.

Examples:
  mlops drift-check explain reviews --current data/june.csv
  mlops drift-check explain reviews --from-log --column prediction_score --top 20";

/// Arguments of `drift-check explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Args {
    #[command(flatten)]
    pub what: What,
    /// This column only [default: those that drift, else all]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// So many bins of a column
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let mut outcome = args.what.check(door, Events::No, &Tell::default())?;
    if outcome.state == "checked" {
        choose(&mut outcome, args.column.as_deref())?;
    }
    door.answer("drift-check explain", &outcome, || drawn(&outcome, args.top))?;
    Ok(ExitCode::SUCCESS)
}

fn choose(outcome: &mut Outcome, name: Option<&str>) -> Result<()> {
    let names: Vec<String> = outcome.columns.iter().map(|column| column.name.clone()).collect();
    let drifting = outcome.columns.iter().any(|column| column.drift);
    match name {
        Some(name) if !names.iter().any(|known| known == name) => {
            return Err(Error::invalid(format!("the check has no column `{name}`"))
                .hint(known_hint(name, names.iter().map(String::as_str).collect::<Vec<_>>())));
        }
        Some(name) => outcome.columns.retain(|column| column.name == name),
        None if drifting => outcome.columns.retain(|column| column.drift),
        None => {}
    }
    Ok(())
}

fn drawn(outcome: &Outcome, top: usize) -> String {
    if outcome.state != "checked" {
        return format!("{}: {}\n", head(outcome), outcome.state);
    }
    let mut text = format!("{}\n", head(outcome));
    if !outcome.columns.iter().any(|column| column.drift) {
        text += &format!("{}\n", dim("no drift in what follows"));
    }
    text + &outcome.columns.iter().map(|column| of_column(column, outcome, top)).collect::<String>()
}

fn of_column(column: &Checked, outcome: &Outcome, top: usize) -> String {
    let value = column.value.map_or_else(String::new, |value| {
        let threshold = column.threshold.map_or_else(String::new, |threshold| format!(", threshold {threshold:.4}"));
        format!(" {} {value:.4}{threshold}", column.statistic)
    });
    let mut text = format!("\n{}{value}  {}\n", bold(&plain(&column.name)), bars(column));
    let moments = (column.reference_mean, column.reference_std, column.mean, column.std);
    if let (Some(before), Some(spread), Some(after), Some(now)) = moments {
        let told =
            format!("mean {} → {}, deviation {} → {}", number(before), number(after), number(spread), number(now));
        text += &format!("{}\n", dim(&told));
    }
    let findings = outcome.findings.iter().filter(|finding| finding.column == column.name);
    text += &findings.map(|finding| format!("{}: {}\n", finding.finding, plain(&finding.message))).collect::<String>();
    if column.bins.is_empty() {
        return text;
    }
    let columns =
        [("bin", Align::Left), ("reference", Align::Right), ("current", Align::Right), ("adds", Align::Right)];
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let row = |bin: &crate::drift::explain::Moved| {
        vec![plain(&bin.bin), share(bin.reference), share(bin.current), format!("{:+.4}", bin.contribution)]
    };
    text += &table(&columns, &column.bins.iter().take(top).map(row).collect::<Vec<_>>());
    let more = column.bins.len().saturating_sub(top);
    if more > 0 {
        text += &format!("{}\n", dim(&format!("… and {more} more (`--top`)")));
    }
    text
}
