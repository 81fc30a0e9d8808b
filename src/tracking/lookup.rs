//! Rows that several verbs look up within their transaction, and the errors when they are not there.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::{Failure, QueryResult};
use super::record::Stage;
use crate::catalog::known_hint;
use crate::error::Error;
use crate::names::{RunId, Version};

/// "Not found", with the closest name or the known ones.
pub(super) fn unknown(what: &str, name: &str, known: &[String]) -> Error {
    let error = Error::not_found(format!("no {what} `{name}`"));
    if known.is_empty() {
        return error.hint(format!("there is no {what} yet"));
    }
    let mut shown: Vec<&str> = known.iter().map(String::as_str).collect();
    if crate::catalog::did_you_mean(name, shown.iter().copied()).is_none() {
        shown.truncate(10);
    }
    error.hint(known_hint(name, shown))
}

/// A run id from a column.
pub(super) fn run_id(row: &Row<'_>, at: usize) -> QueryResult<RunId> {
    let text: String = row.get(at)?;
    RunId::parse(&text).map_err(Failure::damaged)
}

/// The internal number of a run.
pub(super) fn seq(connection: &Connection, id: &RunId) -> QueryResult<i64> {
    let mut statement = connection.prepare_cached("SELECT seq FROM runs WHERE id = ?1")?;
    let found = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    let gone = || Error::not_found(format!("no run `{}`", id.as_str())).hint("`mlops runs list` shows all runs");
    found.ok_or_else(|| gone().into())
}

/// The internal number of a run that may be written to.
pub(super) fn writable(connection: &Connection, id: &RunId) -> QueryResult<i64> {
    let seq = seq(connection, id)?;
    let mut statement = connection.prepare_cached("SELECT lifecycle = 'active' FROM runs WHERE seq = ?1")?;
    if statement.query_row([seq], |row| row.get(0))? {
        return Ok(seq);
    }
    Err(Error::invalid(format!("run `{}` is deleted and takes no more entries", id.as_str()))
        .hint("restore it first: `mlops runs restore`")
        .into())
}

/// The number of a model's row.
pub(super) fn model_id(connection: &Connection, name: &str) -> QueryResult<i64> {
    let mut statement = connection.prepare_cached("SELECT id FROM registered_models WHERE name = ?1")?;
    if let Some(id) = statement.query_row([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let mut statement = connection.prepare("SELECT name FROM registered_models ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    Err(unknown("model", name, &names).into())
}

/// Where a version stands.
pub(super) fn stage(connection: &Connection, model: i64, name: &str, version: Version) -> QueryResult<Stage> {
    let mut statement =
        connection.prepare_cached("SELECT stage FROM model_versions WHERE model = ?1 AND version = ?2")?;
    let found: Option<String> = statement.query_row(params![model, version.0], |row| row.get(0)).optional()?;
    if let Some(stage) = found {
        return Ok(Stage::parse(&stage)?);
    }
    let mut statement =
        connection.prepare("SELECT version FROM model_versions WHERE model = ?1 ORDER BY version DESC LIMIT 10")?;
    let rows = statement.query_map([model], |row| Ok(Version(row.get(0)?).to_string()))?;
    let known = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let hint = if known.is_empty() {
        "none of its versions is left".to_owned()
    } else {
        format!("the newest are {}", known.join(", "))
    };
    let gone = departure(connection, name, version)?;
    let text = gone.unwrap_or_else(|| format!("no version {version} of `{name}`"));
    Err(Error::not_found(text).hint(hint).into())
}

/// The model versions, with their stage, whose run is in the condition (over `v` and its run `r`).
pub(super) fn references(connection: &Connection, condition: &str, value: i64) -> QueryResult<Vec<String>> {
    let sql = format!(
        "SELECT m.name, v.version, v.stage FROM model_versions v JOIN registered_models m ON m.id = v.model
         JOIN runs r ON r.seq = v.run WHERE {condition} ORDER BY m.name, v.version"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([value], |row| {
        let (model, version, stage): (String, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("`{model}` {} ({stage})", Version(version)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// As [`super::Tracker::departure`], within a transaction.
pub(super) fn departure(connection: &Connection, model: &str, version: Version) -> QueryResult<Option<String>> {
    let sql = "SELECT action, date(at_ms / 1000, 'unixepoch') FROM ledger
        WHERE model = ?1 AND version = ?2 AND action IN ('deleted', 'pruned') ORDER BY id DESC LIMIT 1";
    let words = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    let found = connection.query_row(sql, params![model, version.0], words).optional()?;
    Ok(found.map(|(action, day)| {
        format!("`{model}` {version} was {action} on {}", day.unwrap_or_else(|| "an unknown day".into()))
    }))
}
