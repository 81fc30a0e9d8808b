//! What can go wrong within a transaction. SQLite's errors do not say of which file they are: the verbs hand them on
//! as they are, and `Tracker`, who knows its file, turns them into errors with its path.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, Result};

/// What a verb of the tracking database stumbled over.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite's own error.
    Database(rusqlite::Error),
    /// The file holds what no build writes there.
    Damaged(Box<dyn std::error::Error + Send + Sync>),
    /// What the verb itself has to say.
    Verb(Error),
}

/// The result of what runs within a transaction.
pub(super) type QueryResult<T, E = Failure> = Result<T, E>;

impl From<rusqlite::Error> for Failure {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Database(cause)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Verb(error)
    }
}

impl Failure {
    /// What was read from the file cannot be what was written.
    pub(super) fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Damaged(cause.into())
    }

    /// The error, with the path of the tracking database where it is SQLite's.
    pub(super) fn at(self, path: &Path) -> Error {
        let failed = |what: &str| Error::failed(format!("the tracking database {what}: `{}`", path.display()));
        let damaged =
            || failed("is damaged").hint("restore it from a backup; `sqlite3 FILE .recover` saves what can be read");
        let cause = match self {
            Self::Verb(error) => return error,
            Self::Damaged(cause) => return damaged().caused_by(cause),
            Self::Database(cause) => cause,
        };
        let error = match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::busy(format!("the tracking database is held by another process: `{}`", path.display()))
                    .hint("try again in a moment")
            }
            Some(ErrorCode::NotADatabase) => failed("is not an SQLite file")
                .hint("give the path of a tracking database, or restore it from a backup"),
            Some(ErrorCode::DatabaseCorrupt) => damaged(),
            Some(ErrorCode::CannotOpen) => failed("cannot be opened")
                .hint("may its folder be written to? on a read-only disk only commands that read work"),
            Some(ErrorCode::DiskFull) => {
                Error::failed(format!("no space is left for the tracking database: `{}`", path.display()))
            }
            Some(ErrorCode::ReadOnly) => {
                failed("cannot be written to").hint("it was opened for reading, or the file or its folder is read-only")
            }
            _ => failed("failed"),
        };
        error.caused_by(cause)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_error_of_sqlite_names_the_file() {
        let of = |code| {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = Failure::from(cause).at(Path::new("/p/mlops.db"));
            (error.kind, error.message)
        };
        let failed = |what: &str| (ErrorKind::Failed, format!("the tracking database {what}: `/p/mlops.db`"));
        let busy = (ErrorKind::Busy, "the tracking database is held by another process: `/p/mlops.db`".to_owned());
        assert_eq!((of(ffi::SQLITE_BUSY), of(ffi::SQLITE_LOCKED)), (busy.clone(), busy));
        assert_eq!(of(ffi::SQLITE_NOTADB), failed("is not an SQLite file"));
        assert_eq!(of(ffi::SQLITE_CORRUPT), failed("is damaged"));
        assert_eq!(of(ffi::SQLITE_CANTOPEN), failed("cannot be opened"));
        assert_eq!(of(ffi::SQLITE_READONLY), failed("cannot be written to"));
        assert_eq!(of(ffi::SQLITE_IOERR), failed("failed"));
        assert_eq!(of(ffi::SQLITE_FULL).1, "no space is left for the tracking database: `/p/mlops.db`");
    }

    #[test]
    fn what_cannot_be_read_is_damage_of_this_file() {
        let error = Failure::damaged("expected value at line 1").at(Path::new("/p/mlops.db"));
        assert_eq!(error.with_causes(), "the tracking database is damaged: `/p/mlops.db`: expected value at line 1");
        assert!(error.hint.is_some_and(|hint| hint.contains("backup")));
    }

    #[test]
    fn what_a_verb_says_is_handed_on() {
        let error = Failure::from(Error::not_found("there is no run `x`")).at(Path::new("/p/mlops.db"));
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, "there is no run `x`"));
    }
}
