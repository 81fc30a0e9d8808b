//! Telling people: fills in the secrets of the channels, sends a notice through those that want its event, and keeps what
//! did not arrive as a note. It never fails: the job that it tells of is done.

use std::path::Path;
use std::time::Duration;

use crate::config::{NotifyChannel, NotifyTarget, Secret};
use crate::error::{Error, Result};
use crate::fs::read_text;
use crate::notify::{
    Channel, Command, Delivery, Hidden, Notice, Outgoing, Patience, Post, Slack, Teams, Webhook, proxy_for, send_all,
};
use crate::project::Project;

use super::session::Session;

/// Which channels a notice goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listeners {
    /// Those that want its event.
    Interested,
    /// All, to see whether they work.
    Everyone,
}

/// Sends a notice through the channels that want its event; a delivery for each of them, in their order. What failed is
/// noted with the project.
pub fn notify(session: &Session<'_>, channels: &[NotifyChannel], notice: &Notice) -> Vec<Delivery> {
    let deliveries = send(session.project, channels, notice, Listeners::Interested);
    for failed in deliveries.iter().filter(|delivery| !delivery.sent) {
        let why = failed.error.as_deref().unwrap_or_default();
        let attempts = crate::report::numbers::plural(failed.attempts as usize, "attempt");
        let note = format!("a notice did not reach {} {} ({attempts}): {why}", failed.channel, failed.to);
        session.note(note);
    }
    deliveries
}

/// Sends a notice; nothing is noted.
pub fn send(project: &Project, channels: &[NotifyChannel], notice: &Notice, to: Listeners) -> Vec<Delivery> {
    let wanted = channels.iter().filter(|channel| to == Listeners::Everyone || channel.on.contains(&notice.event));
    let (mut deliveries, mut outgoing, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for channel in wanted {
        let mut delivery = Delivery {
            channel: channel.target.kind().to_owned(),
            to: channel.target.url().map(Secret::shown).unwrap_or_default(),
            sent: false,
            attempts: 0,
            error: None,
        };
        match open(project, channel) {
            Ok(one) => {
                places.push(deliveries.len());
                outgoing.push(Outgoing { channel: one, patience: patience(channel) });
            }
            Err(error) => delivery.error = Some(told(&error)),
        }
        deliveries.push(delivery);
    }
    let redactor = project.redactor();
    let text = |text: &String| redactor.text(text);
    let facts = notice.facts.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let notice = &Notice { title: text(&notice.title), summary: text(&notice.summary), facts, ..notice.clone() };
    let random = (project.surroundings.random_bits)() as u64;
    for (place, delivery) in places.into_iter().zip(send_all(outgoing, notice, random)) {
        deliveries[place] = delivery;
    }
    deliveries
}

/// An error on one line, with its cause: a delivery has no other place for it.
fn told(error: &Error) -> String {
    error.with_causes()
}

fn patience(channel: &NotifyChannel) -> Patience {
    let usual = Patience::default();
    let attempt = Duration::from_secs(channel.timeout_seconds);
    // One slow attempt that was asked for must fit; the usual end bounds several.
    Patience { attempt, attempts: channel.attempts, total: usual.total.max(attempt), ..usual }
}

/// Fills in a secret.
fn fill_in(project: &Project, secret: &Secret) -> Result<String> {
    match secret {
        Secret::Text(text) => Ok(project.expand(text)?.trim().to_owned()),
        Secret::File(path) => {
            let text = read_text(&project.layout.root().join(path))?;
            let first = text.lines().next().unwrap_or_default().trim().to_owned();
            if first.is_empty() {
                return Err(Error::invalid(format!("`{}` has no first line", path.display())));
            }
            Ok(first)
        }
    }
}

fn open(project: &Project, channel: &NotifyChannel) -> Result<Box<dyn Channel>> {
    let variable = project.surroundings.variable;
    let post = |url: &Secret| -> Result<Post> {
        let url = fill_in(project, url)?;
        let proxy = proxy_for(&url, &variable).map(Hidden::new);
        Ok(Post { proxy, ..Post::to(url) })
    };
    Ok(match &channel.target {
        NotifyTarget::Slack(url) => Box::new(Slack(post(url)?)),
        NotifyTarget::Teams(url) => Box::new(Teams(post(url)?)),
        NotifyTarget::Webhook { url, headers } => {
            let header = |(name, value): (&String, &Secret)| Ok((name.clone(), Hidden::new(fill_in(project, value)?)));
            let headers = headers.iter().map(header).collect::<Result<_>>()?;
            Box::new(Webhook(Post { headers, ..post(url)? }))
        }
        NotifyTarget::Command(words) => {
            let root = project.layout.root();
            let root = std::path::absolute(root).unwrap_or_else(|_| Path::new(root).to_path_buf());
            Box::new(Command { words: words.0.clone(), root })
        }
    })
}
