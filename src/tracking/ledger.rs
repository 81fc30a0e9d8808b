//! Stages and the ledger: a version's stage changes in the same transaction as the line that says who changed it,
//! when, why and on what evidence. Lines are only ever added; triggers refuse to change or delete one.
//!
//! Promotion is compare-and-swap: the caller names the version it believes to be in Production, and is told `Busy`
//! when another one is there by now. At most one version of a model is in Production; a unique index sees to it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::database::Tracker;
use super::failure::{Failure, QueryResult};
use super::lookup::{model_id, stage};
use super::record::{LedgerEntry, Stage};
use crate::error::{Error, Result};
use crate::names::Version;

/// A change of stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version to move.
    pub version: Version,
    /// Where to.
    pub to: Stage,
    /// Who is believed to be in Production (`Some(None)`: nobody); `None` does not ask.
    pub expected_production: Option<Option<Version>>,
    /// The ledger's word: `promoted`, `archived`, `rolled_back`.
    pub action: &'a str,
    /// Who does it.
    pub actor: &'a str,
    /// Whether a gate was overruled.
    pub forced: bool,
    /// Why.
    pub reason: &'a str,
    /// The numbers behind it.
    pub evidence: &'a Value,
    /// When.
    pub now_ms: i64,
}

/// A line to be written.
pub(super) struct Line<'a> {
    pub model: &'a str,
    pub version: Version,
    pub at_ms: i64,
    pub action: &'a str,
    pub from: Option<Stage>,
    pub to: Option<Stage>,
    pub previous: Option<Version>,
    pub actor: &'a str,
    pub forced: bool,
    pub reason: &'a str,
    pub evidence: &'a Value,
}

impl<'a> Line<'a> {
    /// A line with nothing but who, what and when.
    pub(super) fn new(model: &'a str, version: Version, action: &'a str, actor: &'a str, at_ms: i64) -> Self {
        let (from, to, previous, forced, reason, evidence) = (None, None, None, false, "", &Value::Null);
        Self { model, version, at_ms, action, from, to, previous, actor, forced, reason, evidence }
    }
}

/// Adds a line to the ledger.
pub(super) fn write_line(connection: &Connection, line: &Line<'_>) -> QueryResult<()> {
    connection.execute(
        "INSERT INTO ledger
           (model, version, at_ms, action, from_stage, to_stage, previous, actor, forced, reason, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            line.model,
            line.version.0,
            line.at_ms,
            line.action,
            line.from.map(Stage::as_str),
            line.to.map(Stage::as_str),
            line.previous.map(|version| version.0),
            line.actor,
            line.forced,
            line.reason,
            line.evidence.to_string(),
        ],
    )?;
    Ok(())
}

impl Tracker {
    /// Moves a version to a stage. To Production: the previous holder is archived, with a line of its own, and
    /// returned. A version that is there already stays, and the ledger gets no line.
    ///
    /// # Errors
    /// `NotFound` (model, version); `Busy` when Production is not held by whom the caller believed.
    pub fn transition(&self, transition: &Transition<'_>) -> Result<Option<Version>> {
        let Transition { model: name, version, to, actor, now_ms, .. } = *transition;
        self.write(|connection| {
            let model = model_id(connection, name)?;
            let from = stage(connection, model, name, version)?;
            let holder = production(connection, model)?;
            if let Some(expected) = transition.expected_production.filter(|expected| *expected != holder) {
                let (expected, found) = (held_by(expected), held_by(holder));
                return Err(Error::busy(format!("`{name}` in Production: expected {expected}, found {found}"))
                    .hint("someone else promoted meanwhile: compare with the new version, then try again")
                    .into());
            }
            let previous = holder.filter(|_| to == Stage::Production);
            if from == to {
                return Ok(previous);
            }
            if let Some(previous) = previous {
                set_stage(connection, model, previous, Stage::Archived, now_ms)?;
                let reason = format!("replaced by {version}");
                let line = Line {
                    from: Some(Stage::Production),
                    to: Some(Stage::Archived),
                    reason: &reason,
                    ..Line::new(name, previous, "archived", actor, now_ms)
                };
                write_line(connection, &line)?;
            }
            set_stage(connection, model, version, to, now_ms)?;
            let line = Line {
                from: Some(from),
                to: Some(to),
                previous,
                forced: transition.forced,
                reason: transition.reason,
                evidence: transition.evidence,
                ..Line::new(name, version, transition.action, actor, now_ms)
            };
            write_line(connection, &line)?;
            Ok(previous)
        })
    }

    /// Writes down a decision that changed no stage, such as a refusal.
    ///
    /// # Errors
    /// `NotFound` (model, version).
    #[expect(clippy::too_many_arguments, reason = "the columns of one row, each given by the caller")]
    pub fn record_decision(
        &self,
        model: &str,
        version: Version,
        action: &str,
        actor: &str,
        forced: bool,
        reason: &str,
        evidence: &Value,
        now_ms: i64,
    ) -> Result<()> {
        self.write(|connection| {
            let found = stage(connection, model_id(connection, model)?, model, version)?;
            let from = Some(found);
            let line = Line { from, forced, reason, evidence, ..Line::new(model, version, action, actor, now_ms) };
            write_line(connection, &line)
        })
    }

    /// The ledger of a model, oldest line first.
    ///
    /// # Errors
    /// `NotFound` when there is no such model.
    pub fn history(&self, model: &str) -> Result<Vec<LedgerEntry>> {
        self.read(|connection| {
            model_id(connection, model)?;
            let mut statement = connection.prepare_cached(
                "SELECT id, model, version, at_ms, action, from_stage, to_stage, previous, actor, forced, reason,
                   evidence FROM ledger WHERE model = ?1 ORDER BY id",
            )?;
            let mut rows = statement.query([model])?;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(read(row)?);
            }
            Ok(lines)
        })
    }
}

fn held_by(version: Option<Version>) -> String {
    version.map_or("none".to_owned(), |version| version.to_string())
}

fn production(connection: &Connection, model: i64) -> QueryResult<Option<Version>> {
    let sql = "SELECT version FROM model_versions WHERE model = ?1 AND stage = 'Production'";
    Ok(connection.query_row(sql, [model], |row| row.get(0).map(Version)).optional()?)
}

fn set_stage(connection: &Connection, model: i64, version: Version, stage: Stage, now_ms: i64) -> QueryResult<()> {
    connection.execute(
        "UPDATE model_versions SET stage = ?3, updated_ms = ?4 WHERE model = ?1 AND version = ?2",
        params![model, version.0, stage.as_str(), now_ms],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> QueryResult<LedgerEntry> {
    let stage = |at: usize| -> QueryResult<Option<Stage>> {
        Ok(row.get::<_, Option<String>>(at)?.map(|stage| Stage::parse(&stage)).transpose()?)
    };
    let evidence: String = row.get(11)?;
    Ok(LedgerEntry {
        id: row.get(0)?,
        model: row.get(1)?,
        version: Version(row.get(2)?),
        at_ms: row.get(3)?,
        action: row.get(4)?,
        from: stage(5)?,
        to: stage(6)?,
        previous: row.get::<_, Option<u32>>(7)?.map(Version),
        actor: row.get(8)?,
        forced: row.get(9)?,
        reason: row.get(10)?,
        evidence: serde_json::from_str(&evidence).map_err(Failure::damaged)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::runs::tests::Store;

    #[expect(clippy::option_option, reason = "not asked, nobody, or a version: as the field that it fills")]
    fn to_production(version: u32, expected: Option<Option<Version>>) -> Transition<'static> {
        Transition {
            model: "reviews",
            version: Version(version),
            to: Stage::Production,
            expected_production: expected,
            action: "promoted",
            actor: "tester",
            forced: false,
            reason: "better",
            evidence: &Value::Bool(true),
            now_ms: 100 + i64::from(version),
        }
    }

    #[test]
    fn promotion_archives_the_holder_and_tells_why() {
        let store = Store::with_versions(2);
        assert_eq!(store.transition(&to_production(1, Some(None))).unwrap(), None);
        assert_eq!(store.transition(&to_production(2, Some(Some(Version(1))))).unwrap(), Some(Version(1)));
        assert_eq!(store.transition(&to_production(2, None)).unwrap(), Some(Version(2)), "it is there already");
        let error = store.transition(&to_production(1, Some(Some(Version(1))))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Busy);
        assert_eq!(error.message, "`reviews` in Production: expected v1, found v2");
        store
            .record_decision("reviews", Version(1), "refused", "ci", true, "f1 below 0.55", &Value::Null, 200)
            .unwrap();
        assert_eq!(store.version("reviews", Version(1)).unwrap().stage, Stage::Archived);
        assert_eq!(store.version("reviews", Version(2)).unwrap().updated_ms, 102);

        let lines = store.history("reviews").unwrap();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line.version.0, line.action.as_str(), line.from, line.to, line.previous, line.reason.as_str()))
            .collect();
        let (none, production, archived) = (Some(Stage::None), Some(Stage::Production), Some(Stage::Archived));
        assert_eq!(
            told,
            [
                (1, "registered", None, none, None, ""),
                (2, "registered", None, none, None, ""),
                (1, "promoted", none, production, None, "better"),
                (1, "archived", production, archived, None, "replaced by v2"),
                (2, "promoted", none, production, Some(Version(1)), "better"),
                (1, "refused", archived, None, None, "f1 below 0.55"),
            ]
        );
        assert_eq!((lines[4].evidence.clone(), lines[5].forced, lines[5].actor.as_str()), (true.into(), true, "ci"));
        assert!(lines.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn of_two_at_once_one_is_promoted() {
        for _ in 0..20 {
            let store = Store::with_versions(3);
            store.transition(&to_production(1, Some(None))).unwrap();
            let start = Barrier::new(2);
            let results: Vec<Result<Option<Version>>> = std::thread::scope(|scope| {
                let threads: Vec<_> = [2, 3]
                    .map(|version| {
                        let (path, start) = (store.path(), &start);
                        scope.spawn(move || {
                            let own = Tracker::open(path).unwrap();
                            start.wait();
                            own.transition(&to_production(version, Some(Some(Version(1)))))
                        })
                    })
                    .into_iter()
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winner = results.iter().position(Result::is_ok).unwrap() + 2;
            let loser = results.iter().find_map(|result| result.as_ref().err()).unwrap();
            assert_eq!(loser.kind, ErrorKind::Busy);
            let winner = Version(u32::try_from(winner).unwrap());
            assert_eq!(store.model("reviews").unwrap().production, Some(winner));
            let stages = store.versions("reviews").unwrap();
            assert_eq!(stages.iter().filter(|version| version.stage == Stage::Production).count(), 1);
            assert_eq!(stages[0].stage, Stage::Archived);
            let actions: Vec<_> =
                store.history("reviews").unwrap().into_iter().skip(4).map(|line| (line.version, line.action)).collect();
            assert_eq!(actions, [(Version(1), "archived".to_owned()), (winner, "promoted".to_owned())]);
        }
    }

    #[test]
    fn the_ledger_and_the_single_holder_are_kept_by_the_database() {
        let store = Store::with_versions(2);
        store.transition(&to_production(1, None)).unwrap();
        for sql in [
            "UPDATE ledger SET actor = 'x'",
            "DELETE FROM ledger",
            "REPLACE INTO ledger VALUES (1, 'reviews', 1, 0, 'registered', NULL, NULL, NULL, 'x', 0, '', 'null')",
        ] {
            let error = store.write(|connection| Ok(connection.execute(sql, [])?)).unwrap_err();
            assert!(error.causes()[0].contains("the ledger is append-only"), "{:?}", error.causes());
        }
        let second = "UPDATE model_versions SET stage = 'Production' WHERE version = 2";
        let error = store.write(|connection| Ok(connection.execute(second, [])?)).unwrap_err();
        assert!(error.causes()[0].contains("UNIQUE constraint failed"), "{:?}", error.causes());
        assert_eq!(store.history("reviews").unwrap().len(), 3);
    }
}
