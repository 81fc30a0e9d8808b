//! Errors as a person reads them (on stderr), or as one JSON document (on stdout).

use std::fmt::Write as _;
use std::io::Write as _;

use super::output::print as print_out;
use super::style::{alarm, remark};
use crate::error::{Error, Problem};

/// Writes text to stderr.
pub fn say(text: &str) {
    // When stderr is closed there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints an error.
fn print_error(error: &Error) {
    let mut text = String::new();
    for problem in &error.problems {
        render(&mut text, problem);
    }
    let _ = writeln!(text, "{} {}", alarm("error:"), error.message);
    for cause in error.causes() {
        let _ = writeln!(text, "  because: {cause}");
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "{} {hint}", remark("hint:"));
    }
    say(&text);
}

/// One problem of a file, with its line.
fn render(text: &mut String, problem: &Problem) {
    let _ = writeln!(text, "{} {}", alarm("error:"), problem.message);
    if problem.line == 0 {
        let _ = writeln!(text, "{}", format!("  --> {} (or --set)  {}", problem.file, problem.path).trim_end());
    } else {
        let number = problem.line.to_string();
        let margin = " ".repeat(number.len());
        let _ =
            writeln!(text, "{}", format!("{margin}--> {}:{}  {}", problem.file, problem.line, problem.path).trim_end());
        let _ = writeln!(
            text,
            "{margin} |\n{number} | {}\n{margin} |",
            problem.snippet.trim_end().chars().take(160).collect::<String>()
        );
    }
    if let Some(hint) = &problem.hint {
        let _ = writeln!(text, "{} {hint}", remark("hint:"));
    }
    text.push('\n');
}

/// Prints something that the user should know, on stderr.
pub fn note(text: &str) {
    say(&format!("{} {text}\n", remark("note:")));
}

/// Prints a warning, on stderr.
pub fn warning(text: &str) {
    say(&format!("{} {text}\n", alarm("warning:")));
}

/// Prints an error: text on stderr, or one JSON document on stdout.
pub fn print(error: &Error, json: bool) {
    if !json {
        print_error(error);
        return;
    }
    let problems: Vec<serde_json::Value> = error
        .problems
        .iter()
        .map(|problem| {
            serde_json::json!({
                "message": problem.message, "file": problem.file, "line": problem.line, "column": problem.column,
                "path": problem.path, "hint": problem.hint,
            })
        })
        .collect();
    let mut body = serde_json::json!({
        "code": error.kind.code(), "message": error.message, "hint": error.hint, "causes": error.causes(),
    });
    if !problems.is_empty() {
        body["problems"] = problems.into();
    }
    let document = serde_json::json!({"format_version": 1, "error": body});
    print_out(&(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"));
}
