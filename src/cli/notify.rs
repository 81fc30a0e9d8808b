//! `mlops notify`: sends a notice through the channels of a file, to see that they work before a job needs them, or from
//! a script.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::door::{Door, Records};
use super::ui::error;
use crate::answers;
use crate::config::{NotifyEvent, Secret, load_notify};
use crate::error::{Error, Result};
use crate::notify::Notice;
use crate::workflows::notices::{Listeners, send};

const EXAMPLES: &str = "\
Examples:
  mlops notify experiments/reviews/retrain.yaml               a test through every channel of the file
  mlops notify alerts.yaml --event drift                      through those that want this event
  mlops notify alerts.yaml --event failure --title \"nightly export failed\" --message \"disk full\"

FILE is a list of channels, or has one under `notify:`; `mlops schema --config notify` describes it:
  - slack: ${SLACK_WEBHOOK_URL}                or {url_file: /run/secrets/slack}
    on: [success, refusal, failure, drift]
  - teams: ${TEAMS_WEBHOOK_URL}
  - webhook: https://alerts.example.com/hook
  - command: [sh, -c, 'mail -s \"$MLOPS_TITLE\" team@example.com']

Exit code 1 when a channel did not take it.";

/// Arguments of `notify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A retrain config, or a file with channels
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is about; only channels that want it are used [default: all channels]
    #[arg(long, value_name = "EVENT", value_parser = NotifyEvent::ALL.map(NotifyEvent::name))]
    event: Option<String>,
    /// The model that it is about
    #[arg(long, value_name = "NAME", default_value = "none")]
    model: String,
    /// The first line
    #[arg(long, value_name = "TEXT", default_value = "a test notice from mlops")]
    title: String,
    /// What follows it
    #[arg(long, value_name = "TEXT", default_value = "The channel works: nothing has happened.")]
    message: String,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let channels = load_notify(&args.file)?;
    if channels.is_empty() {
        return Err(Error::invalid(format!("`{}` names no channel", args.file.display())));
    }
    let event = args.event.as_deref().and_then(NotifyEvent::parse);
    let to = if event.is_some() { Listeners::Interested } else { Listeners::Everyone };
    let deliveries = door.work(Records::Nothing, |session| {
        session.stage("sending")?;
        let notice = Notice {
            event: event.unwrap_or(NotifyEvent::Success),
            title: args.title.clone(),
            summary: args.message.clone(),
            facts: vec![("sent by".to_owned(), session.project.surroundings.actor.clone())],
            model: args.model.clone(),
            at_ms: session.project.now_ms(),
        };
        Ok(send(session.project, &channels, &notice, to))
    })?;
    let written_out = channels.iter().filter(|channel| channel.target.url().is_some_and(Secret::is_literal)).count();
    if written_out > 0 && !door.global.quiet {
        let stand = if written_out == 1 { "address stands" } else { "addresses stand" };
        let file = args.file.display();
        error::note(&format!("{written_out} {stand} in `{file}`: `${{NAME}}` or `url_file` keeps it out of git"));
    }
    door.show("notify", &json!({"event": args.event, "deliveries": deliveries}), || {
        answers::project::deliveries(&deliveries, event)
    })?;
    let failed = deliveries.iter().any(|delivery| !delivery.sent);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
