//! What stood where at a moment: a ledger, read up to it.
//!
//! A moment's state is that of the lines `1..=n`, where `n` is the last line of the ledger's longest beginning that was
//! written by then. Lines are in the order of their transactions; a line whose clock stands before that of an earlier
//! line (a clock that was set back, two machines) counts as written together with it. So the answer is always a state
//! that really was, and a later moment never shows less.
//!
//! Every change leaves a line: `registered` (stage None), a line with `to` (a stage), `alias_set` and `alias_removed`
//! (the alias is in the evidence), `pinned`, `unpinned`, `deleted`, `pruned`. Lines of other actions (a refusal) change
//! nothing here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::{LedgerEntry, Stage};
use crate::names::Version;

/// A version at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionAt {
    /// The version.
    pub version: Version,
    /// Where it stood.
    pub stage: Stage,
    /// The line that put it there: who, when, why, on what evidence.
    pub decision: LedgerEntry,
    /// The line that pinned it.
    pub pinned: Option<LedgerEntry>,
}

/// An alias at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AliasAt {
    /// The name.
    pub alias: String,
    /// The version that it pointed to.
    pub version: Version,
    /// The line that pointed it there.
    pub decision: LedgerEntry,
}

/// A model at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateAt {
    /// The version in Production.
    pub production: Option<Version>,
    /// The version that a rollback would have gone to.
    pub previous: Option<Version>,
    /// Those in Staging.
    pub staging: Vec<Version>,
    /// The versions that stood then, oldest first.
    pub versions: Vec<VersionAt>,
    /// The aliases, by name.
    pub aliases: Vec<AliasAt>,
    /// How many lines the ledger had.
    pub lines: usize,
}

/// The state of a model at a moment, from its ledger (oldest line first); nothing before the first line.
#[must_use]
pub fn state_at(ledger: &[LedgerEntry], at_ms: i64) -> Option<StateAt> {
    // The first line that is later ends the beginning: those after it were written after it.
    let lines = ledger.iter().position(|line| line.at_ms > at_ms).unwrap_or(ledger.len());
    let known = &ledger[..lines];
    if known.is_empty() {
        return None;
    }
    let mut versions: BTreeMap<Version, VersionAt> = BTreeMap::new();
    let mut aliases: BTreeMap<String, AliasAt> = BTreeMap::new();
    for line in known {
        apply(line, &mut versions, &mut aliases);
    }
    let versions: Vec<VersionAt> = versions.into_values().collect();
    let at = |stage: Stage| versions.iter().filter(move |one| one.stage == stage).map(|one| one.version);
    let production = at(Stage::Production).next();
    let staging = at(Stage::Staging).collect();
    let previous = previous_holder(known, production);
    Some(StateAt { production, previous, staging, versions, aliases: aliases.into_values().collect(), lines })
}

fn apply(line: &LedgerEntry, versions: &mut BTreeMap<Version, VersionAt>, aliases: &mut BTreeMap<String, AliasAt>) {
    let alias = || line.alias().map(str::to_owned);
    match line.action.as_str() {
        "alias_set" => {
            if let Some(alias) = alias() {
                let set = AliasAt { alias: alias.clone(), version: line.version, decision: line.clone() };
                aliases.insert(alias, set);
            }
        }
        "alias_removed" => {
            alias().map(|alias| aliases.remove(&alias));
        }
        "pinned" | "unpinned" => {
            if let Some(one) = versions.get_mut(&line.version) {
                one.pinned = (line.action == "pinned").then(|| line.clone());
            }
        }
        "deleted" | "pruned" => {
            versions.remove(&line.version);
        }
        _ => {
            let Some(stage) = line.to else { return };
            let pinned = versions.remove(&line.version).and_then(|one| one.pinned);
            versions.insert(line.version, VersionAt { version: line.version, stage, decision: line.clone(), pinned });
        }
    }
}

/// The version that a rollback goes to: the holder of Production before the present one (`active`). Holders that were
/// rolled back, and versions that were deleted or pruned since, are passed over.
#[must_use]
pub fn previous_holder(ledger: &[LedgerEntry], active: Option<Version>) -> Option<Version> {
    let mut holders: Vec<Version> = Vec::new();
    for line in ledger {
        if ["deleted", "pruned"].contains(&line.action.as_str()) {
            holders.retain(|holder| *holder != line.version);
            holders.dedup();
        }
        if line.to != Some(Stage::Production) {
            continue;
        }
        if line.action == "rolled_back" {
            holders.pop();
        }
        if holders.last() != Some(&line.version) {
            holders.push(line.version);
        }
    }
    if holders.last().copied() == active {
        holders.pop();
    }
    holders.pop().filter(|previous| Some(*previous) != active)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(id: i64, version: u32, at_ms: i64, action: &str, to: Option<Stage>, evidence: Value) -> LedgerEntry {
        LedgerEntry {
            id,
            model: "reviews".into(),
            version: Version(version),
            at_ms,
            action: action.into(),
            from: None,
            to,
            previous: None,
            actor: "kim".into(),
            forced: false,
            reason: String::new(),
            evidence,
        }
    }

    /// v1 is promoted and named, v2 replaces it and is pinned, v1 is refused once more and goes.
    fn ledger() -> Vec<LedgerEntry> {
        let (none, archived, production) = (Some(Stage::None), Some(Stage::Archived), Some(Stage::Production));
        let champion = || json!({"alias": "champion"});
        vec![
            line(1, 1, 10, "registered", none, Value::Null),
            line(2, 1, 20, "promoted", production, json!({"checks": [1]})),
            line(3, 1, 20, "alias_set", None, champion()),
            line(4, 2, 30, "registered", none, Value::Null),
            line(5, 1, 40, "archived", archived, Value::Null),
            line(6, 2, 40, "promoted", production, json!({"checks": [2]})),
            line(7, 2, 50, "pinned", None, Value::Null),
            line(8, 2, 60, "alias_set", None, champion()),
            line(9, 1, 70, "refused", None, Value::Null),
            line(10, 1, 80, "pruned", None, Value::Null),
            line(11, 2, 90, "unpinned", None, Value::Null),
            line(12, 2, 90, "alias_removed", None, champion()),
        ]
    }

    fn told(state: &StateAt) -> String {
        let stages = state.versions.iter().map(|one| {
            let pin = if one.pinned.is_some() { "!" } else { "" };
            format!("{}{pin} {} #{}", one.version, one.stage.as_str(), one.decision.id)
        });
        let aliases = state.aliases.iter().map(|one| format!("@{} {} #{}", one.alias, one.version, one.decision.id));
        let previous = state.previous.map(|version| format!("<- {version}"));
        stages.chain(aliases).chain(previous).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_moment_shows_what_stood_then_and_who_decided() {
        let ledger = ledger();
        let at = |ms| state_at(&ledger, ms).map(|state| told(&state));
        assert_eq!(at(9), None);
        assert_eq!(at(10).unwrap(), "v1 None #1");
        assert_eq!(at(29).unwrap(), "v1 Production #2, @champion v1 #3");
        assert_eq!(at(39).unwrap(), "v1 Production #2, v2 None #4, @champion v1 #3");
        assert_eq!(at(40).unwrap(), "v1 Archived #5, v2 Production #6, @champion v1 #3, <- v1");
        assert_eq!(at(79).unwrap(), "v1 Archived #5, v2! Production #6, @champion v2 #8, <- v1");
        // A refusal changed nothing; what was pruned is no longer what a rollback goes to.
        assert_eq!(at(80).unwrap(), "v2! Production #6, @champion v2 #8");
        assert_eq!(at(i64::MAX).unwrap(), "v2 Production #6");
        assert_eq!(state_at(&ledger, 45).unwrap().versions[1].decision.evidence, json!({"checks": [2]}));
    }

    #[test]
    fn a_clock_that_was_set_back_shows_no_state_that_never_was() {
        let mut ledger = ledger();
        ledger[5].at_ms = 15;
        // The promotion of v2 is told with the line before it, not before v2 was there.
        assert_eq!(told(&state_at(&ledger, 20).unwrap()), "v1 Production #2, @champion v1 #3");
        assert_eq!(state_at(&ledger, 40).unwrap().production, Some(Version(2)));
        // A later moment never knows fewer lines.
        let known: Vec<usize> = (0..100).filter_map(|ms| state_at(&ledger, ms)).map(|state| state.lines).collect();
        assert!(known.is_sorted() && known.last() == Some(&12));
    }

    #[test]
    fn unknown_lines_and_shapes_are_passed_over() {
        let ledger = [
            line(1, 1, 1, "registered", Some(Stage::None), Value::Null),
            line(2, 1, 2, "alias_set", None, json!({"alias": 7})),
            line(3, 9, 3, "pinned", None, Value::Null),
            line(4, 1, 4, "blessed", None, json!([1])),
        ];
        assert_eq!(told(&state_at(&ledger, 9).unwrap()), "v1 None #1");
        assert_eq!(state_at(&[], 9), None);
    }

    #[test]
    fn a_rollback_passes_over_what_is_gone() {
        let production = Some(Stage::Production);
        let mut ledger: Vec<LedgerEntry> =
            (1..=4).map(|n| line(n, n as u32, n, "promoted", production, Value::Null)).collect();
        let active = Some(Version(4));
        assert_eq!(previous_holder(&ledger, active), Some(Version(3)));
        ledger.push(line(5, 3, 5, "deleted", None, Value::Null));
        assert_eq!(previous_holder(&ledger, active), Some(Version(2)));
        ledger.push(line(6, 2, 6, "rolled_back", production, Value::Null));
        assert_eq!(previous_holder(&ledger, Some(Version(2))), Some(Version(1)));
        ledger.push(line(7, 1, 7, "pruned", None, Value::Null));
        assert_eq!(previous_holder(&ledger, Some(Version(2))), None);
        assert_eq!(previous_holder(&ledger[..4], None), Some(Version(4)), "nothing is in production now");
    }
}
