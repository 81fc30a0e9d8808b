//! `mlops retrain`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, error, format, table};
use crate::config::load_retrain;
use crate::error::Result;
use crate::text::{thousands, wait};
use crate::workflows::retrain::{Conclusion, End, Outcome, Request, State, retrain};

const EXAMPLES: &str = "\
Examples:
  mlops retrain experiments/reviews_monthly/retrain.yaml
  mlops retrain experiments/reviews_monthly/retrain.yaml --dry-run     the plan; changes nothing
  mlops retrain experiments/reviews_monthly/retrain.yaml --wait 10m -q
  mlops schedule print retrain experiments/reviews_monthly/retrain.yaml --cron

  name: reviews_monthly
  period: month                    # week, day; timezone: Asia/Seoul
  when: [drift, new_rows >= 500]   # or always
  data: {source: data/reviews.db, query: 'SELECT * FROM reviews ORDER BY created_at DESC LIMIT 100000'}
  validate: {min_rows: 1000, min_per_class: 100, max_null_rate: {text: 0.01}}
  candidates: [experiments/reviews_lr/config.yaml, experiments/reviews_forest/config.yaml]
  verify: [sh, probe.sh]           # verify_timeout: 5m; policy: gate.yaml; textfile_dir: DIR; notify: [{slack: ${URL}}]
  prune: {older_than: 180d, keep_last: 3}

It takes the newest rows, trains every candidate on them, holds the best against production on rows that neither has
learned from, switches, and proves that the new version answers; if it does not, the one before is put back. Killed at
any moment, the next call goes on where it stopped; the same period is done once.

Exit codes: 0 promoted (or staged), already done or nothing to do; 1 failed or rolled back; 3 refused by the gate or by the rows;
5 inconclusive; 75 another retrain of the model goes on. In all but the first case production is as it was.";

/// Arguments of `retrain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A retrain config
    #[arg(value_name = "RETRAIN_CONFIG")]
    config: PathBuf,
    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Once more in this period, and whatever the triggers say
    #[arg(long)]
    force: bool,
    /// Wait so long for another retrain of the model: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = wait, default_value = "0s", hide_default_value = true)]
    wait: i64,
    /// Write metrics for Prometheus' `node_exporter` into this folder [default: the config's `textfile_dir`]
    #[arg(long, value_name = "DIR")]
    textfile_dir: Option<PathBuf>,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        retrain: load_retrain(&args.config)?,
        dry_run: args.dry_run,
        force: args.force,
        wait: Duration::from_millis(args.wait.unsigned_abs()),
        textfile_dir: args.textfile_dir.clone(),
    };
    let records = if args.dry_run { Records::Nothing } else { Records::Runs };
    let outcome = door.work(records, |session| retrain(session, &request))?;
    let code = outcome.exit_code();
    if door.global.quiet {
        // Whoever was to be told was not: cron's mail is the last way.
        for failed in outcome.notices.iter().filter(|one| !one.sent) {
            let why = failed.error.as_deref().unwrap_or_default();
            error::warning(&format!("a notice did not reach {} {}: {why}", failed.channel, failed.to));
        }
    }
    // Cron sends what is printed: with `-q` a retrain that went well says nothing.
    if door.global.json || !door.global.quiet || code != 0 {
        door.answer("retrain", &outcome, || describe(&outcome, door.global.quiet))?;
    }
    Ok(ExitCode::from(code))
}

fn describe(outcome: &Outcome, only_summary: bool) -> String {
    if let Some(plan) = &outcome.plan {
        let row = |one: &crate::workflows::retrain::PlannedStep| {
            vec![one.step.clone(), if one.done { good("done") } else { String::new() }, one.what.clone()]
        };
        let rows: Vec<Vec<String>> = plan.steps.iter().map(row).collect();
        let columns = [("", Align::Left), ("", Align::Left), ("", Align::Cut)];
        let name = bold(&format!("{} {}", outcome.name, outcome.period));
        let ended = outcome.state.as_ref().and_then(|state| state.ended);
        let end = ended.map_or(String::new(), |ended| format!(": already done ({})", ended.how.word()));
        return format!("{name}{end}\n{}nothing was changed\n", table(&columns, &rows));
    }
    let steps = match &outcome.state {
        Some(state) if !only_summary && !outcome.already_done && state.triggered.is_some() => steps(state),
        _ => String::new(),
    };
    let told = if only_summary { String::new() } else { told(outcome) };
    format!("{steps}{told}{}\n", summary(outcome))
}

/// A line for each step that was done.
fn steps(state: &State) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut tell = |step: &str, what: String| rows.push(vec![step.to_owned(), what]);
    if let Some(triggered) = &state.triggered {
        tell("trigger", triggered.reasons.join("; "));
    }
    if let Some(found) = &state.extracted {
        let time = found.time.as_ref().map_or(String::new(), |time| format!(", {} … {}", time.from, time.to));
        let new = found.new_rows.map_or(String::new(), |rows| format!(", {} new", thousands(rows)));
        tell(
            "extract",
            format!("{} rows of {}{time}{new} -> {}", thousands(found.facts.written), found.source, found.snapshot),
        );
    }
    if let Some(found) = &state.validated {
        let classes: Vec<String> =
            found.classes.iter().map(|(label, rows)| format!("{label}: {}", thousands(*rows))).collect();
        tell("validate", format!("classes {}", classes.join(", ")));
    }
    for one in &state.trained {
        let value = |value: Option<f64>| format::optional(value);
        let what = match (&one.error, one.version) {
            (Some(error), _) => format!("{} {}", one.experiment, bad(&format!("failed: {error}"))),
            (None, Some(version)) => {
                let parts = [
                    one.validation.map(|_| format!("validation {}", value(one.validation))),
                    one.test.map(|_| format!("test {}", value(one.test))),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("{} {version}: {} {}", one.experiment, one.metric, parts.join(", "))
            }
            (None, None) => one.experiment.clone(),
        };
        tell("train", what);
    }
    if let Some(decided) = &state.decided {
        let against = match (decided.production, decided.production_value) {
            (None, _) => "nothing was in production".to_owned(),
            (Some(version), value) => {
                let value = value.map_or(String::new(), |value| format!(" ({})", format::value(value)));
                let rows = decided.compared_rows.map_or(String::new(), |rows| {
                    format!(" on {} rows that neither has learned from", format::count(rows))
                });
                format!("against {version}{value}{rows}")
            }
        };
        tell("decide", format!("{} {against}: {}", decided.version, decided.decision.word()));
        if decided.decision != End::Promoted {
            tell("", dim(&decided.reason));
        }
    }
    if let (Some(verified), Some(decided)) = (&state.verified, &state.decided) {
        match &verified.rolled_back {
            Some(why) => tell("verify", bad(why)),
            None if decided.decision == End::Promoted => {
                tell(
                    "verify",
                    format!("{} answered as in training", format::plural(verified.golden_rows, "golden row")),
                );
            }
            None => {}
        }
    }
    if let Some(pruned) =
        state.pruned.as_ref().filter(|pruned| !pruned.versions.is_empty() || !pruned.snapshots.is_empty())
    {
        let versions: Vec<String> = pruned.versions.iter().map(ToString::to_string).collect();
        tell("prune", [versions, pruned.snapshots.clone()].concat().join(", "));
    }
    table(&[("", Align::Left), ("", Align::Cut)], &rows)
}

/// Who was told: those whose notice did not arrive are told of on stderr.
fn told(outcome: &Outcome) -> String {
    let sent: Vec<&str> = outcome.notices.iter().filter(|one| one.sent).map(|one| one.channel.as_str()).collect();
    if sent.is_empty() { String::new() } else { format!("notify    {}\n", sent.join(", ")) }
}

/// The one line that matters.
fn summary(outcome: &Outcome) -> String {
    let name = bold(&format!("{} {}", outcome.name, outcome.period));
    let state = outcome.state.as_ref();
    let decided = state.and_then(|state| state.decided.as_ref());
    let version = decided.map_or(String::new(), |decided| format!("{} {}", outcome.model, decided.version));
    if outcome.already_done {
        let how = outcome.outcome.word();
        let version = decided.map_or(String::new(), |decided| format!("{}, ", decided.version));
        let why = outcome.reasons.iter().map(|reason| format!("; {reason}")).collect::<String>();
        return format!("{name}: already done ({version}{how}); `--force` does it once more{why}");
    }
    let resumed = outcome.resumed_at.as_ref().map_or(String::new(), |step| format!(", resumed at {step}"));
    let time = dim(&format!(" in {:.1} s{resumed}", outcome.seconds));
    match outcome.outcome {
        Conclusion::Ended(End::Promoted) => {
            let before = decided.and_then(|decided| decided.production);
            let before = before.map_or(String::new(), |version| format!(" (was {version})"));
            format!("{name}: {}: {version} is in production{before}{time}", good("promoted"))
        }
        Conclusion::Ended(End::Staged) => format!("{name}: staged: {version} waits in Staging{time}"),
        Conclusion::Ended(End::RolledBack) => {
            let before = decided.and_then(|decided| decided.production);
            let back = before.map_or_else(
                || "nothing is in production".to_owned(),
                |before| format!("{before} is in production again"),
            );
            format!("{name}: {}: {version} did not serve, {back}{time}", bad("rolled back"))
        }
        Conclusion::Planned | Conclusion::Skipped => format!("{name}: nothing to do: {}", outcome.reasons.join("; ")),
        Conclusion::Ended(how @ (End::Refused | End::Inconclusive | End::Abandoned)) => {
            let why = if how == End::Inconclusive { "the gate is inconclusive about" } else { "the gate refused" };
            let holder = decided.and_then(|decided| decided.production);
            let stays = holder.map_or_else(
                || "nothing is in production".to_owned(),
                |holder| format!("{holder} stays in production"),
            );
            format!("{name}: {}: {why} {version}; {stays}{time}", bad(how.word()))
        }
    }
}
