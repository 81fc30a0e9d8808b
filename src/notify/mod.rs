//! Notices: who is told how a job ended, or that the rows have drifted.
//!
//! `notice` is what there is to say; a `Channel` says it once (`slack`, `teams`, `webhook`, `command`); `http` posts for
//! the first three; `retry` tries again; `dispatch` lets all channels work at once and waits no longer than it promised.
//!
//! A notice never fails a job: what comes back is a [`Delivery`] for each channel. An address is a secret: it is held in
//! a [`Hidden`], which shows `scheme://host/…`, and every error is scrubbed of it.

mod channel;
mod command;
mod dispatch;
mod hidden;
mod http;
mod notice;
mod proxy;
mod retry;
mod slack;
#[cfg(test)]
mod stub;
mod teams;
mod webhook;

pub use crate::config::NotifyEvent as Event;
pub use channel::{Again, Channel, Setback};
pub use command::{Command, end_group};
pub use dispatch::{Delivery, Outgoing, send_all};
pub use hidden::Hidden;
pub use http::Post;
pub use notice::Notice;
pub use proxy::proxy_for;
pub use retry::Patience;
pub use slack::Slack;
pub use teams::Teams;
pub use webhook::Webhook;
