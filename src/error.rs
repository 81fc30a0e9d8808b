//! The one error type: a kind (which door-keepers turn into an exit code), a message, a hint, a cause.
//!
//! Messages are lowercase fragments without a full stop; they name the thing in backticks. What to do about it goes
//! in the hint. A config file may be wrong in many places at once: then `problems` holds them all.

use std::fmt;
use std::path::Path;

/// What went wrong, as a script needs to know it. Each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Disk, network, a damaged file, a bug: exit 1.
    Failed,
    /// The request is wrong (usage, config, data that does not fit): exit 2.
    Invalid,
    /// The answer is no (a gate refused, not enough data): exit 3.
    Refused,
    /// No such run, experiment, model or version: exit 4.
    NotFound,
    /// The interval crosses the margin: exit 5.
    Inconclusive,
    /// Someone else holds the lock: exit 75 (`EX_TEMPFAIL`).
    Busy,
    /// Interrupted by the user; what was written is whole: exit 130.
    Interrupted,
}

impl ErrorKind {
    /// The process exit code of this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Inconclusive => 5,
            Self::Busy => 75,
            Self::Interrupted => 130,
        }
    }

    /// The stable name of this kind in JSON output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Inconclusive => "inconclusive",
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One mistake in a file that a person wrote, with the place and the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The file's path as the user gave it.
    pub file: String,
    /// Line, from 1; 0 when the problem belongs to the whole file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key path, such as `evaluation.metrics[2]`.
    pub path: String,
    /// The text of that line.
    pub snippet: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What an error is about, for code that reacts to it. Messages are for people; no code reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The file is of a format that a newer build wrote.
    NewerFormat,
    /// The data has no column of this name.
    MissingColumn(String),
    /// The source gave no rows.
    NoRows,
    /// The rows are not of the form that is needed: a cell, a type or a width is wrong.
    InvalidRows,
    /// A query is at fault.
    InQuery {
        /// Its position, from 0.
        query: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The two sides of a comparison have nothing that can be compared.
    NotComparable,
    /// The version has no golden rows, on which it could be asked.
    NoGoldenRows,
    /// The model has no form as an ONNX file.
    NotExportable,
    /// The exported file gives other answers than the model.
    FileDiffers,
    /// No run has a value of the metric.
    NoValue,
    /// It is not known whether a higher or a lower value of the metric is better.
    NoDirection,
}

/// An error of `mlops`.
#[derive(Debug)]
pub struct Error {
    /// The kind, and with it the exit code.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// All problems of a config file; empty for other errors.
    pub problems: Vec<Problem>,
    /// What the error is about, where a caller reacts to it. Boxed, because few errors have one.
    cause: Option<Box<Cause>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, problems: Vec::new(), cause: None, source: None }
    }

    /// A failure: disk, network, a damaged file.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// A wrong request: usage, config, data.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Rows that are not of the form that is needed.
    pub fn invalid_rows(message: impl Into<String>) -> Self {
        Self::invalid(message).because(Cause::InvalidRows)
    }

    /// The answer is no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Something that was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A lock is held by another process.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    /// The user interrupted the work.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted")
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says what the error is about, for callers that react to it.
    #[must_use]
    pub fn because(mut self, cause: Cause) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// What the error is about, where its raiser said so.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// Whether the rows are at fault: there are none, they lack a column, or they are not of the form that is needed.
    /// Whoever asks a model about foreign rows says then that it cannot answer them; every other error is handed on.
    #[must_use]
    pub fn blames_rows(&self) -> bool {
        use Cause::{InQuery, InvalidRows, MissingColumn, NoRows};
        matches!(self.cause(), Some(InvalidRows | NoRows | MissingColumn(_) | InQuery { .. }))
    }

    /// Whether a name means nothing here, so that it may be the name of something else. A damaged file or a database
    /// that is busy says nothing about the name, and is handed on.
    #[must_use]
    pub fn is_unknown_name(&self) -> bool {
        matches!(self.kind, ErrorKind::NotFound | ErrorKind::Invalid)
    }

    /// Puts the path of the file that the error is about before the message.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        self.message = format!("`{}`: {}", path.display(), self.message);
        self
    }

    /// Adds the list of a config's problems.
    #[must_use]
    pub fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems = problems;
        self
    }

    /// The message and its causes in one line.
    #[must_use]
    pub fn with_causes(&self) -> String {
        [vec![self.message.clone()], self.causes()].concat().join(": ")
    }

    /// The chain of causes, outermost first, as text.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some libraries repeat a cause with a code before it.
            if !causes.last().is_some_and(|last: &String| text.ends_with(last.as_str())) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Adds "what we were doing" to a foreign error.
pub trait Context<T> {
    /// Turns a foreign error into a failure with this message; the foreign error becomes the cause.
    ///
    /// # Errors
    /// The error, when there is one.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::failed(message()).caused_by(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_blamed_by_cause_and_never_by_kind() {
        let of = |cause: Cause| Error::invalid("x").because(cause).blames_rows();
        assert!(Error::invalid_rows("x").blames_rows() && of(Cause::NoRows) && of(Cause::MissingColumn("a".into())));
        assert!(of(Cause::InQuery { query: 0, what: "the score is NaN".into() }));
        assert!(!Error::invalid("`max_length` is 2, expected at least 3").blames_rows());
        assert!(!of(Cause::NotComparable) && !Error::failed("x").blames_rows());
    }

    #[test]
    fn only_a_name_that_means_nothing_is_looked_for_elsewhere() {
        assert!(Error::not_found("x").is_unknown_name() && Error::invalid("x").is_unknown_name());
        let others = [Error::failed("x"), Error::busy("x"), Error::interrupted(), Error::refused("x")];
        assert!(!others.iter().any(Error::is_unknown_name));
    }

    #[test]
    fn the_path_stands_before_the_message() {
        let error = Error::failed("cannot shape column `embedding`").in_file(Path::new("out/v.parquet"));
        assert_eq!(error.message, "`out/v.parquet`: cannot shape column `embedding`");
    }
}
