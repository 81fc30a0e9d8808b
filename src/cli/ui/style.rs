//! Colours, decided once: on a terminal, unless `NO_COLOR`, `TERM=dumb` or `--color never` say otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::global::Color;

static STDOUT: AtomicBool = AtomicBool::new(false);
static STDERR: AtomicBool = AtomicBool::new(false);

/// Decides whether to colour.
pub fn choose(color: Color) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wanted = |terminal: bool| match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !plain,
    };
    STDOUT.store(wanted(std::io::stdout().is_terminal()), Ordering::Relaxed);
    STDERR.store(wanted(std::io::stderr().is_terminal()), Ordering::Relaxed);
}

fn paint(on: &AtomicBool, code: &str, text: &str) -> String {
    if on.load(Ordering::Relaxed) { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Bold, for what matters.
pub fn bold(text: &str) -> String {
    paint(&STDOUT, "1", text)
}

/// Dim, for what explains.
pub fn dim(text: &str) -> String {
    paint(&STDOUT, "2", text)
}

/// Green, for yes.
pub fn good(text: &str) -> String {
    paint(&STDOUT, "32", text)
}

/// Red, for no.
pub fn bad(text: &str) -> String {
    paint(&STDOUT, "31", text)
}

/// Bold red, for what the reader should look at.
pub fn warning(text: &str) -> String {
    paint(&STDOUT, "1;31", text)
}

/// Bold red on stderr.
pub fn alarm(text: &str) -> String {
    paint(&STDERR, "1;31", text)
}

/// Bold on stderr.
pub fn remark(text: &str) -> String {
    paint(&STDERR, "1;36", text)
}
