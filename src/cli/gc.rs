//! `mlops gc`.

use std::process::ExitCode;

use super::door::{Door, Records};
use crate::answers::gc::{Tense, counts, document};
use crate::error::{Error, Result};
use crate::text::age;
use crate::workflows::gc::{Request, gc, plan};
use crate::workflows::prune::Policy;

const EXAMPLES: &str = "\
Examples:
  mlops gc --dry-run
  mlops gc --older-than 180d --keep-last 3 --dry-run     which model versions would go, and why others stay
  mlops gc --yes --cache-unused 30 --cache-max 2GB

Without --older-than no model version goes. Never pruned, however old: what is in production or staging, `previous`
(what a rollback goes to), aliased, pinned (`mlops models pin`), the last --keep-last of a model, the parent of what is
in production or staging, what an evaluation that is not deleted has measured.";

/// How many versions of each model stay when nothing else is said.
const KEEP_LAST: usize = 3;

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
    /// Months of the prediction log that ended so long ago: 400d, 56w [default: none]
    #[arg(long, value_name = "AGE", value_parser = age, allow_hyphen_values = true)]
    predictions_older_than: Option<i64>,
    /// Model versions made so long ago: 180d, 26w, 36h
    #[arg(long, value_name = "AGE", value_parser = age, allow_hyphen_values = true)]
    older_than: Option<i64>,
    /// But never the last so many of each model [default: 3]
    #[arg(long, value_name = "N", requires = "older_than")]
    keep_last: Option<usize>,
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
    let policy = |older_than_ms| Policy { older_than_ms, keep_last: args.keep_last.unwrap_or(KEEP_LAST) };
    let request = Request {
        cache_unused_days: args.cache_unused,
        cache_max_bytes: args.cache_max,
        predictions_older_than_ms: args.predictions_older_than,
        versions: args.older_than.map(policy),
    };
    let planned = door.work(Records::Nothing, |session| plan(session, &request))?;
    if args.dry_run || planned.is_empty() {
        door.show("gc", &planned, || document(&planned, Tense::Planned))?;
        return Ok(ExitCode::SUCCESS);
    }
    door.confirm(&format!("remove {} for good?", counts(&planned))).map_err(|error: Error| {
        error.hint("`--dry-run` shows what would be removed; `--yes` goes on without asking")
    })?;
    let outcome = door.work(Records::Nothing, |session| gc(session, &request))?;
    door.show("gc", &outcome, || document(&outcome, Tense::Done))?;
    Ok(ExitCode::SUCCESS)
}
