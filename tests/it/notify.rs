//! `mlops notify`: the built binary against a server on loopback; what arrives, what is told, and that no secret is shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::support::TestProject;

const SECRET: &str = "T000/B000/verysecret";

/// The path and the body of each request.
type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers every request with this status and keeps the bodies, by path.
pub fn server(status: &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let header = |line: &str| {
                line.to_lowercase().strip_prefix("content-length:").map(|size| size.trim().parse().unwrap())
            };
            let mut body = vec![0; head.lines().find_map(header).unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            kept.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap_or_default()));
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        }
    });
    (url, seen)
}

#[test]
fn every_channel_is_told() {
    let project = TestProject::new();
    let (url, seen) = server("200 OK");
    project.write("secrets/teams", format!("{url}/teams/{SECRET}\nsecond line\n"));
    project.write(
        "experiments/reviews/retrain.yaml",
        format!(
            "model: reviews\nother: {{keys: are not looked at}}\nnotify:\n  - slack: ${{SLACK}}\n    on: failure\n  \
             - teams: {{url_file: secrets/teams}}\n  - webhook: {url}/hook/{SECRET}\n  \
             - command: [sh, -c, 'cat > got.json']\n    on: [success]\n"
        ),
    );
    let slack = format!("{url}/slack/{SECRET}");
    let file = "experiments/reviews/retrain.yaml";
    let told = project.run_with("SLACK", &slack, &["notify", file]).ok();
    assert_eq!(told.stdout.matches("sent").count(), 4, "{}", told.stdout);
    assert!(told.stderr.contains("1 address stands in `experiments/reviews/retrain.yaml`"), "{}", told.stderr);
    let requests = std::mem::take(&mut *seen.lock().unwrap());
    let body = |path: &str| &requests.iter().find(|(asked, _)| *asked == format!("/{path}/{SECRET}")).unwrap().1;
    assert_eq!(requests.len(), 3);
    assert_eq!(body("slack")["text"], "a test notice from mlops");
    assert_eq!(body("teams")["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(body("hook")["source"], "mlops");
    let got: Value = serde_json::from_str(&project.read("got.json")).unwrap();
    assert_eq!(got, *body("hook"), "a command reads what a webhook gets");
    // With an event only those that want it; the words are the caller's.
    let given = ["--json", "notify", file, "--event", "drift", "--title", "drift in reviews", "--model", "reviews"];
    let document = project.run_with("SLACK", &slack, &given).ok();
    assert!(!(document.stdout.clone() + &document.stderr).contains("verysecret"), "{document:?}");
    let document = document.json();
    assert_eq!(document["deliveries"].as_array().unwrap().len(), 2);
    assert_eq!(document["deliveries"][1]["to"], format!("{url}/…"));
    let requests = seen.lock().unwrap();
    assert!(requests.iter().any(|(_, body)| body["event"] == "drift" && body["title"] == "drift in reviews"));
    assert!(!project.path("experiments/tracking.db").exists());
}

#[test]
fn a_channel_that_refuses_is_told_without_its_secret() {
    let project = TestProject::new();
    let (url, seen) = server("404 Not Found");
    project.write(
        "notify.yaml",
        format!("- slack: {url}/{SECRET}\n- slack: ${{UNSET}}\n- teams: {{url_file: none}}\n- slack: ${{TOKEN}}\n"),
    );
    let told = project.run_with("TOKEN", "verysecret-without-address", &["notify", "notify.yaml"]).code(1);
    assert_eq!(seen.lock().unwrap().len(), 1, "404 is not tried again");
    for line in [
        "answered 404",
        "the environment variable `UNSET` is not set",
        "none` is not there",
        "this is no address that begins with `https://`",
    ] {
        assert!(told.stdout.contains(line), "{line} is not in {}", told.stdout);
    }
    assert!(!(told.stdout + &told.stderr).contains("verysecret"));
}

#[test]
fn a_wrong_file_is_refused_with_all_problems_and_no_secret() {
    let project = TestProject::new();
    project.write(
        "notify.yaml",
        format!("notify:\n  - slak: https://hooks.slack.com/{SECRET}\n    on: [sucess]\n  - slack: {SECRET}\n"),
    );
    let told = project.run(&["notify", "notify.yaml"]).code(2);
    assert!(!told.stderr.contains("verysecret") && !told.stderr.contains("T000"), "{}", told.stderr);
    let expected = "error: a channel needs one of `slack`, `teams`, `webhook`, `command`
 --> notify.yaml:2  notify[0]
  |
2 |   - slak: https://hooks.slack.com/…
  |
hint: {slack: \"${SLACK_WEBHOOK_URL}\", on: [failure]}

error: unknown key `slak`
 --> notify.yaml:2  notify[0].slak
  |
2 |   - slak: https://hooks.slack.com/…
  |
hint: did you mean `slack`?

error: `sucess` is not an event
 --> notify.yaml:3  notify[0].on[0]
  |
3 |     on: [sucess]
  |
hint: did you mean `success`?

error: this is no address that begins with `https://`
 --> notify.yaml:4  notify[1].slack
  |
4 |   - slack: …
  |
hint: ${SLACK_WEBHOOK_URL}

error: 4 problems in `notify.yaml`
";
    assert_eq!(told.stderr, expected);
    project.write("other.yaml", "model: reviews\n");
    assert!(project.run(&["notify", "other.yaml"]).code(2).stderr.contains("`other.yaml` has no `notify:`"));
    project.write("empty.yaml", "notify: []\n");
    assert!(project.run(&["notify", "empty.yaml"]).code(2).stderr.contains("names no channel"));
    project.run(&["notify", "none.yaml"]).code(2);
    project.run(&["notify", "empty.yaml", "--event", "drfit"]).code(2);
    // Editors know the file.
    let schema: Value = serde_json::from_str(&project.run(&["schema", "--config", "notify"]).ok().stdout).unwrap();
    assert_eq!(schema["anyOf"][1]["items"]["properties"]["on"]["anyOf"][0]["enum"][3], "drift");
}
