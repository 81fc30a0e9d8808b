//! Vectors back into the SQLite table that the texts came from: one transaction, each row by its id, all or nothing.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use ndarray::{ArrayView2, Axis};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::catalog::known_hint;
use crate::data::vector_files::vector_text;
use crate::error::{Context, Error, Result};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where vectors go: `letters.embedding_array`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The table.
    pub table: String,
    /// The text column, added where it is not there yet.
    pub column: String,
}

impl Target {
    /// Reads `TABLE.COLUMN`.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('.') {
            Some((table, column)) if !table.is_empty() && !column.is_empty() => {
                Ok(Self { table: table.to_owned(), column: column.to_owned() })
            }
            _ => Err(Error::invalid(format!("`{text}` is not TABLE.COLUMN")).hint("letters.embedding_array")),
        }
    }
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
    }
}

/// The row number of each id, for a table where every id that is asked for stands once.
fn rows_by_id(
    connection: &Connection,
    path: &Path,
    (table, id_column): (&str, &str),
    ids: &[String],
) -> Result<Vec<i64>> {
    let sql = format!("SELECT rowid, {} FROM {}", quoted(id_column), quoted(table));
    let wrong =
        || format!("the rows of table `{table}` cannot be found by `{id_column}` in the database `{}`", path.display());
    let mut statement = connection.prepare(&sql).context(wrong)?;
    let mut found: HashMap<String, (i64, usize)> = HashMap::new();
    let mut rows = statement.query([]).context(wrong)?;
    while let Some(row) = rows.next().context(wrong)? {
        if let Some(id) = text_of(row.get(1).context(wrong)?) {
            let number = row.get(0).context(wrong)?;
            found.entry(id).and_modify(|(_, times)| *times += 1).or_insert((number, 1));
        }
    }
    let row = |id: &String| match found.get(id) {
        Some((number, 1)) => Ok(*number),
        Some((_, times)) => {
            Err(Error::invalid(format!("table `{table}` has {times} rows with `{id_column}` = `{id}`"))
                .hint("`--id-column` must name a column that is unique"))
        }
        None => Err(Error::invalid(format!("table `{table}` has no row with `{id_column}` = `{id}`"))),
    };
    ids.iter().map(row).collect()
}

/// Looks, before anything is computed, whether these rows could be written.
///
/// # Errors
/// `Invalid` when table, column or ids do not fit.
pub fn check(path: &Path, target: &Target, id_column: &str, ids: &[String]) -> Result<()> {
    let cannot = || format!("cannot read the database `{}`", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).context(cannot)?;
    let columns = check_table(&connection, path, &target.table, id_column)?;
    if columns.iter().any(|name| name.eq_ignore_ascii_case(&target.column)) {
        check_column(&connection, path, target)?;
    }
    let mut seen = HashSet::new();
    if let Some(twice) = ids.iter().find(|id| !seen.insert(id.as_str())) {
        return Err(Error::invalid(format!("the rows have `{id_column}` = `{twice}` twice"))
            .hint("each row of the table gets one vector: the query must give each id once"));
    }
    rows_by_id(&connection, path, (&target.table, id_column), ids).map(drop)
}

/// Refuses to replace what is no vector: labels, texts and keys are not written over.
fn check_column(connection: &Connection, path: &Path, target: &Target) -> Result<()> {
    let Target { table, column } = target;
    let wrong = || format!("cannot read column `{column}` of table `{table}` in the database `{}`", path.display());
    let sql = format!("SELECT {0} FROM {1} WHERE {0} IS NOT NULL LIMIT 1000", quoted(column), quoted(table));
    let mut statement = connection.prepare(&sql).context(wrong)?;
    let mut rows = statement.query([]).context(wrong)?;
    while let Some(row) = rows.next().context(wrong)? {
        // A blob has no text: it may be anything, and is not written over.
        let text = text_of(row.get(0).context(wrong)?);
        let is_blob = text.is_none();
        let text = text.unwrap_or_default();
        let mut numbers = text.trim_matches(['[', ']']).split(',').map(|number| number.trim().parse::<f32>());
        let is_vector = (text.is_empty() && !is_blob) || (text.contains(',') && numbers.all(|number| number.is_ok()));
        if !is_vector {
            let start: String = text.chars().take(40).collect();
            return Err(Error::invalid(format!(
                "column `{column}` of table `{table}` holds something else than vectors"
            ))
            .hint(format!("it has `{start}`; a column that is not there yet is added")));
        }
    }
    Ok(())
}

/// The columns of a table whose rows can be found by this column.
fn check_table(connection: &Connection, path: &Path, table: &str, id_column: &str) -> Result<Vec<String>> {
    let columns = columns_of(connection, path, table)?;
    if columns.is_empty() {
        return Err(Error::invalid(format!("`{}` has no table `{table}`", path.display())));
    }
    if !columns.iter().any(|name| name.eq_ignore_ascii_case(id_column)) {
        return Err(Error::invalid(format!("table `{table}` has no column `{id_column}`"))
            .hint(known_hint(id_column, columns.iter().map(String::as_str).collect::<Vec<_>>())));
    }
    if connection.prepare(&format!("SELECT rowid FROM {}", quoted(table))).is_err() {
        return Err(Error::invalid(format!("`{table}` is a view, or a table WITHOUT ROWID: it cannot be written"))
            .hint("write a file with `--output`, and load it"));
    }
    Ok(columns)
}

/// Writes one vector a row as text, `0.1,-0.25,…`, in one transaction; gives the number of rows.
///
/// # Errors
/// `Invalid` when table or ids do not fit, `Busy` when another process writes, `Failed` when the disk refuses; nothing is
/// changed then.
pub fn write_vectors(
    path: &Path,
    target: &Target,
    id_column: &str,
    ids: &[String],
    vectors: ArrayView2<'_, f32>,
) -> Result<usize> {
    let Target { table, column } = target;
    let failed = || format!("cannot write into the database `{}`", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).context(failed)?;
    connection.busy_timeout(PATIENCE).context(failed)?;
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|cause| {
        match cause.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Error::busy(format!("another process writes into `{}`", path.display())).caused_by(cause)
            }
            _ => Error::failed(failed()).caused_by(cause),
        }
    })?;
    let columns = check_table(&change, path, table, id_column)?;
    let rows = rows_by_id(&change, path, (table, id_column), ids)?;
    if !columns.iter().any(|name| name.eq_ignore_ascii_case(column)) {
        change
            .execute(&format!("ALTER TABLE {} ADD COLUMN {} TEXT", quoted(table), quoted(column)), [])
            .context(failed)?;
    }
    let sql = format!("UPDATE {} SET {} = ?1 WHERE rowid = ?2", quoted(table), quoted(column));
    let mut update = change.prepare(&sql).context(failed)?;
    for (vector, row) in vectors.axis_iter(Axis(0)).zip(&rows) {
        update.execute(params![vector_text(vector), row]).context(failed)?;
    }
    drop(update);
    change.commit().context(failed)?;
    Ok(rows.len())
}

fn columns_of(connection: &Connection, path: &Path, table: &str) -> Result<Vec<String>> {
    let wrong = || format!("cannot read the columns of table `{table}` in the database `{}`", path.display());
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").context(wrong)?;
    statement.query_map([table], |row| row.get(0)).and_then(Iterator::collect).context(wrong)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn database() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE letters (id INTEGER PRIMARY KEY, text TEXT, twin TEXT);
                INSERT INTO letters VALUES (7, 'a', 'x'), (3, 'b', 'x'), (5, NULL, 'y');",
            )
            .unwrap();
        (folder, path)
    }

    fn stored(path: &Path) -> Vec<Option<String>> {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT embedding_array FROM letters ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn vectors_find_their_rows_and_a_second_time_replaces_them() {
        let (_folder, path) = database();
        let target = Target::parse("letters.embedding_array").unwrap();
        let ids = ["3".to_owned(), "7".to_owned()];
        let write = |vectors| write_vectors(&path, &target, "id", &ids, ArrayView2::from(&vectors)).unwrap();
        assert_eq!(write([[0.5f32, -1.0], [0.25, 2.0]]), 2);
        assert_eq!(stored(&path), [Some("0.5,-1".into()), None, Some("0.25,2".into())]);
        write([[1.5f32, 0.0], [0.25, 2.0]]);
        assert_eq!(stored(&path)[0].as_deref(), Some("1.5,0"));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        std::fs::write(&path, "this is a text and no database; ".repeat(200)).unwrap();
        let target = Target::parse("letters.embedding_array").unwrap();
        let error = check(&path, &target, "id", &["3".to_owned()]).unwrap_err();
        let expected = format!("cannot read the columns of table `letters` in the database `{}`", path.display());
        assert_eq!(error.message, expected);
    }

    #[test]
    fn an_id_that_is_missing_or_twice_changes_nothing() {
        let (_folder, path) = database();
        let target = Target::parse("letters.embedding_array").unwrap();
        let vectors = array![[1.0f32], [2.0]];
        let refuse = |column: &str, ids: [&str; 2]| {
            let ids = ids.map(str::to_owned);
            write_vectors(&path, &target, column, &ids, vectors.view()).unwrap_err().message
        };
        assert!(refuse("id", ["3", "8"]).contains("`id` = `8`"));
        assert!(refuse("twin", ["y", "x"]).contains("2 rows"));
        assert!(refuse("nr", ["3", "7"]).contains("no column `nr`"));
        // A picture is no vector, and is not written over.
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("ALTER TABLE letters ADD COLUMN face BLOB; UPDATE letters SET face = x'ffd8';")
            .unwrap();
        let face = Target::parse("letters.face").unwrap();
        let refused = check(&path, &face, "id", &["3".to_owned()]).unwrap_err().message;
        assert!(refused.contains("something else than vectors"), "{refused}");
        assert!(!columns_of(&Connection::open(&path).unwrap(), &path, "letters").unwrap().contains(&target.column));
        assert!(Target::parse("letters").is_err());
    }
}
