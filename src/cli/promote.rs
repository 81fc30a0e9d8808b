//! `mlops promote`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records};
use super::embedding_args::EmbeddingArgs;
use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, format, table};
use crate::config::load_policy;
use crate::error::Result;
use crate::tracking::Stage;
use crate::workflows::gate::{Check, Kind, Verdict};
use crate::workflows::promote::{Outcome, Request, promote};

const EXAMPLES: &str = "\
Examples:
  mlops promote reviews                     the newest version, through its gate
  mlops promote --best f1 reviews_lr reviews_forest
  mlops promote reviews/3 --force --reason \"hotfix agreed with Kim\"
  mlops promote reviews/3 --dry-run
  mlops promote reviews/3 --policy gate.yaml

Exit codes: 0 promoted, 3 refused, 5 refused because the answer is inconclusive.";

/// Arguments of `promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model (`reviews`, `reviews/3`, `reviews@staging`, `runs:/ID`); with --best several, or experiments
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Take the one with the best value of this metric on the test rows
    #[arg(long, value_name = "METRIC")]
    best: Option<String>,
    /// The gate of this file instead of the config's `promotion:`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The stage [default: `to` of the gate]
    #[arg(long, value_name = "STAGE", value_parser = ["staging", "production"], ignore_case = true)]
    to: Option<String>,
    /// Say what would happen, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Promote although the gate refuses; goes into the ledger with the reason
    #[arg(long)]
    force: bool,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Let --best compare candidates that were tested on different rows
    #[arg(long)]
    allow_different_data: bool,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let request = Request {
        candidates: args.models.clone(),
        best: args.best.clone(),
        to: args.to.as_deref().map(Stage::parse).transpose()?,
        dry_run: args.dry_run,
        force: args.force,
        reason: args.reason.clone(),
        allow_different_data: args.allow_different_data,
        policy: args.policy.as_deref().map(load_policy).transpose()?,
    };
    let records = if args.dry_run { Records::Nothing } else { Records::Runs };
    let outcome = door.work(records, |session| promote(session, &request))?;
    door.answer("promote", &outcome, || describe(&outcome))?;
    Ok(ExitCode::from(code(&outcome)))
}

/// The gate, line by line.
pub fn gate(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let verdict = match check.verdict {
            Verdict::Pass => good("yes"),
            Verdict::Fail => bad("no"),
            Verdict::Inconclusive => bold("inconclusive"),
            Verdict::NotApplicable => dim("not applicable"),
        };
        let value = check.value.map_or_else(
            || "–".into(),
            |value| match check.kind {
                Kind::VersusProduction => format!("{value:+.4}"),
                Kind::Parity => format!("{value:.0e}"),
                _ => format::value(value),
            },
        );
        vec!["gate".into(), check.metric.clone(), check.rule.clone(), value, verdict, dim(&check.detail)]
    };
    let columns =
        [Align::Left, Align::Left, Align::Left, Align::Right, Align::Left, Align::Cut].map(|align| ("", align));
    if checks.is_empty() { String::new() } else { table(&columns, &checks.iter().map(row).collect::<Vec<_>>()) }
}

/// True when the gate said no and nobody forced it.
fn refused(outcome: &Outcome) -> bool {
    !outcome.passed && !outcome.forced
}

/// 0 promoted, 3 refused, 5 refused because the answer is inconclusive.
pub fn code(outcome: &Outcome) -> u8 {
    match (refused(outcome), outcome.verdict) {
        (false, _) => 0,
        (true, Verdict::Inconclusive) => 5,
        (true, _) => 3,
    }
}

/// The decision as a person reads it.
pub fn describe(outcome: &Outcome) -> String {
    let mut text = String::new();
    if !outcome.candidates.is_empty() {
        let rows: Vec<Vec<String>> = outcome
            .candidates
            .iter()
            .map(|one| {
                let mark = if one.chosen { good("best") } else { String::new() };
                vec![
                    one.named.clone(),
                    format!("{} {}", one.model, one.version),
                    format::optional(one.validation),
                    format::optional(one.value),
                    mark,
                ]
            })
            .collect();
        let columns = [
            ("candidate", Align::Left),
            ("version", Align::Left),
            ("validation", Align::Right),
            ("test", Align::Right),
            ("", Align::Left),
        ];
        text += &(table(&columns, &rows) + "\n");
    }
    text += &gate(&outcome.gate.checks);
    if outcome.gate.checks.is_empty() && outcome.to == Stage::Production {
        text += "gate      no rules\n";
    }
    let name = bold(&format!("{} {}", outcome.model, outcome.version));
    let verb = match (outcome.dry_run, outcome.from == outcome.to) {
        (true, true) => "would stay",
        (true, false) => "would go",
        (false, true) => "stays",
        (false, false) => "went",
    };
    let way = if outcome.from == outcome.to {
        format!("in {}", outcome.to.as_str())
    } else {
        format!("from {} to {}", outcome.from.as_str(), bold(outcome.to.as_str()))
    };
    text += &format!("{name} {verb} {way}");
    if outcome.forced {
        text += ", forced against the gate";
    } else if refused(outcome) {
        text += if outcome.verdict == Verdict::Inconclusive {
            ": the gate is inconclusive, which its rules refuse"
        } else {
            ": the gate refused production"
        };
    }
    text += "\n";
    if outcome.to == Stage::Production && !outcome.dry_run && outcome.from != outcome.to {
        text += &format!("active    production/{}/active -> {}", outcome.model, outcome.version);
        if outcome.golden_rows > 0 {
            text += &dim(&format!("  ({} answered as in training)", format::plural(outcome.golden_rows, "golden row")));
        }
        text += "\n";
        if outcome.release.is_some() {
            text += "release   model.onnx, preprocessor.json, model_metadata.json, model_card.md\n";
        }
        if let Some(previous) = outcome.previous {
            text += &format!("archived  {previous}; `mlops rollback {}` puts it back\n", outcome.model);
        }
    }
    text
}
