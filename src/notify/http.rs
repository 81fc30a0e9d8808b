//! One POST of JSON: what Slack, Teams and other webhooks have in common.
//!
//! 2xx is success. 408, 429 and 5xx may pass, and `Retry-After` (seconds, or a date, which is held against the answer's
//! own `Date`) says when; other 4xx would be refused again. A redirect is never followed: the address is the secret, and
//! the POST would become a GET. What the other side says goes into the error, cut and without the secret.
//!
//! TLS is rustls with Mozilla's root certificates compiled in (ureq 2.12): an authority of a company's own is not known; a
//! `command` that calls curl is the way there.

use std::io::Read;
use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::Value;

use super::channel::{Again, Setback};
use super::hidden::Hidden;
use crate::text::{cut, without_secrets};

/// Characters of an answer that are told.
const TOLD: usize = 200;
/// Bytes of an answer that are read.
const READ: u64 = 4096;

/// Where a POST goes and what it carries.
#[derive(Debug, Clone)]
pub struct Post {
    /// The address.
    pub url: Hidden,
    /// Headers beside the content type.
    pub headers: Vec<(String, Hidden)>,
    /// The proxy, which may hold a password.
    pub proxy: Option<Hidden>,
    /// The longest wait for a connection.
    pub connect: Duration,
}

impl Post {
    /// A POST to this address, with the usual wait for a connection.
    #[must_use]
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: Hidden::new(url), headers: Vec::new(), proxy: None, connect: Duration::from_secs(5) }
    }

    fn scrub(&self, text: &str) -> String {
        let secrets = self.headers.iter().map(|(_, secret)| secret).chain(&self.proxy);
        let text = secrets.fold(self.url.scrub(text), |text, secret| secret.scrub(&text));
        cut(text.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), TOLD)
    }

    /// Sends the body once.
    ///
    /// # Errors
    /// What went wrong, and whether another attempt may help.
    pub fn send(&self, body: &Value, limit: Duration) -> Result<(), Setback> {
        if !["http://", "https://"].iter().any(|scheme| self.url.reveal().starts_with(scheme)) {
            return Err(Setback::lasting("this is no address that begins with `https://`"));
        }
        let mut builder = ureq::AgentBuilder::new()
            .redirects(0)
            .timeout_connect(self.connect.min(limit))
            .timeout(limit)
            .user_agent(concat!("mlops/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &self.proxy {
            let proxy = ureq::Proxy::new(proxy.reveal()).map_err(|_| {
                Setback::lasting(format!("`{proxy}` is no proxy that can be used: http://host:port is"))
            })?;
            builder = builder.proxy(proxy);
        }
        let mut request =
            builder.build().post(self.url.reveal()).set("Content-Type", "application/json; charset=utf-8");
        for (name, value) in &self.headers {
            request = request.set(name, value.reveal());
        }
        match request.send_bytes(body.to_string().as_bytes()) {
            Ok(answer) if (200..300).contains(&answer.status()) => Ok(()),
            Ok(answer) | Err(ureq::Error::Status(_, answer)) => Err(self.refused(answer)),
            Err(ureq::Error::Transport(error)) => Err(self.broken(&error)),
        }
    }

    fn refused(&self, answer: ureq::Response) -> Setback {
        let status = answer.status();
        if (300..400).contains(&status) {
            let to = answer.header("location").map(without_secrets).unwrap_or_default();
            return Setback::lasting(self.scrub(&format!("answered {status}, a redirect to `{to}`: none is followed")));
        }
        let wait = retry_after(answer.header("retry-after"), answer.header("date"));
        let mut said = Vec::new();
        // A body that breaks off is no worse than none.
        let _ = answer.into_reader().take(READ).read_to_end(&mut said);
        let said = self.scrub(&String::from_utf8_lossy(&said));
        let message = format!("answered {status}{}{said}", if said.is_empty() { "" } else { ": " });
        let again = match (status, wait) {
            (408 | 429 | 500..=599, Some(wait)) => Again::After(wait),
            (408 | 429 | 500..=599, None) => Again::Later,
            _ => Again::Never,
        };
        Setback { message, again }
    }

    fn broken(&self, error: &ureq::Transport) -> Setback {
        // `Display` of the error would begin with the address.
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let parts = [Some(error.kind().to_string()), error.message().map(str::to_owned), cause];
        let message = self.scrub(&parts.into_iter().flatten().collect::<Vec<_>>().join(": "));
        match error.kind() {
            ureq::ErrorKind::InvalidUrl
            | ureq::ErrorKind::UnknownScheme
            | ureq::ErrorKind::InvalidProxyUrl
            | ureq::ErrorKind::ProxyUnauthorized => Setback::lasting(message),
            _ => Setback::passing(message),
        }
    }
}

/// The wait that an answer asks for.
fn retry_after(header: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let header = header?.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds >= 0.0 && seconds.is_finite()).then(|| Duration::from_secs_f64(seconds.min(1e6)));
    }
    let at = |text: &str| rfc2822::parse(text.trim()).ok().map(|time| time.timestamp());
    let wait = at(header)?.duration_since(at(date?)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn post(url: String) -> Post {
        Post { headers: vec![("X-Token".into(), Hidden::new("headersecret"))], ..Post::to(url) }
    }

    #[test]
    fn the_body_and_the_headers_arrive() {
        let stub = Stub::new(vec![Reply::status(202, "")]);
        post(stub.url("/services/verysecret")).send(&serde_json::json!({"a": "한글"}), LIMIT).unwrap();
        let seen = stub.seen();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].head.starts_with("POST /services/verysecret HTTP/1.1\r\n"), "{}", seen[0].head);
        let head = seen[0].head.to_lowercase();
        for line in ["content-type: application/json; charset=utf-8", "x-token: headersecret", "user-agent: mlops/"] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        assert_eq!(seen[0].body, r#"{"a":"한글"}"#);
    }

    #[test]
    fn answers_are_told_apart_and_none_shows_a_secret() {
        for (status, headers, again) in [
            (400, "", Again::Never),
            (404, "Retry-After: 3\r\n", Again::Never),
            (408, "", Again::Later),
            (429, "Retry-After: 7\r\n", Again::After(Duration::from_secs(7))),
            (500, "", Again::Later),
            (
                503,
                "Date: Sun, 01 Nov 2026 03:00:00 GMT\r\nRetry-After: Sun, 01 Nov 2026 03:00:30 GMT\r\n",
                Again::After(Duration::from_secs(30)),
            ),
            (
                503,
                "Date: Sun, 01 Nov 2026 03:00:30 GMT\r\nRetry-After: Sun, 01 Nov 2026 03:00:00 GMT\r\n",
                Again::After(Duration::ZERO),
            ),
            (503, "Retry-After: soon\r\n", Again::Later),
        ] {
            let told = "invalid_payload for verysecret, X-Token headersecret";
            let stub = Stub::new(vec![Reply { status, headers: headers.into(), ..Reply::status(200, told) }]);
            let setback = post(stub.url("/a/verysecret")).send(&Value::Null, LIMIT).unwrap_err();
            assert_eq!(setback.again, again, "{status} {headers}");
            assert_eq!(setback.message, format!("answered {status}: invalid_payload for …, X-Token …"));
        }
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let other = Stub::new(vec![Reply::status(200, "")]);
        let location = format!("Location: {}\r\n", other.url("/verysecret"));
        let stub = Stub::new(vec![Reply { headers: location, ..Reply::status(302, "") }]);
        let setback = post(stub.url("/verysecret")).send(&Value::Null, LIMIT).unwrap_err();
        assert_eq!(setback.again, Again::Never);
        assert_eq!(setback.message, format!("answered 302, a redirect to `{}`: none is followed", other.url("/…")));
        assert!(other.seen().is_empty());
    }

    #[test]
    fn a_server_that_hangs_or_closes_is_given_up() {
        for reply in [Reply::hang(), Reply::close()] {
            let stub = Stub::new(vec![reply]);
            let begun = std::time::Instant::now();
            let setback = post(stub.url("/verysecret")).send(&Value::Null, Duration::from_millis(150)).unwrap_err();
            assert!(begun.elapsed() < Duration::from_secs(3));
            assert_eq!(setback.again, Again::Later, "{}", setback.message);
            assert!(!setback.message.contains("verysecret") && !setback.message.is_empty(), "{}", setback.message);
        }
        // Nobody listens on a port that was just given back.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let setback = post(format!("http://{free}/verysecret")).send(&Value::Null, LIMIT).unwrap_err();
        assert!(setback.message.contains("refused") && !setback.message.contains("verysecret"), "{}", setback.message);
    }

    #[test]
    fn what_is_no_address_is_not_tried_again() {
        for url in
            ["", "verysecret", "hooks.slack.com/verysecret", "ftp://a/verysecret", "https://", "http://a b/verysecret"]
        {
            let setback = post(url.into()).send(&Value::Null, LIMIT).unwrap_err();
            assert!(!setback.message.contains("verysecret"), "{url}: {}", setback.message);
            assert_eq!(setback.again, Again::Never, "{url}: {}", setback.message);
        }
    }

    #[test]
    fn a_proxy_is_asked_instead() {
        let proxy = Stub::new(vec![Reply::status(503, "")]);
        let address = proxy.url("").replace("http://", "http://user:proxysecret@");
        let post = Post { proxy: Some(Hidden::new(address)), ..post("http://example.invalid/verysecret".into()) };
        let setback = post.send(&Value::Null, LIMIT).unwrap_err();
        assert_eq!(proxy.seen().len(), 1, "{}", setback.message);
        assert!(proxy.seen()[0].head.contains("example.invalid"), "{}", proxy.seen()[0].head);
        assert!(!setback.message.contains("proxysecret"), "{}", setback.message);
        let wrong = Post { proxy: Some(Hidden::new("gopher://u:proxysecret@x")), ..post };
        let setback = wrong.send(&Value::Null, LIMIT).unwrap_err();
        assert_eq!(setback.message, "`gopher://x` is no proxy that can be used: http://host:port is");
    }
}
