//! README and the pages of `docs/` are true: every session that they show is run, and what they print must be what the
//! binary prints.
//!
//! A page starts in a fresh copy of the repository's data, configs and tiny sentence encoder. From top to bottom:
//! - ```` ```console ```` blocks are sessions: `$ ` begins a command, `> ` right below it continues it, the rest is its
//!   output (both streams). The working folder stays from command to command. Every command must exit with 0.
//! - ```` ```sh ```` blocks are commands, one a line, whose output is not shown. Lines that begin with `cargo` are not run.
//! - A block with `title=PATH` is written to that file.
//!
//! Outputs agree when they are equal but for run ids, moments, durations, the numbers of a latency, and progress, which
//! is printed only by a slow machine. A line `…` stands for any number of lines, and `…` within a line for any text.
//!
//! `MLOPS_WRITE_FIXTURES=1 cargo test --release --test it readme` writes outputs that no longer agree into the pages; read
//! the difference before it is kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::redact;

/// Every page with sessions. The others have none, which a test checks.
const PAGES: &[&str] =
    &["README.md", "docs/data.md", "docs/deciding.md", "docs/encoders.md", "docs/operating.md", "docs/ranking.md"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block.
struct Block {
    /// The first word after the fence.
    language: String,
    /// The file that it is written to.
    title: Option<String>,
    lines: Vec<String>,
    /// The place of its first line in the page.
    start: usize,
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut lines) = (Vec::new(), text.lines().enumerate());
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_owned();
        let title = words.find_map(|word| word.strip_prefix("title=")).map(str::to_owned);
        let inner = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        let lines = inner.map(str::to_owned).collect();
        found.push(Block { language, title, lines, start: at + 1 });
    }
    found
}

/// A command and the output that the page shows.
struct Step {
    command: String,
    output: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in &block.lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: Vec::new() }),
            (None, Some(step)) => match line.strip_prefix("> ").filter(|_| step.output.is_empty()) {
                Some(more) => step.command += &format!("\n{more}"),
                None => step.output.push(line.clone()),
            },
            (None, None) => panic!("a console block begins with `$ `, not with `{line}`"),
        }
    }
    steps
}

/// A shell in a copy of the repository.
struct Shell {
    root: tempfile::TempDir,
    folder: PathBuf,
}

impl Shell {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["data", "data/months", "data/ranking", "tests/fixtures/models/tiny-bert-mean"] {
            copy(folder, root.path(), &["csv", "db", "txt", "json", "safetensors"]);
        }
        copy("tests/fixtures/models/tiny-bert-mean/1_Pooling", root.path(), &["json"]);
        for entry in std::fs::read_dir(repository().join("experiments")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            copy(&format!("experiments/{name}"), root.path(), &["yaml", "sh"]);
        }
        for folder in [".bin", ".tmp"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mlops"), root.path().join(".bin/mlops")).unwrap();
        Self { folder: root.path().to_path_buf(), root }
    }

    /// Runs a command and gives the exit code and the lines of both streams.
    fn run(&mut self, command: &str) -> (Option<i32>, Vec<String>) {
        let state = self.root.path().join(".tmp/folder");
        let script = format!("exec 2>&1\n{command}\ncode=$?; pwd > '{}'; exit $code", state.display());
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(&self.folder).env_clear().stdin(std::process::Stdio::null());
        shell.env("PATH", format!("{}:{path}", self.root.path().join(".bin").display())).env("HOME", self.root.path());
        shell.env("TMPDIR", self.root.path().join(".tmp")).env("USER", "kim").env("NO_COLOR", "1");
        let output = shell.output().unwrap();
        self.folder = PathBuf::from(std::fs::read_to_string(&state).unwrap().trim_end());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.trim_end().lines().filter(|line| !is_progress(line)).map(str::to_owned);
        (output.status.code(), lines.collect())
    }
}

/// Whether a line is progress: `exporting …`, `Epoch 3/100: …`, `Tree 53/100: …`, `embedding: text 807 of 4968, …`.
fn is_progress(line: &str) -> bool {
    let counted = ["Epoch ", "Tree ", "embedding: text "].iter().any(|start| line.starts_with(start));
    counted || (line.ends_with(" …") && !line.contains("  "))
}

/// Copies the files with these endings from a folder of the repository, and none below it.
fn copy(folder: &str, to: &Path, endings: &[&str]) {
    let Ok(entries) = std::fs::read_dir(repository().join(folder)) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ending| endings.iter().any(|one| ending == *one)) {
            let target = to.join(folder).join(path.file_name().unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    // Punctuation would hide an id, a moment or a unit of time from `redact`.
    let apart: Vec<String> = line.split(' ').map(word).collect();
    let line = redact(&apart.join(" "));
    if line.contains("latency") { without_numbers(&line) } else { line }
}

/// The line with `#` in place of each number.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' | '.' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

fn word(word: &str) -> String {
    let bare = word.trim_end_matches([',', ';', ':', '.']);
    let is_moment = bare.len() == 20 && bare.starts_with("20") && bare.ends_with('Z') && bare.contains('T');
    let is_id = bare.len() == 8 && bare.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match (is_moment, is_id) {
        (true, _) => format!("<moment>{}", &word[bare.len()..]),
        (_, true) => format!("<run>{}", &word[bare.len()..]),
        _ => word.to_owned(),
    }
}

/// Whether the output is what the page shows.
fn agree(shown: &[String], output: &[String]) -> bool {
    match shown.split_first() {
        None => output.is_empty(),
        Some((line, rest)) if line == "…" => (0..=output.len()).any(|skipped| agree(rest, &output[skipped..])),
        Some((line, rest)) => {
            output.split_first().is_some_and(|(first, others)| is_alike(line, first) && agree(rest, others))
        }
    }
}

/// Whether a line is what the page shows; `…` stands for any text.
fn is_alike(shown: &str, line: &str) -> bool {
    if shown == line {
        return true;
    }
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return false };
    let Some(mut rest) = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// The lines without what differs from run to run, and without blank ones at the end.
fn comparable(lines: &[String]) -> Vec<String> {
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines[..end].iter().map(|line| plain(line)).collect()
}

/// What the page shows from now on: the lines that it showed, taken from this output, with the same elisions.
fn renewed(shown: &[String], output: &[String]) -> Vec<String> {
    let keep = |line: &String| {
        let same = shown.iter().find(|old| *old != "…" && is_alike(&plain(old), &plain(line)));
        same.unwrap_or(line).clone()
    };
    let parts: Vec<&[String]> = shown.split(|line| line == "…").collect();
    let (mut lines, mut next) = (Vec::new(), 0);
    for (index, part) in parts.iter().enumerate() {
        let word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        let first = part.first().map(|line| word(line)).unwrap_or_default();
        let rest = output.get(next..).unwrap_or_default();
        let start = match index {
            0 => 0,
            _ if index + 1 == parts.len() => output.len().saturating_sub(part.len()).max(next),
            _ => next + rest.iter().position(|line| word(line) == first).unwrap_or(0),
        };
        // Without an elision, the page shows everything.
        let end = if parts.len() == 1 { output.len() } else { (start + part.len()).min(output.len()) };
        if index > 0 {
            lines.push("…".to_owned());
        }
        lines.extend(output[start.min(end)..end].iter().map(keep));
        next = end;
    }
    lines
}

/// Runs a console block and gives its lines as they should be.
fn run_console(shell: &mut Shell, page: &str, block: &Block) -> Vec<String> {
    let write = std::env::var_os("MLOPS_WRITE_FIXTURES").is_some();
    let mut lines: Vec<String> = Vec::new();
    for Step { command, output: shown } in steps(block) {
        let (code, output) = shell.run(&command);
        let printed = output.join("\n");
        assert_eq!(code, Some(0), "{page}: `{command}` failed:\n{printed}");
        let (page_shows, prints) = (comparable(&shown), comparable(&output));
        let is_true = agree(&page_shows, &prints);
        assert!(
            is_true || write,
            "{page}: `{command}` prints\n\n{printed}\n\nIt is compared as\n\n{}\n\nand the page shows\n\n{}",
            prints.join("\n"),
            page_shows.join("\n")
        );
        lines.push(format!("$ {}", command.replace('\n', "\n> ")));
        lines.extend(if is_true { shown } else { renewed(&shown, &output) });
    }
    lines
}

fn is_true(page: &str) {
    let path = repository().join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut renewed: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut shell = Shell::new();
    let mut moved = 0_isize;
    for block in blocks(&text) {
        if let Some(title) = &block.title {
            let path = shell.folder.join(title);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, block.lines.join("\n") + "\n").unwrap();
        }
        match block.language.as_str() {
            "console" => {
                let lines = run_console(&mut shell, page, &block).join("\n");
                let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
                let start = block.start.checked_add_signed(moved).unwrap();
                moved += lines.len().cast_signed() - block.lines.len().cast_signed();
                renewed.splice(start..start + block.lines.len(), lines);
            }
            "sh" => {
                for command in block.lines.iter().filter(|line| !line.starts_with("cargo") && !line.trim().is_empty()) {
                    let (code, output) = shell.run(command);
                    assert_eq!(code, Some(0), "{page}: `{command}` failed:\n{}", output.join("\n"));
                }
            }
            _ => {}
        }
    }
    let renewed = renewed.join("\n") + "\n";
    if renewed != text {
        assert!(std::env::var_os("MLOPS_WRITE_FIXTURES").is_some(), "{page} does not end with a line feed");
        std::fs::write(path, renewed).unwrap();
    }
}

#[test]
fn readme_is_true() {
    is_true("README.md");
}

#[test]
fn the_page_on_data_is_true() {
    is_true("docs/data.md");
}

#[test]
fn the_page_on_deciding_is_true() {
    is_true("docs/deciding.md");
}

#[test]
fn the_page_on_encoders_is_true() {
    is_true("docs/encoders.md");
}

#[test]
fn the_page_on_operating_is_true() {
    is_true("docs/operating.md");
}

#[test]
fn the_page_on_ranking_is_true() {
    is_true("docs/ranking.md");
}

/// Every Markdown page of the project, by its path from the root.
fn pages() -> BTreeSet<String> {
    let root = repository();
    let mut found = BTreeSet::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn every_page_with_a_session_is_run() {
    for page in pages() {
        let text = std::fs::read_to_string(repository().join(&page)).unwrap();
        let has_session = blocks(&text).iter().any(|block| ["console", "sh"].contains(&block.language.as_str()));
        let is_guide = page == "CONTRIBUTING.md";
        assert_eq!(has_session && !is_guide, PAGES.contains(&page.as_str()), "{page}");
    }
}

/// The part of a Markdown link in brackets, for every link to a file of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.contains(' '))
}

/// The anchors that GitHub and mdBook give the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|one| one.is_alphanumeric() || [' ', '-', '_'].contains(one));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = repository();
    for page in pages() {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = root.join(&page).parent().unwrap().join(path);
            let target = if path.is_empty() { root.join(&page) } else { target };
            assert!(target.exists(), "{page}: {link}");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(target).unwrap();
                assert!(anchors(&there).contains(anchor), "{page}: {link}");
            }
        }
    }
}

#[test]
fn every_page_is_in_the_book() {
    let summary = std::fs::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<String> = links(&summary).map(|link| format!("docs/{link}")).collect();
    let of_docs = pages().into_iter().filter(|page| page.starts_with("docs/") && page != "docs/SUMMARY.md");
    assert_eq!(of_docs.collect::<BTreeSet<_>>(), listed);
}

#[test]
fn elisions_stand_for_anything() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(is_progress("exporting …") && is_progress("Tree 53/100: val_ndcg@10=0.784"));
    assert!(!is_progress("exit code 3") && !is_progress("lost  1  a text …"));
    assert!(agree(&lines("a\n…\nd"), &lines("a\nb\nc\nd")));
    assert!(agree(&lines("a\n…"), &lines("a")));
    assert!(!agree(&lines("a\n…\nd"), &lines("a\nb")));
    assert!(!agree(&lines("a"), &lines("a\nb")));
    let (shown, output) = (lines("a 1\n…\nc 3\nd 4"), lines("a 1\nb 2\nc 5\nd 4"));
    assert_eq!(renewed(&shown, &output), lines("a 1\n…\nc 5\nd 4"));
    assert_eq!(renewed(&lines("a\nb"), &lines("a\nx\ny")), lines("a\nx\ny"));
    assert!(is_alike("speed … texts, … s", "speed 12 texts, 3 s"));
    assert!(!is_alike("speed … texts, … s", "speed 12 words, 3 s"));
    assert_eq!(plain("from 112ac036 to 7d0368f3: made 2026-12-01T04:06:50Z"), "from <run> to <run>: made <moment>");
    assert_eq!(plain("gate  latency  1.25  yes"), "gate  latency  #  yes");
}
