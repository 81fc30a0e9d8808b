//! SQLite databases: a query, or the only table. Read in one read-only transaction, row by row.

use std::borrow::Cow;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::piece::{Builder, Cell, Piece, Slot, slots};
use super::source::{Request, Source, has_extension};
use super::sqlite_column::quoted;
use crate::catalog::Named;
use crate::data::content::Content;
use crate::data::table::{Table, no_such_column};
use crate::error::{Context, Error, Result};

/// SQLite databases.
pub struct Sqlite;

impl Named for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn about(&self) -> &'static str {
        "a SQLite database with `query:` (.db, .sqlite, .sqlite3)"
    }
}

fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).context(|| format!("cannot open the database `{}`", path.display()))
}

/// The query, or one that reads the only table.
fn query_of(connection: &Connection, path: &Path, query: Option<&str>) -> Result<String> {
    if let Some(query) = query {
        return Ok(query.to_owned());
    }
    let list =
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(list).map_err(|cause| wrong_query(path, cause))?;
    let tables: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(|cause| wrong_query(path, cause))?;
    match tables.as_slice() {
        [only] => Ok(format!("SELECT * FROM {}", quoted(only))),
        _ => Err(Error::invalid(format!("`{}` has {} tables: which one?", path.display(), tables.len()))
            .hint(format!("add `query: SELECT … FROM …` under `data`; the tables are {}", tables.join(", ")))),
    }
}

fn wrong_query(path: &Path, cause: rusqlite::Error) -> Error {
    let path = path.display();
    let error = match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            Error::busy(format!("the database `{path}` is held by another process")).hint("try again in a moment")
        }
        Some(rusqlite::ErrorCode::NotADatabase) => Error::invalid(format!("`{path}` is not a SQLite database")),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => Error::failed(format!("the database `{path}` is damaged")),
        _ => Error::invalid(format!("the query does not run on `{path}`")),
    };
    error.caused_by(cause)
}

fn cell(value: ValueRef<'_>, slot: Slot, row: usize) -> Result<Cell<'_>> {
    let not_text = |_| Error::invalid_rows(format!("row {row}: a text of the database is not UTF-8"));
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Text(Cow::Owned(number.to_string())),
        ValueRef::Real(number) => Cell::Text(Cow::Owned(number.to_string())),
        ValueRef::Text(text) => Cell::Text(Cow::Borrowed(std::str::from_utf8(text).map_err(not_text)?)),
        // A blob in a vector column is little-endian f32, as NumPy's tobytes() writes it.
        ValueRef::Blob(bytes) if matches!(slot, Slot::Embedding) && bytes.len() % 4 == 0 => {
            Cell::Numbers(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
        }
        ValueRef::Blob(bytes) => Cell::Text(Cow::Borrowed(std::str::from_utf8(bytes).map_err(not_text)?)),
    })
}

impl Source for Sqlite {
    fn reads(&self, path: &Path) -> bool {
        has_extension(path, &[".db", ".sqlite", ".sqlite3"])
    }

    fn columns(&self, content: Content<'_>, query: Option<&str>) -> Result<Vec<String>> {
        let path = content.file()?;
        let connection = open(path)?;
        let query = query_of(&connection, path, query)?;
        let statement = connection.prepare(&query).map_err(|cause| wrong_query(path, cause))?;
        Ok(statement.column_names().map(str::to_owned).collect())
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        let path = content.file()?;
        let name = path.display().to_string();
        let connection = open(path)?;
        let query = query_of(&connection, path, request.query.as_deref())?;
        let mut statement = connection.prepare(&query).map_err(|cause| wrong_query(path, cause))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let request = &*request.of_columns(&name, &columns)?;
        let slots = slots(request);
        let indices = slots.iter().map(|(wanted, _)| {
            let found = columns.iter().position(|column| column == wanted);
            found.ok_or_else(|| no_such_column(&name, wanted, &columns))
        });
        let indices = indices.collect::<Result<Vec<usize>>>()?;
        let mut builder = Builder::new(&name, request);
        let mut piece = Piece::new(request, 1, None);
        let mut rows = statement.query([]).map_err(|cause| wrong_query(path, cause))?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(|cause| wrong_query(path, cause))? {
            number += 1;
            piece.push_row(&name, &slots, |slot| {
                let value = row.get_ref(indices[slot]).map_err(|cause| wrong_query(path, cause))?;
                cell(value, slots[slot].1, number)
            })?;
            if number % 1024 == 0 {
                builder.append(piece)?;
                piece = Piece::new(request, number + 1, builder.width());
            }
        }
        builder.append(piece)?;
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_error_names_the_database_of_the_user() {
        let of = |code| {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = wrong_query(Path::new("data/app.db"), cause);
            (error.kind, error.message)
        };
        let busy = (ErrorKind::Busy, "the database `data/app.db` is held by another process".to_owned());
        assert_eq!((of(ffi::SQLITE_BUSY), of(ffi::SQLITE_LOCKED)), (busy.clone(), busy));
        let damaged = (ErrorKind::Failed, "the database `data/app.db` is damaged".to_owned());
        assert_eq!(of(ffi::SQLITE_CORRUPT), damaged);
        let other = (ErrorKind::Invalid, "`data/app.db` is not a SQLite database".to_owned());
        assert_eq!(of(ffi::SQLITE_NOTADB), other);
        let wrong = (ErrorKind::Invalid, "the query does not run on `data/app.db`".to_owned());
        assert_eq!(of(ffi::SQLITE_ERROR), wrong);
    }
}
