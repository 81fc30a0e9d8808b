//! What keeps a version, and how one goes: pins, the runs that measured it, removal for good.
//!
//! A version that is in Staging or Production, has an alias or is pinned cannot be removed, by nobody: this is asked in
//! the transaction that removes it, so a promotion, an alias or a pin of the same moment is never lost. Weaker reasons
//! (age, the last few, what a rollback goes to) are the caller's. The ledger keeps every line of a removed version.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::commands::bookkeeping;
use super::database::Tracker;
use super::failure::QueryResult;
use super::ledger::{Line, write_line};
use super::lookup::{departure, model_id, run_id, stage};
use super::models::load;
use super::record::{ModelVersion, Pin, Stage};
use crate::error::{Error, Result};
use crate::names::{RunId, Version};

/// The longest reason of a pin, in characters.
const REASON_LIMIT: usize = 2000;

/// The removal of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version.
    pub version: Version,
    /// The ledger's word: `deleted` by a person, `pruned` by age.
    pub action: &'a str,
    /// Who removes it.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
    /// What it was: files, bytes, the rule that it fell under.
    pub evidence: &'a Value,
    /// When.
    pub now_ms: i64,
}

impl Tracker {
    /// Pins a version, or gives its pin another reason; the same pin again leaves no line in the ledger.
    ///
    /// # Errors
    /// `NotFound` (model, version), `Invalid` when the reason is too long.
    pub fn pin_version(&self, model: &str, version: Version, reason: &str, actor: &str, now_ms: i64) -> Result<()> {
        let length = reason.chars().count();
        if length > REASON_LIMIT {
            return Err(Error::invalid(format!(
                "the reason has {length} characters, at most {REASON_LIMIT} are allowed"
            ))
            .hint("say it shorter, and point to the document that says it all"));
        }
        self.write(|connection| {
            let id = model_id(connection, model)?;
            stage(connection, id, model, version)?;
            if pin_of(connection, id, version)?.is_some_and(|pin| pin.reason == reason) {
                return Ok(());
            }
            connection.execute(
                "INSERT OR REPLACE INTO model_pins (model, version, pinned_ms, actor, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, version.0, now_ms, actor, reason],
            )?;
            write_line(connection, &Line { reason, ..Line::new(model, version, "pinned", actor, now_ms) })
        })
    }

    /// Takes the pin of a version away.
    ///
    /// # Errors
    /// `NotFound` (model, version), and when it is not pinned.
    pub fn unpin_version(&self, model: &str, version: Version, reason: &str, actor: &str, now_ms: i64) -> Result<()> {
        self.write(|connection| {
            let id = model_id(connection, model)?;
            stage(connection, id, model, version)?;
            if pin_of(connection, id, version)?.is_none() {
                return Err(Error::not_found(format!("`{model}` {version} is not pinned"))
                    .hint(format!("`mlops models show {model}` says which are"))
                    .into());
            }
            connection.execute("DELETE FROM model_pins WHERE model = ?1 AND version = ?2", params![id, version.0])?;
            write_line(connection, &Line { reason, ..Line::new(model, version, "unpinned", actor, now_ms) })
        })
    }

    /// Removes a version's row for good; its lines in the ledger stay, and its number is not used again.
    ///
    /// # Errors
    /// `NotFound`; `Refused`, with all reasons, when it is in Staging or Production, has an alias or is pinned.
    pub fn remove_version(&self, removal: &Removal<'_>) -> Result<()> {
        let Removal { model, version, action, actor, reason, evidence, now_ms } = *removal;
        self.write(|connection| {
            let id = model_id(connection, model)?;
            let from = stage(connection, id, model, version)?;
            let found = load(connection, model, id, Some(version))?.pop();
            found.as_ref().map_or(Ok(()), removable)?;
            connection
                .execute("DELETE FROM release_manifests WHERE model = ?1 AND version = ?2", params![id, version.0])?;
            connection
                .execute("DELETE FROM model_versions WHERE model = ?1 AND version = ?2", params![id, version.0])?;
            let line = Line { from: Some(from), reason, evidence, ..Line::new(model, version, action, actor, now_ms) };
            write_line(connection, &line)
        })
    }

    /// The runs that measured versions of a model and are not deleted: evaluations, and runs that a person tagged with
    /// `model` and `version`. The run that trained a version, and those that only say that something was done with it
    /// (a prediction, a promotion), are not among them; nor are those in which a retrain asked what was in production:
    /// else nothing that ever served would grow old.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn measured(&self, model: &str) -> Result<BTreeMap<Version, Vec<RunId>>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT r.id, v.value FROM runs r
                 CROSS JOIN tags m ON m.run = r.seq AND m.key = 'model' AND m.value = ?1
                 CROSS JOIN tags v ON v.run = r.seq AND v.key = 'version'
                 WHERE r.lifecycle = 'active' AND r.command NOT IN {}
                   AND r.seq NOT IN (SELECT run FROM tags WHERE key = 'retrain')
                   AND r.seq NOT IN (SELECT run FROM model_versions WHERE run IS NOT NULL) ORDER BY r.seq",
                bookkeeping()
            ))?;
            let mut rows = statement.query([model])?;
            let mut found: BTreeMap<Version, Vec<RunId>> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                // A tag that a person wrote may be anything.
                if let Ok(version) = Version::parse(row.get_ref(1)?.as_str().unwrap_or_default()) {
                    found.entry(version).or_default().push(run_id(row, 0)?);
                }
            }
            Ok(found)
        })
    }

    /// That a version was deleted or pruned, and when; nothing when it stands or never was.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn departure(&self, model: &str, version: Version) -> Result<Option<String>> {
        self.read(|connection| departure(connection, model, version))
    }
}

/// Refuses the removal of a version that is in use or is to be kept.
///
/// # Errors
/// `Refused`, with all reasons and what to do about each.
pub fn removable(version: &ModelVersion) -> Result<()> {
    let (mut reasons, mut remedies) = (Vec::new(), Vec::new());
    if matches!(version.stage, Stage::Staging | Stage::Production) {
        reasons.push(format!("is in {}", version.stage.as_str()));
        remedies.push("archive it, or promote another version in its place");
    }
    if !version.aliases.is_empty() {
        reasons.push(format!("has the alias `{}`", version.aliases.join("`, `")));
        remedies.push("remove the alias or point it to another version");
    }
    if let Some(pin) = &version.pinned {
        let why = if pin.reason.is_empty() { String::new() } else { format!(" ({})", pin.reason) };
        reasons.push(format!("is pinned by {}{why}", pin.actor));
        remedies.push("`mlops models pin VERSION --remove` takes the pin away");
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let text = format!("`{}` {} {}", version.model, version.version, reasons.join(", "));
    Err(Error::refused(text).hint(format!("first: {}", remedies.join("; "))))
}

fn pin_of(connection: &Connection, model: i64, version: Version) -> QueryResult<Option<Pin>> {
    let sql = "SELECT pinned_ms, actor, reason FROM model_pins WHERE model = ?1 AND version = ?2";
    let read = |row: &rusqlite::Row<'_>| Ok(Pin { at_ms: row.get(0)?, actor: row.get(1)?, reason: row.get(2)? });
    Ok(connection.query_row(sql, params![model, version.0], read).optional()?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::names::ModelName;
    use crate::tracking::Transition;
    use crate::tracking::runs::tests::{Store, id};

    /// Deletes a version of `reviews`, early on the first day.
    pub(in crate::tracking) fn remove(store: &Store, version: u32) -> Result<()> {
        store.remove_version(&Removal {
            model: "reviews",
            version: Version(version),
            action: "deleted",
            actor: "tester",
            reason: "",
            evidence: &Value::Null,
            now_ms: 20,
        })
    }

    #[test]
    fn a_pin_keeps_a_version_until_it_is_taken_away() {
        let store = Store::with_versions(2);
        let pin = |reason| store.pin_version("reviews", Version(1), reason, "kim", 5);
        pin("audit").unwrap();
        pin("audit").unwrap();
        let pinned = Pin { at_ms: 5, actor: "kim".into(), reason: "audit".into() };
        assert_eq!(store.version("reviews", Version(1)).unwrap().pinned, Some(pinned));
        assert_eq!(store.model("reviews").unwrap().pinned, [Version(1)]);
        let error = remove(&store, 1).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Refused, "`reviews` v1 is pinned by kim (audit)"));
        pin("audit of July").unwrap();
        assert_eq!(pin(&"x".repeat(REASON_LIMIT + 1)).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(store.pin_version("reviews", Version(9), "", "kim", 5).unwrap_err().kind, ErrorKind::NotFound);

        let unpin = || store.unpin_version("reviews", Version(1), "done", "lee", 6);
        unpin().unwrap();
        assert_eq!(unpin().unwrap_err().kind, ErrorKind::NotFound);
        remove(&store, 1).unwrap();
        let lines: Vec<(String, String)> =
            store.history("reviews").unwrap().into_iter().skip(2).map(|line| (line.action, line.reason)).collect();
        let expected = [("pinned", "audit"), ("pinned", "audit of July"), ("unpinned", "done"), ("deleted", "")];
        assert_eq!(lines, expected.map(|(action, reason)| (action.to_owned(), reason.to_owned())));
    }

    #[test]
    fn every_reason_is_told_at_once() {
        let store = Store::with_versions(1);
        let transition = Transition {
            model: "reviews",
            version: Version(1),
            to: Stage::Production,
            expected_production: None,
            action: "promoted",
            actor: "tester",
            forced: false,
            reason: "",
            evidence: &Value::Null,
            now_ms: 3,
        };
        store.transition(&transition).unwrap();
        store.set_alias("reviews", "champion", Version(1), "kim", 4).unwrap();
        store.pin_version("reviews", Version(1), "", "kim", 5).unwrap();
        let error = remove(&store, 1).unwrap_err();
        assert_eq!(error.message, "`reviews` v1 is in Production, has the alias `champion`, is pinned by kim");
        assert_eq!(error.hint.unwrap().matches(';').count(), 2);
    }

    #[test]
    fn only_a_measurement_refers_to_a_version() {
        let store = Store::new();
        let model = ModelName::parse("reviews").unwrap();
        store.start(1, 1, "train", 1);
        store.register_version(&model, Version(1), Some(&id(1)), "sha", "", "tester", 1).unwrap();
        for (number, command) in [(2, "evaluate"), (3, "predict"), (4, "promote"), (5, "evaluate"), (6, "manual")] {
            store.start(number, 1, command, 2);
        }
        let tags = |version: &str| [("model".to_owned(), "reviews".to_owned()), ("version".to_owned(), version.into())];
        for number in 1..=5 {
            store.set_tags(&id(number), &tags("1")).unwrap();
        }
        store.set_tags(&id(6), &tags("the best")).unwrap();
        assert_eq!(store.measured("reviews").unwrap(), [(Version(1), vec![id(2), id(5)])].into());
        store.delete_run(&id(2)).unwrap();
        assert_eq!(store.measured("reviews").unwrap(), [(Version(1), vec![id(5)])].into());
        assert!(store.measured("other").unwrap().is_empty());
    }

    #[test]
    fn what_is_gone_says_when() {
        let store = Store::with_versions(2);
        assert_eq!(store.departure("reviews", Version(2)).unwrap(), None);
        remove(&store, 2).unwrap();
        let gone = "`reviews` v2 was deleted on 1970-01-01";
        assert_eq!(store.departure("reviews", Version(2)).unwrap().as_deref(), Some(gone));
        assert_eq!(store.version("reviews", Version(2)).unwrap_err().message, gone);
    }
}
