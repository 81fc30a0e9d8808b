//! Registered models: their versions and aliases. Stages and the ledger are in `ledger`, pins and removal in
//! `retention`.
//!
//! A version's number is given by the caller and never used twice, not even after the version was deleted: every
//! registration is a line of the ledger, and the ledger forgets nothing.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::database::Tracker;
use super::failure::QueryResult;
use super::keys::check_key;
use super::ledger::{Line, write_line};
use super::lookup::{model_id, run_id, stage, unknown, writable};
use super::record::{ModelVersion, Pin, RegisteredModel, Stage};
use crate::error::{Error, Result};
use crate::names::{ModelName, RunId, Version};

impl Tracker {
    /// Registers a version, and the model with its first one.
    ///
    /// # Errors
    /// `Invalid` when this version was registered before, `NotFound` when there is no such run.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row, each given by the caller")]
    pub fn register_version(
        &self,
        model: &ModelName,
        version: Version,
        run_id: Option<&RunId>,
        manifest_sha256: &str,
        description: &str,
        actor: &str,
        now_ms: i64,
    ) -> Result<()> {
        self.write(|connection| {
            let run = run_id.map(|id| writable(connection, id)).transpose()?;
            let next = next_version(connection, model.as_str())?;
            let before = "SELECT count(*) FROM ledger WHERE model = ?1 AND version = ?2 AND action = 'registered'";
            if connection.query_row(before, params![model.as_str(), version.0], |row| row.get::<_, i64>(0))? > 0 {
                return Err(Error::invalid(format!("`{model}` {version} was registered before"))
                    .hint(format!("the next free version is v{next}"))
                    .into());
            }
            connection.execute(
                "INSERT OR IGNORE INTO registered_models (name, created_ms) VALUES (?1, ?2)",
                params![model.as_str(), now_ms],
            )?;
            connection.execute(
                "INSERT INTO model_versions (model, version, run, created_ms, updated_ms, manifest_sha256, description)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
                params![model_id(connection, model.as_str())?, version.0, run, now_ms, manifest_sha256, description],
            )?;
            // The ledger outlives the version: it says which run and which files it was.
            let evidence = serde_json::json!({"run_id": run_id, "manifest_sha256": manifest_sha256});
            let line = Line {
                to: Some(Stage::None),
                evidence: &evidence,
                ..Line::new(model.as_str(), version, "registered", actor, now_ms)
            };
            write_line(connection, &line)
        })
    }

    /// All registered models, by name.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn models(&self) -> Result<Vec<RegisteredModel>> {
        self.read(|connection| registered(connection, None))
    }

    /// One registered model.
    ///
    /// # Errors
    /// `NotFound`, with the closest name.
    pub fn model(&self, name: &str) -> Result<RegisteredModel> {
        self.read(|connection| {
            model_id(connection, name)?;
            let gone = || Error::not_found(format!("no model `{name}`"));
            registered(connection, Some(name))?.pop().ok_or_else(|| gone().into())
        })
    }

    /// The versions of a model, oldest first.
    ///
    /// # Errors
    /// `NotFound` when there is no such model.
    pub fn versions(&self, name: &str) -> Result<Vec<ModelVersion>> {
        self.read(|connection| load(connection, name, model_id(connection, name)?, None))
    }

    /// One version of a model.
    ///
    /// # Errors
    /// `NotFound` when there is no such model or version.
    pub fn version(&self, name: &str, version: Version) -> Result<ModelVersion> {
        self.read(|connection| {
            let model = model_id(connection, name)?;
            stage(connection, model, name, version)?;
            let gone = || Error::not_found(format!("no version {version} of `{name}`"));
            load(connection, name, model, Some(version))?.pop().ok_or_else(|| gone().into())
        })
    }

    /// The number after the greatest that was ever registered; 1 for a new model.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn next_version(&self, name: &str) -> Result<u32> {
        self.read(|connection| next_version(connection, name))
    }

    /// Points an alias to a version, and writes that into the ledger.
    ///
    /// # Errors
    /// `NotFound` (model, version), `Invalid` when the alias could be read as a version or a stage.
    pub fn set_alias(&self, model: &str, alias: &str, version: Version, actor: &str, now_ms: i64) -> Result<()> {
        check_alias(alias)?;
        self.write(|connection| {
            let id = model_id(connection, model)?;
            stage(connection, id, model, version)?;
            let before = alias_target(connection, id, alias)?;
            if before == Some(version) {
                return Ok(());
            }
            connection.execute(
                "INSERT OR REPLACE INTO model_aliases (model, alias, version) VALUES (?1, ?2, ?3)",
                params![id, alias, version.0],
            )?;
            let evidence = serde_json::json!({"alias": alias, "before": before});
            let line = Line { evidence: &evidence, ..Line::new(model, version, "alias_set", actor, now_ms) };
            write_line(connection, &line)
        })
    }

    /// Removes an alias, and writes that into the ledger.
    ///
    /// # Errors
    /// `NotFound` (model, alias).
    pub fn remove_alias(&self, model: &str, alias: &str, actor: &str, now_ms: i64) -> Result<()> {
        self.write(|connection| {
            let id = model_id(connection, model)?;
            let Some(version) = alias_target(connection, id, alias)? else {
                let mut statement =
                    connection.prepare("SELECT alias FROM model_aliases WHERE model = ?1 ORDER BY 1")?;
                let known = statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
                return Err(unknown("alias", alias, &known).into());
            };
            connection.execute("DELETE FROM model_aliases WHERE model = ?1 AND alias = ?2", params![id, alias])?;
            let evidence = serde_json::json!({"alias": alias});
            let line = Line { evidence: &evidence, ..Line::new(model, version, "alias_removed", actor, now_ms) };
            write_line(connection, &line)
        })
    }
}

fn next_version(connection: &Connection, name: &str) -> QueryResult<u32> {
    let sql = "SELECT coalesce(max(version), 0) + 1 FROM ledger WHERE model = ?1 AND action = 'registered'";
    Ok(connection.query_row(sql, [name], |row| row.get(0))?)
}

fn alias_target(connection: &Connection, model: i64, alias: &str) -> QueryResult<Option<Version>> {
    let sql = "SELECT version FROM model_aliases WHERE model = ?1 AND alias = ?2";
    Ok(connection.query_row(sql, params![model, alias], |row| row.get(0).map(Version)).optional()?)
}

/// An alias stands after `@` in a selector, where versions and stages stand too.
fn check_alias(alias: &str) -> Result<()> {
    check_key("an alias", alias)?;
    if alias.contains(['/', '@', ':', '[', ']', ' ']) {
        return Err(
            Error::invalid(format!("`{alias}` cannot be an alias")).hint("letters, digits and `_ - .` are allowed")
        );
    }
    if alias.eq_ignore_ascii_case("latest") || Version::parse(alias).is_ok() || Stage::parse(alias).is_ok() {
        return Err(Error::invalid(format!("`{alias}` cannot be an alias: it already means a version"))
            .hint("choose a word such as `champion`"));
    }
    Ok(())
}

fn registered(connection: &Connection, name: Option<&str>) -> QueryResult<Vec<RegisteredModel>> {
    let mut models: BTreeMap<i64, RegisteredModel> = BTreeMap::new();
    let mut statement = connection
        .prepare_cached("SELECT id, name, created_ms FROM registered_models WHERE ?1 IS NULL OR name = ?1")?;
    let mut rows = statement.query([name])?;
    while let Some(row) = rows.next()? {
        let model = RegisteredModel {
            name: row.get(1)?,
            created_ms: row.get(2)?,
            versions: 0,
            latest: None,
            staging: Vec::new(),
            production: None,
            aliases: BTreeMap::new(),
            pinned: Vec::new(),
        };
        models.insert(row.get(0)?, model);
    }
    let mut statement =
        connection.prepare_cached("SELECT model, version, stage FROM model_versions ORDER BY model, version")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(model) = models.get_mut(&row.get(0)?) else { continue };
        let version = Version(row.get(1)?);
        model.versions += 1;
        model.latest = Some(version);
        match Stage::parse(row.get_ref(2)?.as_str().unwrap_or_default())? {
            Stage::Staging => model.staging.push(version),
            Stage::Production => model.production = Some(version),
            Stage::None | Stage::Archived => {}
        }
    }
    let mut statement = connection.prepare_cached("SELECT model, alias, version FROM model_aliases")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(model) = models.get_mut(&row.get(0)?) {
            model.aliases.insert(row.get(1)?, Version(row.get(2)?));
        }
    }
    let mut statement = connection.prepare_cached("SELECT model, version FROM model_pins ORDER BY model, version")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(model) = models.get_mut(&row.get(0)?) {
            model.pinned.push(Version(row.get(1)?));
        }
    }
    let mut models: Vec<RegisteredModel> = models.into_values().collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(models)
}

pub(super) fn load(
    connection: &Connection,
    name: &str,
    model: i64,
    only: Option<Version>,
) -> QueryResult<Vec<ModelVersion>> {
    let given: [&dyn ToSql; 2] = [&model, &only.map(|version| version.0)];
    let within = "v.model = ?1 AND (?2 IS NULL OR v.version = ?2)";
    let mut found: BTreeMap<u32, ModelVersion> = BTreeMap::new();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT v.version, r.id, v.stage, v.created_ms, v.updated_ms, v.manifest_sha256, v.description
         FROM model_versions v LEFT JOIN runs r ON r.seq = v.run WHERE {within}"
    ))?;
    let mut rows = statement.query(given)?;
    while let Some(row) = rows.next()? {
        found.insert(row.get(0)?, read_version(name, row)?);
    }
    let mut statement = connection
        .prepare_cached(&format!("SELECT v.version, v.alias FROM model_aliases v WHERE {within} ORDER BY v.alias"))?;
    let mut rows = statement.query(given)?;
    while let Some(row) = rows.next()? {
        if let Some(version) = found.get_mut(&row.get(0)?) {
            version.aliases.push(row.get(1)?);
        }
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT v.version, v.pinned_ms, v.actor, v.reason FROM model_pins v WHERE {within}"
    ))?;
    let mut rows = statement.query(given)?;
    while let Some(row) = rows.next()? {
        if let Some(version) = found.get_mut(&row.get(0)?) {
            version.pinned = Some(Pin { at_ms: row.get(1)?, actor: row.get(2)?, reason: row.get(3)? });
        }
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT v.version, l.key, l.is_nan, l.value FROM model_versions v
         CROSS JOIN latest_metrics l ON l.run = v.run WHERE {within}"
    ))?;
    let mut rows = statement.query(given)?;
    while let Some(row) = rows.next()? {
        if let Some(version) = found.get_mut(&row.get(0)?) {
            version.metrics.insert(row.get(1)?, if row.get(2)? { f64::NAN } else { row.get(3)? });
        }
    }
    Ok(found.into_values().collect())
}

fn read_version(model: &str, row: &Row<'_>) -> QueryResult<ModelVersion> {
    let has_run = !matches!(row.get_ref(1)?, rusqlite::types::ValueRef::Null);
    Ok(ModelVersion {
        model: model.to_owned(),
        version: Version(row.get(0)?),
        run_id: has_run.then(|| run_id(row, 1)).transpose()?,
        stage: Stage::parse(row.get_ref(2)?.as_str().unwrap_or_default())?,
        created_ms: row.get(3)?,
        updated_ms: row.get(4)?,
        manifest_sha256: row.get(5)?,
        description: row.get(6)?,
        aliases: Vec::new(),
        pinned: None,
        metrics: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::Transition;
    use crate::tracking::retention::tests::remove;
    use crate::tracking::runs::tests::{Store, id, metric};

    fn register(store: &Store, version: u32, run: Option<&RunId>) -> Result<()> {
        let model = ModelName::parse("reviews").unwrap();
        store.register_version(&model, Version(version), run, "sha", "a model", "tester", i64::from(version))
    }

    fn promote(store: &Store, version: u32, to: Stage) {
        let transition = Transition {
            model: "reviews",
            version: Version(version),
            to,
            expected_production: None,
            action: "promoted",
            actor: "tester",
            forced: false,
            reason: "",
            evidence: &Value::Null,
            now_ms: 50,
        };
        store.transition(&transition).unwrap();
    }

    #[test]
    fn versions_are_numbered_once() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        store.log_metrics(&id(1), &[metric("f1", 0.8, 1)]).unwrap();
        assert_eq!(store.next_version("reviews").unwrap(), 1);
        assert_eq!(register(&store, 1, Some(&id(9))).unwrap_err().kind, ErrorKind::NotFound);
        assert!(store.models().unwrap().is_empty(), "a refused registration left the model behind");
        register(&store, 1, Some(&id(1))).unwrap();
        register(&store, 3, None).unwrap();
        assert_eq!(store.next_version("reviews").unwrap(), 4);
        remove(&store, 3).unwrap();
        assert_eq!(store.next_version("reviews").unwrap(), 4);
        let error = register(&store, 3, None).unwrap_err();
        assert_eq!((error.kind, error.hint.unwrap().as_str()), (ErrorKind::Invalid, "the next free version is v4"));

        let versions = store.versions("reviews").unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!((versions[0].run_id.as_ref(), versions[0].metrics["f1"]), (Some(&id(1)), 0.8));
        assert_eq!(store.version("reviews", Version(1)).unwrap(), versions[0]);
        let error = store.version("reviews", Version(3)).unwrap_err();
        assert_eq!((error.kind, error.hint.unwrap().as_str()), (ErrorKind::NotFound, "the newest are v1"));
        assert_eq!(error.message, "`reviews` v3 was deleted on 1970-01-01");
        assert_eq!(store.model("revews").unwrap_err().hint.unwrap(), "did you mean `reviews`?");
    }

    #[test]
    fn what_a_version_came_from_stays() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        register(&store, 1, Some(&id(1))).unwrap();
        register(&store, 2, Some(&id(1))).unwrap();
        let error = store.delete_run(&id(1)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.ends_with("`reviews` v1 (None), `reviews` v2 (None)"), "{error}");
        promote(&store, 2, Stage::Staging);
        let error = store.delete_experiment(1, 5).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.ends_with("in use: `reviews` v2 (Staging)"), "{error}");
        promote(&store, 2, Stage::Archived);
        store.delete_experiment(1, 5).unwrap();
        assert_eq!(store.version("reviews", Version(2)).unwrap().run_id, Some(id(1)));
    }

    #[test]
    fn aliases_move_and_guard_their_version() {
        let store = Store::new();
        for version in 1..=3 {
            register(&store, version, None).unwrap();
        }
        store.set_alias("reviews", "champion", Version(1), "tester", 10).unwrap();
        store.set_alias("reviews", "champion", Version(2), "tester", 11).unwrap();
        store.set_alias("reviews", "champion", Version(2), "tester", 12).unwrap();
        promote(&store, 1, Stage::Production);
        promote(&store, 3, Stage::Staging);
        let expected = RegisteredModel {
            name: "reviews".into(),
            created_ms: 1,
            versions: 3,
            latest: Some(Version(3)),
            staging: vec![Version(3)],
            production: Some(Version(1)),
            aliases: [("champion".to_owned(), Version(2))].into(),
            pinned: Vec::new(),
        };
        assert_eq!(store.model("reviews").unwrap(), expected);
        assert_eq!(store.models().unwrap(), [expected]);
        assert_eq!(store.version("reviews", Version(2)).unwrap().aliases, ["champion"]);
        for version in 1..=3 {
            let error = remove(&store, version).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Refused);
        }
        store.remove_alias("reviews", "champion", "tester", 30).unwrap();
        assert_eq!(store.remove_alias("reviews", "champion", "x", 30).unwrap_err().kind, ErrorKind::NotFound);
        remove(&store, 2).unwrap();
        let aliases: Vec<Value> = store
            .history("reviews")
            .unwrap()
            .into_iter()
            .filter(|line| line.action.starts_with("alias"))
            .map(|line| line.evidence)
            .collect();
        assert_eq!(
            aliases,
            [
                serde_json::json!({"alias": "champion", "before": null}),
                serde_json::json!({"alias": "champion", "before": 1}),
                serde_json::json!({"alias": "champion"}),
            ]
        );
        for bad in ["latest", "v7", "7", "production", "a/b", ""] {
            assert_eq!(store.set_alias("reviews", bad, Version(1), "x", 1).unwrap_err().kind, ErrorKind::Invalid);
        }
    }
}
