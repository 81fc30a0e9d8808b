//! `mlops drift-check explain`.

use std::process::ExitCode;

use super::what::{Events, What};
use crate::answers;
use crate::catalog::known_hint;
use crate::cli::door::Door;
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
    door.show("drift-check explain", &outcome, || answers::drift_check::explanation(&outcome, args.top))?;
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
