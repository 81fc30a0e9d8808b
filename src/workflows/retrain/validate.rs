//! Whether rows are fit to be learned from: how many, of which classes, with which nulls, of the same kinds as before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::session::Session;
use super::extract::{Extracted, used};
use super::state::{State, Validated};
use crate::config::{Experiment, RetrainConfig};
use crate::data::labels;
use crate::data::snapshot::{ColumnKind, Facts};
use crate::data::sources::{Request, read};
use crate::error::{Error, Result};
use crate::fs::sha256_file;

/// Checks what was extracted.
///
/// # Errors
/// `Refused`, with everything that is wrong with the rows.
pub(super) fn validate(
    session: &Session<'_>,
    config: &RetrainConfig,
    candidates: &[Experiment],
    (state, forced): (&State, bool),
) -> Result<Validated> {
    let Some(extracted) = &state.extracted else { return Err(Error::failed("nothing was extracted")) };
    let root = session.project.layout.root();
    check_whole(&root.join(&extracted.snapshot), extracted)?;
    let (facts, rules) = (&extracted.facts, &config.validate);
    let mut wrong = Vec::new();
    if facts.written < rules.min_rows {
        wrong.push(format!("{} rows, at least {} are needed", facts.written, rules.min_rows));
    }
    let needed: BTreeSet<String> = candidates.iter().flat_map(used).collect();
    let mut null_rates = BTreeMap::new();
    for column in &facts.columns {
        let rate = column.nulls as f64 / facts.rows.max(1) as f64;
        let used = needed.contains(&column.name);
        let most = rules.max_null_rate.get(&column.name).copied();
        if facts.rows > 0 && used && column.nulls == facts.rows {
            wrong.push(format!("column `{}` is null in every row", column.name));
        } else if let Some(most) = most.filter(|most| rate > *most) {
            wrong.push(format!("column `{}` is null in {rate:.3} of the rows, at most {most} may be", column.name));
        }
        if used {
            null_rates.insert(column.name.clone(), rate);
        }
    }
    for column in rules.max_null_rate.keys().filter(|name| !facts.columns.iter().any(|column| column.name == **name)) {
        wrong.push(format!("there is no column `{column}`, whose nulls `max_null_rate` limits"));
    }
    if !forced {
        wrong.extend(changed(session, state, facts, &needed)?);
    }
    let classes = classes(session, candidates, extracted)?;
    wrong.extend(wrong_classes(config, &classes));
    if !wrong.is_empty() {
        return Err(Error::refused(format!("the rows are not fit to be learned from: {}", wrong.join("; ")))
            .hint("production is untouched; mend the source, or `validate:` in the config, and run this again"));
    }
    Ok(Validated { labelled: classes.values().sum(), classes, null_rates })
}

/// A snapshot that somebody touched is not trained on.
fn check_whole(path: &Path, extracted: &Extracted) -> Result<()> {
    let (_, found) = sha256_file(path)?;
    if found == extracted.sha256 {
        return Ok(());
    }
    Err(Error::failed(format!("`{}` is not what was extracted: its hash has changed", path.display()))
        .hint("`--force` extracts anew"))
}

/// Rows of each class, over all candidates' labels (they share one).
fn classes(session: &Session<'_>, candidates: &[Experiment], extracted: &Extracted) -> Result<BTreeMap<String, u64>> {
    let Some(label) = candidates.first().map(|one| one.config.data.columns.label.clone()) else {
        return Ok(BTreeMap::new());
    };
    let request = Request { columns: vec![label.clone()], ..Request::default() };
    let table = read(&extracted.snapshot, &request, session.project.layout.root())?;
    let mut counts = BTreeMap::new();
    for cell in table.cells(&label)? {
        if let Some(label) = labels::canonical(cell) {
            *counts.entry(label).or_default() += 1;
        }
    }
    Ok(counts)
}

fn wrong_classes(config: &RetrainConfig, classes: &BTreeMap<String, u64>) -> Vec<String> {
    let (mut wrong, rules) = (Vec::new(), &config.validate);
    let expected: BTreeSet<String> =
        rules.classes.iter().map(|label| labels::canonical(Some(label)).unwrap_or_default()).collect();
    for label in expected.iter().filter(|label| !classes.contains_key(*label)) {
        wrong.push(format!("no row of the class `{label}`"));
    }
    if !expected.is_empty() {
        for (label, rows) in classes.iter().filter(|(label, _)| !expected.contains(*label)) {
            wrong.push(format!("{rows} rows of the class `{label}`, which is not one of `validate.classes`"));
        }
    }
    if classes.len() < 2 && expected.is_empty() {
        let names: Vec<&str> = classes.keys().map(String::as_str).collect();
        wrong.push(format!("all labels are the same: `{}`", names.join("")));
    }
    for (label, rows) in classes.iter().filter(|(_, rows)| **rows < rules.min_per_class) {
        wrong.push(format!("{rows} rows of the class `{label}`, at least {} are needed", rules.min_per_class));
    }
    wrong
}

/// Used columns that hold something else than in the retrain before.
fn changed(session: &Session<'_>, state: &State, facts: &Facts, needed: &BTreeSet<String>) -> Result<Vec<String>> {
    let Some(before) = before(session, state)? else { return Ok(Vec::new()) };
    let Some(then) = &before.extracted else { return Ok(Vec::new()) };
    let is_number = |kind: ColumnKind| matches!(kind, ColumnKind::Int64 | ColumnKind::Float64);
    let mut wrong = Vec::new();
    for column in facts.columns.iter().filter(|column| needed.contains(&column.name)) {
        let Some(old) = then.facts.columns.iter().find(|old| old.name == column.name) else { continue };
        if old.kind != column.kind && !(is_number(old.kind) && is_number(column.kind)) && old.nulls < then.facts.rows {
            let (was, is) = (kind(old.kind), kind(column.kind));
            let told = format!("column `{}` held {was} in {} and holds {is} now", column.name, before.period);
            wrong.push(format!("{told} (`--force` takes it so)"));
        }
    }
    Ok(wrong)
}

fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Int64 => "whole numbers",
        ColumnKind::Float64 => "numbers",
        ColumnKind::Text => "text",
        ColumnKind::Vector => "vectors",
    }
}

/// The latest retrain of an earlier period that came to an end.
fn before(session: &Session<'_>, state: &State) -> Result<Option<State>> {
    let states = State::all(&session.project.layout, &state.name)?;
    Ok(states.into_iter().rfind(|one| one.begun_ms < state.begun_ms && one.decided.is_some()))
}
