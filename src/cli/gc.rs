//! `mlops gc`.

use std::process::ExitCode;

use super::door::{Door, Records, shown};
use super::ui::{Align, format, moment, table};
use crate::error::{Error, Result};
use crate::workflows::gc::{Outcome, Request, gc, plan};
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
    #[arg(long, value_name = "AGE", value_parser = moment::duration, allow_hyphen_values = true)]
    predictions_older_than: Option<i64>,
    /// Model versions made so long ago: 180d, 26w, 36h
    #[arg(long, value_name = "AGE", value_parser = moment::duration, allow_hyphen_values = true)]
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
        door.answer("gc", &planned, || describe(&planned, "would remove", Kept::Listed))?;
        return Ok(ExitCode::SUCCESS);
    }
    door.confirm(&format!("remove {} for good?", counts(&planned))).map_err(|error: Error| {
        error.hint("`--dry-run` shows what would be removed; `--yes` goes on without asking")
    })?;
    let outcome = door.work(Records::Nothing, |session| gc(session, &request))?;
    door.answer("gc", &outcome, || describe(&outcome, "removed", Kept::Counted))?;
    Ok(ExitCode::SUCCESS)
}

fn counts(outcome: &Outcome) -> String {
    let parts = [
        format::plural(outcome.runs.len(), "deleted run"),
        format::plural(outcome.versions.len(), "model version"),
        format::plural(outcome.predictions.len(), "logged month"),
        format::plural(outcome.leftovers.len(), "leftover"),
        format::plural(usize::try_from(outcome.cache.vectors).unwrap_or(usize::MAX), "cached vector"),
    ];
    parts.into_iter().filter(|part| !part.starts_with("0 ")).collect::<Vec<_>>().join(", ")
}

/// How model versions that stay are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// One by one, with the reasons.
    Listed,
    /// How many.
    Counted,
}

fn size(bytes: u64) -> String {
    format!("{} bytes", format::count(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

fn describe(outcome: &Outcome, verb: &str, told: Kept) -> String {
    let mut text = String::new();
    for run in &outcome.runs {
        text += &format!("{verb} run {} of {}  {} bytes\n", run.run_id.short(), run.experiment, run.bytes);
    }
    text += &versions(outcome, verb, told);
    for month in &outcome.predictions {
        text += &format!(
            "{verb} predictions of {} {} in {}  {}\n",
            month.model,
            month.version,
            month.month,
            size(month.bytes)
        );
    }
    outcome.leftovers.iter().for_each(|path| text += &format!("{verb} {}\n", shown(path)));
    if outcome.cache.vectors > 0 {
        text += &format!("{verb} {} cached vectors  {} bytes\n", outcome.cache.vectors, outcome.cache.bytes);
    }
    if outcome.is_empty() {
        text += "nothing to remove\n";
    } else {
        text += &format!("{verb} {} in all\n", size(outcome.bytes));
    }
    text + &format!("kept {} cached vectors\n", outcome.cache_kept)
}

/// Model versions: what goes, how large it is and why; what stays and why.
fn versions(outcome: &Outcome, verb: &str, told: Kept) -> String {
    let going = outcome.versions.iter().map(|one| {
        let why = format!("{}, {}", one.stage.as_str(), one.reason);
        vec![verb.to_owned(), format!("{} {}", one.model, one.version), size(one.bytes), why]
    });
    let staying = outcome.versions_kept.iter().filter(|_| told == Kept::Listed).map(|one| {
        vec!["kept".to_owned(), format!("{} {}", one.model, one.version), String::new(), one.reasons.join("; ")]
    });
    let rows: Vec<Vec<String>> = going.chain(staying).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &table(&[("", Align::Left), ("", Align::Left), ("", Align::Right), ("", Align::Cut)], &rows);
    }
    if told == Kept::Counted && !outcome.versions_kept.is_empty() {
        let kept = format::plural(outcome.versions_kept.len(), "model version");
        text += &format!("kept {kept} (`--dry-run` says why)\n");
    }
    text
}
