//! `mlops gc`.

use std::process::ExitCode;

use super::door::{Door, Records, shown};
use super::ui::format;
use crate::error::{Error, Result};
use crate::workflows::gc::{Outcome, Request, gc, plan};

const EXAMPLES: &str = "\
Examples:
  mlops gc --dry-run
  mlops gc --yes --cache-unused 30 --cache-max 2GB";

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Vectors of the cache that were not used for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    cache_unused: u32,
    /// The numbers of the cached vectors at most (the file is a little larger): 500MB, 2GB; the least used go first
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    cache_max: Option<u64>,
}

/// Reads a size: a number with B, KB, MB or GB.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    let upper = text.to_uppercase();
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((upper.strip_suffix(name)?.trim().to_owned(), *unit)))
        .unwrap_or_default();
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no size such as 500MB"))?;
    if number.is_finite() && number >= 0.0 { Ok((number * f64::from(unit)) as u64) } else { Err("no size".into()) }
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request { cache_unused_days: args.cache_unused, cache_max_bytes: args.cache_max };
    let planned = door.work(Records::Nothing, |session| plan(session, &request))?;
    if args.dry_run || planned.is_empty() {
        door.answer("gc", &planned, || describe(&planned, "would remove"))?;
        return Ok(ExitCode::SUCCESS);
    }
    door.confirm(&format!("remove {} for good?", counts(&planned))).map_err(|error: Error| {
        error.hint("`--dry-run` shows what would be removed; `--yes` goes on without asking")
    })?;
    let outcome = door.work(Records::Nothing, |session| gc(session, &request))?;
    door.answer("gc", &outcome, || describe(&outcome, "removed"))?;
    Ok(ExitCode::SUCCESS)
}

fn counts(outcome: &Outcome) -> String {
    let parts = [
        format::plural(outcome.runs.len(), "deleted run"),
        format::plural(outcome.leftovers.len(), "leftover"),
        format::plural(usize::try_from(outcome.cache.vectors).unwrap_or(usize::MAX), "cached vector"),
    ];
    parts.into_iter().filter(|part| !part.starts_with("0 ")).collect::<Vec<_>>().join(", ")
}

fn describe(outcome: &Outcome, verb: &str) -> String {
    let kept = format!("kept {} cached vectors\n", outcome.cache_kept);
    if outcome.is_empty() {
        return format!("nothing to remove\n{kept}");
    }
    let mut text = String::new();
    for run in &outcome.runs {
        text += &format!("{verb} run {} of {}  {} bytes\n", run.run_id.short(), run.experiment, run.bytes);
    }
    outcome.leftovers.iter().for_each(|path| text += &format!("{verb} {}\n", shown(path)));
    if outcome.cache.vectors > 0 {
        text += &format!("{verb} {} cached vectors  {} bytes\n", outcome.cache.vectors, outcome.cache.bytes);
    }
    text + &kept
}
