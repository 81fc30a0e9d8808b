//! `mlops retrain`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::error;
use crate::answers;
use crate::config::load_retrain;
use crate::error::Result;
use crate::text::wait;
use crate::workflows::retrain::{Request, retrain};

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
        door.show("retrain", &outcome, || answers::retrain::document(&outcome, door.global.quiet))?;
    }
    Ok(ExitCode::from(code))
}
