//! A program that is given the notice: as JSON on stdin, and its main words as `MLOPS_EVENT`, `MLOPS_MODEL`,
//! `MLOPS_TITLE`, `MLOPS_SUMMARY` and `MLOPS_AT` in its environment, so that a line of shell is enough.
//!
//! It runs in the project's root, in a process group of its own. When its time is over the whole group is killed, so that
//! what it has started does not stay. Exit code 0 is success, 75 (try later) is tried again, any other is the end; the
//! last words on stderr come into the error. A program that does not read its stdin is fine.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::channel::{Channel, Setback};
use super::notice::Notice;

/// Bytes of stderr that are kept.
const KEPT: usize = 400;
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How long the last words of a program that has ended may take to arrive: a grandchild may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A program.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program and its arguments; a path with a `/` is relative to `root`.
    pub words: Vec<String>,
    /// Where it runs: the project's root, absolute.
    pub root: PathBuf,
}

impl Channel for Command {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn place(&self) -> String {
        // Arguments may hold a token; the program's name does not.
        self.words.first().cloned().unwrap_or_default()
    }

    fn say(&self, notice: &Notice, limit: Duration) -> Result<(), Setback> {
        let begun = Instant::now();
        let mut child = self.start(notice)?;
        let input = notice.json().to_string() + "\n";
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&said);
        let listening = std::thread::spawn(move || {
            let mut block = [0; 1024];
            let Some(mut pipe) = stderr else { return };
            while let Some(count) = pipe.read(&mut block).ok().filter(|count| *count > 0) {
                let mut said = kept.lock().expect("not poisoned");
                said.extend_from_slice(&block[..count]);
                let over = said.len().saturating_sub(KEPT);
                said.drain(..over);
            }
        });
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if begun.elapsed() < limit => std::thread::sleep(LOOK),
                Ok(None) => {
                    end_group(&mut child);
                    return Err(Setback::passing(format!("ran longer than {} s and was killed", limit.as_secs_f64())));
                }
                Err(cause) => return Err(Setback::passing(format!("cannot be waited for: {cause}"))),
            }
        };
        if status.success() {
            return Ok(());
        }
        let ended = Instant::now();
        while !listening.is_finished() && ended.elapsed() < LAST_WORDS {
            std::thread::sleep(LOOK);
        }
        let said = String::from_utf8_lossy(&said.lock().expect("not poisoned")).into_owned();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("ended by signal {}", signal.unwrap_or_default()),
        };
        let message =
            format!("{how}{}{}", if said.is_empty() { "" } else { ": " }, crate::text::without_secrets(&said));
        Err(if status.code() == Some(75) { Setback::passing(message) } else { Setback::lasting(message) })
    }
}

impl Command {
    fn start(&self, notice: &Notice) -> Result<Child, Setback> {
        let [program, arguments @ ..] = self.words.as_slice() else { return Err(Setback::lasting("names no program")) };
        // The environment cannot hold a null character.
        let text = |text: &str| text.replace('\0', "");
        let program = if program.contains('/') { self.root.join(program) } else { PathBuf::from(program) };
        std::process::Command::new(program)
            .args(arguments)
            .current_dir(&self.root)
            .env("MLOPS_EVENT", notice.event.name())
            .env("MLOPS_MODEL", text(&notice.model))
            .env("MLOPS_TITLE", text(&notice.title))
            .env("MLOPS_SUMMARY", text(&notice.summary))
            .env("MLOPS_AT", notice.time())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|cause| Setback::lasting(format!("cannot be started: {cause}")))
    }
}

/// Ends the process group of a child. The child has not been waited for, so its number still means this group.
pub fn end_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    // std has no call for a group; `kill` of every POSIX shell is built in.
    let told = std::process::Command::new("/bin/sh")
        .args(["-c", "kill -s KILL -- \"$1\"", "sh", &group])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !told.is_ok_and(|status| status.success()) {
        let _ = child.kill();
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::super::{Again, Event};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn notice() -> Notice {
        Notice {
            event: Event::Drift,
            title: "drift in 'reviews' $HOME\n한글".into(),
            summary: "a\0b".into(),
            facts: vec![("rows".into(), "1,000".into())],
            model: "합격 예측".into(),
            at_ms: 1_793_502_729_000,
        }
    }

    fn shell(folder: &std::path::Path, script: &str) -> Command {
        Command { words: ["sh", "-c", script].map(str::to_owned).to_vec(), root: folder.to_path_buf() }
    }

    #[test]
    fn the_notice_is_on_stdin_and_in_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"cat > notice.json; printf '%s|%s|%s|%s|%s' "$MLOPS_EVENT" "$MLOPS_MODEL" "$MLOPS_TITLE" "$MLOPS_SUMMARY" "$MLOPS_AT" > words"#;
        shell(folder.path(), script).say(&notice(), LIMIT).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&read("notice.json")).unwrap(), notice().json());
        assert_eq!(read("words"), "drift|합격 예측|drift in 'reviews' $HOME\n한글|ab|2026-11-01T03:12:09Z");
        // A program of the project, and one that does not read a notice larger than the pipe.
        std::fs::write(folder.path().join("tell.sh"), "#!/bin/sh\nexit 0\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path().join("tell.sh"), mode).unwrap();
        let large = Notice { summary: "x".repeat(1_000_000), ..notice() };
        let own = Command { words: vec!["./tell.sh".into()], root: folder.path().to_path_buf() };
        // The environment of a process is limited: such a notice is refused before it starts, and told.
        assert!(own.say(&large, LIMIT).unwrap_err().message.starts_with("cannot be started"));
        let facts = (0..5000).map(|at| (format!("fact {at}"), "x".repeat(100))).collect();
        own.say(&Notice { facts, ..notice() }, LIMIT).unwrap();
    }

    #[test]
    fn how_a_program_ends_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (script, message, again) in [
            ("echo no route >&2; exit 4", "exit code 4: no route", Again::Never),
            ("exit 75", "exit code 75", Again::Later),
            ("kill -TERM $$", "ended by signal 15", Again::Never),
            (
                "echo POST https://a.b/verysecret failed >&2; exit 1",
                "exit code 1: POST https://a.b/… failed",
                Again::Never,
            ),
        ] {
            let setback = shell(folder.path(), script).say(&notice(), LIMIT).unwrap_err();
            assert_eq!((setback.message.as_str(), setback.again), (message, again));
        }
        for words in [vec![], vec!["/no/such/program".to_owned()], vec!["no-such-program".to_owned()]] {
            let command = Command { words, root: folder.path().to_path_buf() };
            assert_eq!(command.say(&notice(), LIMIT).unwrap_err().again, Again::Never);
        }
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 600 & echo $! > child; echo $$ > parent; wait";
        let begun = Instant::now();
        let setback = shell(folder.path(), script).say(&notice(), Duration::from_millis(500)).unwrap_err();
        assert_eq!(setback.message, "ran longer than 0.5 s and was killed");
        for name in ["child", "parent"] {
            let pid = std::fs::read_to_string(folder.path().join(name)).unwrap();
            let gone = || {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
                // A killed grandchild may wait for its new parent to notice.
                stat.is_empty() || stat.rsplit(')').next().unwrap().trim().starts_with('Z')
            };
            while !gone() && begun.elapsed() < LIMIT {
                std::thread::sleep(LOOK);
            }
            assert!(gone(), "{name} {pid} lives");
        }
    }
}
