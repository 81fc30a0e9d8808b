//! All channels at once, and an answer for each: who was told, after how many attempts, and why not.
//!
//! Each channel works in a thread of its own. One that does not come back in time (a name server that hangs is beyond any
//! time-out of a socket) is given up and left behind: the caller waits for `Patience::total` of the most patient channel
//! and not much longer, whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::channel::Channel;
use super::notice::Notice;
use super::retry::{Clock, Patience, send_with_retries};

/// A channel with its patience.
pub struct Outgoing {
    /// The channel.
    pub channel: Box<dyn Channel>,
    /// How long and how often it is tried.
    pub patience: Patience,
}

/// What came of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The word in configs: `slack`.
    pub channel: String,
    /// Where it goes, without what is secret.
    pub to: String,
    /// True when the other side took it.
    pub sent: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not sent.
    pub error: Option<String>,
}

/// What a channel that is late is allowed beyond its patience.
const GRACE: Duration = Duration::from_millis(500);

/// Sends the notice through every channel; the deliveries stand in the order of the channels. `random` is for the jitter.
#[must_use]
pub fn send_all(outgoing: Vec<Outgoing>, notice: &Notice, random: u64) -> Vec<Delivery> {
    let (begun, notice) = (Instant::now(), Arc::new(notice.clone()));
    let start = |(number, Outgoing { channel, patience }): (usize, Outgoing)| {
        let delivery =
            Delivery { channel: channel.kind().into(), to: channel.place(), sent: false, attempts: 0, error: None };
        let (tell, told) = mpsc::channel();
        let attempts: Arc<AtomicU32> = Arc::default();
        let (counted, notice) = (Arc::clone(&attempts), Arc::clone(&notice));
        std::thread::spawn(move || {
            let random = random.wrapping_add(number as u64);
            let clock = Clock { elapsed: &|| begun.elapsed(), wait: &std::thread::sleep, random };
            let count = |attempt| counted.store(attempt, Ordering::Relaxed);
            // Nobody listens any more once the patience is at its end.
            let _ = tell.send(send_with_retries(channel.as_ref(), &notice, &patience, &clock, &count));
        });
        (delivery, told, attempts, patience.total)
    };
    let started: Vec<_> = outgoing.into_iter().enumerate().map(start).collect();
    let finish = |(mut delivery, told, attempts, total): (
        Delivery,
        mpsc::Receiver<Result<(), String>>,
        Arc<AtomicU32>,
        Duration,
    )| {
        let left = (total + GRACE).saturating_sub(begun.elapsed());
        let result = match told.recv_timeout(left) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no answer within {} s", total.as_secs_f64())),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("this is a bug in mlops: the channel panicked".into()),
        };
        delivery.attempts = attempts.load(Ordering::Relaxed);
        delivery.sent = result.is_ok();
        delivery.error = result.err();
        delivery
    };
    started.into_iter().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::super::{Event, Post, Slack, Teams, Webhook};
    use super::*;

    fn notice() -> Notice {
        Notice {
            event: Event::Success,
            title: "reviews v8 is in production".into(),
            summary: "f1 0.81".into(),
            facts: Vec::new(),
            model: "reviews".into(),
            at_ms: 0,
        }
    }

    fn quick() -> Patience {
        Patience {
            attempt: Duration::from_millis(250),
            attempts: 3,
            first_wait: Duration::from_millis(2),
            longest_wait: Duration::from_millis(5),
            total: Duration::from_millis(1500),
        }
    }

    fn outgoing(channel: impl Channel + 'static, patience: Patience) -> Outgoing {
        Outgoing { channel: Box::new(channel), patience }
    }

    /// A channel that never comes back, as a name server that hangs.
    struct Deaf;

    impl Channel for Deaf {
        fn kind(&self) -> &'static str {
            "deaf"
        }

        fn place(&self) -> String {
            "nowhere".into()
        }

        fn say(&self, _: &Notice, _: Duration) -> Result<(), super::super::Setback> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn each_channel_has_its_own_end_and_none_holds_the_others() {
        let fine = Stub::new(vec![Reply::status(200, "ok")]);
        let shaky = Stub::new(vec![Reply::status(500, ""), Reply::status(202, "")]);
        let busy = Stub::new(vec![
            Reply { headers: "Retry-After: 0\r\n".into(), ..Reply::status(429, "") },
            Reply::status(200, ""),
        ]);
        let hangs = Stub::new(vec![Reply::hang()]);
        let closes = Stub::new(vec![Reply::close()]);
        let wrong = Stub::new(vec![Reply::status(400, "invalid_payload")]);
        let post = |stub: &Stub| Post::to(stub.url("/verysecret"));
        let begun = Instant::now();
        let all = vec![
            outgoing(Webhook(post(&hangs)), quick()),
            outgoing(Deaf, Patience { total: Duration::from_millis(300), ..quick() }),
            outgoing(Slack(post(&fine)), quick()),
            outgoing(Teams(post(&shaky)), quick()),
            outgoing(Webhook(post(&busy)), quick()),
            outgoing(Webhook(post(&closes)), quick()),
            outgoing(Slack(post(&wrong)), quick()),
        ];
        let told = send_all(all, &notice(), 1);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let facts: Vec<_> = told.iter().map(|one| (one.channel.as_str(), one.sent, one.attempts)).collect();
        let expected = [
            ("webhook", false, 3),
            ("deaf", false, 1),
            ("slack", true, 1),
            ("teams", true, 2),
            ("webhook", true, 2),
            ("webhook", false, 3),
            ("slack", false, 1),
        ];
        assert_eq!(facts, expected, "{told:#?}");
        assert_eq!(told[1].error.as_deref(), Some("no answer within 0.3 s"));
        assert_eq!(told[6].error.as_deref(), Some("answered 400: invalid_payload"));
        assert_eq!(told[2].to, fine.url("/…"));
        let shown = format!("{told:?} {}", serde_json::to_string(&told).unwrap());
        assert!(!shown.contains("verysecret"), "{shown}");
        let slack: serde_json::Value = serde_json::from_str(&fine.seen()[0].body).unwrap();
        assert_eq!(slack["text"], "reviews v8 is in production");
        let card: serde_json::Value = serde_json::from_str(&shaky.seen()[1].body).unwrap();
        assert_eq!(card["attachments"][0]["content"]["version"], "1.4");
        let document: serde_json::Value = serde_json::from_str(&busy.seen()[1].body).unwrap();
        assert_eq!((&document["event"], &document["format_version"]), (&"success".into(), &1.into()));
        assert!(send_all(Vec::new(), &notice(), 1).is_empty());
    }
}
