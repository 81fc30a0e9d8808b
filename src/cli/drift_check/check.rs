//! `mlops drift-check`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::what::{Events, What};
use crate::cli::door::Door;
use crate::cli::ui::format::{count, plain, plural, time};
use crate::cli::ui::style::{alarm, bold, dim, good};
use crate::cli::ui::{Align, table};
use crate::config::load_notify;
use crate::drift::findings::p as probability;
use crate::drift::pair::number;
use crate::drift::{Checked, Finding, Rule};
use crate::error::Result;
use crate::tracking::Severity;
use crate::workflows::drift_check::{Outcome, Tell};

pub const EXAMPLES: &str = "\
Examples:
  mlops drift-check reviews --current data/june.csv --time created_at
  mlops drift-check reviews --from-log --false-alarms 1/month --checks 1/day --fail-on significant
  mlops drift-check --reference may.csv --current june.csv --columns price,stars
  mlops drift-check explain reviews --current data/june.csv --column price

A column drifts when its value is significant (Holm over all columns at --alpha) and above the effect floor; `rule: bands`
takes KL > 0.3 literally. With --false-alarms A --checks C, α = A per month / C per month. Severity is by the bands of KL:
slight 0.3, significant 0.5, severe 1.0, and by the same effects for other statistics. Drift becomes an event; a check that
is repeated over the same rows adds none.
Exit code with --fail-on: 3 when it is as bad as that; `significant` is what the test says, or the band by `rule: bands`.";

/// Arguments of a check.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub what: What,
    /// Exit with 3 at this or worse: any drift, drift that a test finds significant, or a severity
    #[arg(long, value_name = "BAR", value_parser = ["drift", "slight", "significant", "severe"])]
    fail_on: Option<String>,
    /// Leave no event and no run in the tracking database
    #[arg(long)]
    no_event: bool,
    /// Write metrics for Prometheus' `node_exporter` into this folder
    #[arg(long, value_name = "DIR")]
    textfile_dir: Option<PathBuf>,
    /// Tell the channels of this file when something new drifts; `mlops notify FILE` tries them
    #[arg(long, value_name = "FILE")]
    notify: Option<PathBuf>,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let events = if args.no_event { Events::No } else { Events::Recorded };
    let channels = args.notify.as_deref().map(load_notify).transpose()?.unwrap_or_default();
    let to = Tell { textfile_dir: args.textfile_dir.clone(), channels };
    let outcome = args.what.check(door, events, &to)?;
    door.answer("drift-check", &outcome, || drawn(&outcome))?;
    let failed = args.fail_on.as_deref().map(|bar| outcome.reaches(bar)).transpose()?.unwrap_or(false);
    Ok(if failed { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// Who was checked on what.
pub fn head(outcome: &Outcome) -> String {
    let model = match (&outcome.model, outcome.version) {
        (Some(model), Some(version)) => format!("{model} {version}: "),
        _ => String::new(),
    };
    let (rows, source) = (plural(outcome.window.rows as usize, "row"), plain(&outcome.window.source));
    format!("{model}{rows} of {source}")
}

fn drawn(outcome: &Outcome) -> String {
    if outcome.state != "checked" {
        let notes = outcome.notes.iter().map(|note| format!("{}\n", dim(&plain(note))));
        return format!("{}: {}\n{}", head(outcome), outcome.state, notes.collect::<String>());
    }
    let columns = [
        ("column", Align::Left),
        ("kind", Align::Left),
        ("n", Align::Right),
        ("statistic", Align::Left),
        ("value", Align::Right),
        ("threshold", Align::Right),
        ("p (Holm)", Align::Right),
        ("severity", Align::Left),
        ("reference → current", Align::Left),
    ];
    let rows: Vec<Vec<String>> = outcome.columns.iter().map(row).collect();
    let settings = &outcome.settings;
    let decided = match settings.rule {
        Rule::Significant => format!("α {}, Holm over the columns", number(settings.alpha)),
        Rule::Bands => "rule: bands".to_owned(),
    };
    let span = if outcome.window.from_ms < outcome.window.to_ms {
        format!("; {} to {} UTC", time(outcome.window.from_ms), time(outcome.window.to_ms))
    } else {
        String::new()
    };
    let mut text = format!("{} {}\n{}", head(outcome), dim(&format!("({decided}{span})")), table(&columns, &rows));
    text += &outcome.columns.iter().filter_map(reason).collect::<String>();
    if !outcome.findings.is_empty() {
        text.push('\n');
    }
    text += &outcome.findings.iter().map(finding).collect::<String>();
    text += &format!("\n{}\n", verdict(outcome));
    text += &outcome.notes.iter().map(|note| format!("{}\n", dim(&plain(note)))).collect::<String>();
    text
}

fn verdict(outcome: &Outcome) -> String {
    let drifting = outcome.columns.iter().filter(|column| column.drift).count();
    let of = outcome.columns.len();
    let told = if outcome.drift_detected {
        let columns = plural(of, "column");
        format!("{} in {drifting} of {columns}, {}", alarm("drift"), severity(outcome.severity, true))
    } else {
        format!("{} in {}", good("no drift"), plural(of, "column"))
    };
    let events = match outcome.events_recorded {
        0 => String::new(),
        1 => "; 1 new event".to_owned(),
        events => format!("; {events} new events"),
    };
    if outcome.reasons.is_empty() {
        return told;
    }
    let advice = if outcome.should_retrain { alarm("retrain: yes") } else { "retrain: no".to_owned() };
    format!("{told}{events}\n{advice} ({})", plain(&outcome.reasons.join("; ")))
}

fn finding(finding: &Finding) -> String {
    let name = if finding.drift { alarm(finding.finding) } else { dim(finding.finding) };
    format!("{name} {}: {}\n", bold(&plain(&finding.column)), plain(&finding.message))
}

fn reason(column: &Checked) -> Option<String> {
    // A finding says it already.
    let reason = column.reason.as_ref().filter(|reason| reason.contains(' '))?;
    Some(format!("{}\n", dim(&format!("{}: not compared: {}", plain(&column.name), plain(reason)))))
}

fn row(column: &Checked) -> Vec<String> {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.4}"));
    vec![
        plain(&column.name),
        column.kind.name().to_owned(),
        count(column.n as usize),
        column.statistic.to_owned(),
        shown(column.value),
        shown(column.threshold),
        column.p_holm.map_or_else(|| "–".into(), probability),
        severity(column.severity, column.drift),
        bars(column),
    ]
}

/// The severity; drift below the first band says that it is drift.
fn severity(severity: Severity, drift: bool) -> String {
    match (severity, drift) {
        (Severity::Normal, false) => dim("–"),
        (Severity::Normal, true) => bold("drift"),
        (Severity::Slight, _) => bold("slight"),
        (severity, _) => alarm(severity.as_str()),
    }
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Both sides as small bars on one scale; what is empty is blank.
pub fn bars(column: &Checked) -> String {
    let (left, right) = (&column.histogram.reference, &column.histogram.current);
    if left.is_empty() {
        return String::new();
    }
    let most = left.iter().chain(right).copied().fold(f64::MIN_POSITIVE, f64::max);
    let bar = |share: &f64| {
        let step = (share / most * 8.0).ceil() as usize;
        if step == 0 { '·' } else { BARS[step.min(8) - 1] }
    };
    let side = |shares: &[f64]| shares.iter().map(bar).collect::<String>();
    format!("{} → {}", side(left), side(right))
}
