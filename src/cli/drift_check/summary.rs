//! `mlops drift-check summary`.

use std::process::ExitCode;

use crate::cli::door::{Door, Records};
use crate::cli::ui::format::{plain, plural, time};
use crate::cli::ui::style::{alarm, dim};
use crate::cli::ui::{Align, table};
use crate::drift::retrain_rule::{RetrainRule, Standing};
use crate::error::Result;
use crate::names::ModelName;
use crate::workflows::drift_events::{Summary, Told, summaries, summary};

const ABOUT: &str = "\
A retrain is advised after --windows windows with drift in --within days, or after one severe event on a full window; not
in the --cool-down days after a reset. Several columns of one window count once, and so do windows that overlap. Times are
those of the data, UTC. What is of another version than the one in production, or from before the last reset, is shown and
does not count. --days is the span that is shown; the rule has days of its own.

Examples:
  mlops drift-check summary                    all models, the last 7 days
  mlops drift-check summary reviews --days 30
  mlops drift-check summary reviews --json | jq .should_retrain";

/// Arguments of `drift-check summary`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Args {
    /// The model [default: all]
    model: Option<String>,
    /// Show the events of so many days
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u32,
    /// The rule: so many windows with drift
    #[arg(long, value_name = "N", default_value_t = RetrainRule::default().min_windows, help_heading = "Rule")]
    windows: u32,
    /// The rule: in so many days
    #[arg(long, value_name = "DAYS", default_value_t = RetrainRule::default().days, help_heading = "Rule")]
    within: u32,
    /// The rule: but not in so many days after a reset
    #[arg(long, value_name = "DAYS", default_value_t = RetrainRule::default().cool_down_days, help_heading = "Rule")]
    cool_down: u32,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let rule = RetrainRule { min_windows: args.windows, days: args.within, cool_down_days: args.cool_down };
    rule.check()?;
    let model = args.model.as_deref().map(ModelName::parse).transpose()?;
    door.work(Records::Nothing, |session| {
        if let Some(model) = &model {
            let found = summary(session, model, args.days, &rule)?;
            return door.answer("drift-check summary", &found, || drawn(&found));
        }
        let all = summaries(session, args.days, &rule)?;
        let none = || format!("{}\n", dim("no models yet"));
        door.answer("drift-check summary", &all, || if all.is_empty() { none() } else { listed(&all) })
    })?;
    Ok(ExitCode::SUCCESS)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.3}"))
}

/// All models, a line each.
fn listed(all: &[Summary]) -> String {
    let columns = [
        ("model", Align::Left),
        ("events", Align::Right),
        ("windows", Align::Right),
        ("statistic", Align::Left),
        ("max", Align::Right),
        ("average", Align::Right),
        ("retrain", Align::Left),
        ("why", Align::Cut),
    ];
    let row = |one: &Summary| {
        vec![
            one.model.to_string(),
            one.count.to_string(),
            one.windows.to_string(),
            one.statistic.as_deref().map_or_else(|| "–".into(), plain),
            number(one.max),
            number(one.average),
            if one.should_retrain { "yes" } else { "no" }.to_owned(),
            plain(&one.reasons.join("; ")),
        ]
    };
    table(&columns, &all.iter().map(row).collect::<Vec<_>>())
}

/// One model: the numbers, the advice, the events.
fn drawn(found: &Summary) -> String {
    let days = plural(found.days as usize, "day");
    let mut text = format!(
        "{}: {} in {} in the last {days}",
        found.model,
        plural(found.count, "drift event"),
        plural(found.windows, "window")
    );
    if let Some(statistic) = &found.statistic {
        text += &format!("; {}: max {}, average {}", plain(statistic), number(found.max), number(found.average));
    }
    text.push('\n');
    let named: Vec<String> = found
        .severities
        .iter()
        .rev()
        .filter(|(_, count)| **count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    if !named.is_empty() {
        text += &format!("severity: {}\n", named.join(", "));
    }
    let advice = if found.should_retrain { alarm("retrain: yes") } else { "retrain: no".to_owned() };
    text += &format!("{advice} ({})\n", plain(&found.reasons.join("; ")));
    if let Some(reset) = &found.last_reset {
        text +=
            &format!("last reset: {} UTC by {} ({})\n", time(reset.at_ms), plain(&reset.actor), plain(&reset.reason));
    }
    if !found.events.is_empty() {
        text += &format!("\n{}", events(&found.events));
    }
    text
}

fn events(told: &[Told]) -> String {
    let columns = [
        ("window from (UTC)", Align::Left),
        ("to", Align::Left),
        ("version", Align::Left),
        ("feature", Align::Cut),
        ("statistic", Align::Left),
        ("value", Align::Right),
        ("threshold", Align::Right),
        ("severity", Align::Left),
        ("rows", Align::Right),
        ("counts", Align::Left),
    ];
    let row = |one: &Told| {
        let event = &one.event;
        vec![
            time(event.window_from_ms),
            time(event.window_to_ms),
            event.version.to_string(),
            plain(&event.feature),
            plain(&event.statistic),
            format!("{:.3}", event.value),
            format!("{:.3}", event.threshold),
            event.severity.to_string(),
            if event.full_window { event.n.to_string() } else { format!("{} (partial)", event.n) },
            standing(one.standing).to_owned(),
        ]
    };
    table(&columns, &told.iter().map(row).collect::<Vec<_>>())
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Counts => "yes",
        Standing::TooOld => "no: too old",
        Standing::Future => "no: of the future",
        Standing::BeforeReset => "no: before the reset",
        Standing::OtherVersion => "no: another version",
    }
}
