//! A candidate against the version in production, row by row on rows that both have answered; rankings query by query.

use serde::{Deserialize, Serialize};

use super::check::{Check, Kind, NOT_WORSE_BY, Verdict};
use super::subject::Subject;
use crate::comparison::{Difference, Options, Outcome, Rule, decide};
use crate::config::{Mode, Versus};
use crate::data::Part;
use crate::error::{Cause, Result};
use crate::names::RunId;
use crate::project::Project;
use crate::runs::known_rows::KnownRows;
use crate::runs::paired::{Overlap, Paired, answers, pair};
use crate::runs::ranking_files::CONVENTION_TAG;
use crate::stats::sample_size::Aim;
use crate::tracking::Run;

/// The rows of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedOn {
    /// How many rows; of rankings, documents.
    pub rows: usize,
    /// Of rankings, how many queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<usize>,
    /// Rows that were left out: one of the two has learned from them, or of rankings from a document of their query.
    pub learned: usize,
    /// The run with the candidate's answers.
    pub candidate: RunId,
    /// The run with production's answers.
    pub production: RunId,
    /// The digest of the rows' ids and labels.
    pub test_ids: String,
}

/// Why there are no such rows, and what to do.
pub(super) type Both = std::result::Result<(ComparedOn, Paired), String>;

/// By which conventions a run judged its queries.
fn convention(run: &Run) -> Option<String> {
    run.tags.get(CONVENTION_TAG).cloned()
}

/// The newest rows that both versions have answered: the test rows of training, or those of an evaluation.
pub(super) fn rows_of_both(project: &Project, candidate: &Subject, production: &Subject) -> Result<Both> {
    let (new, old) = (candidate.answered(project)?, production.answered(project)?);
    let tested_on = |run: &Run| run.tags.get("test_ids").cloned();
    // With a positive label or an average of its own, a run's metrics are others.
    let viewed = |run: &Run| run.tags.contains_key("average") || run.tags.contains_key("positive");
    // So it is by conventions that are not those of the version's own training.
    let usual = |runs: &[Run]| runs.iter().find(|run| run.command == "train").and_then(convention);
    let (new_usual, old_usual) = (usual(&new), usual(&old));
    let viewed = |run: &Run, usual: &Option<String>| viewed(run) || (usual.is_some() && convention(run) != *usual);
    let pairs = new.iter().flat_map(|new| old.iter().map(move |old| (new, old)));
    let same = pairs.filter(|(new, old)| tested_on(new).is_some() && tested_on(new) == tested_on(old));
    let mut same: Vec<(&Run, &Run)> =
        same.filter(|(new, old)| !viewed(new, &new_usual) && !viewed(old, &old_usual)).collect();
    same.sort_by_key(|(new, old)| std::cmp::Reverse((new.start_ms.max(old.start_ms), new.start_ms, new.id.clone())));
    let mut learned = None;
    let mut found = None;
    for (new, old) in same {
        let read = |run| answers(project, run);
        let both = read(new).and_then(|new_answers| Ok((new_answers, read(old)?)));
        let both = both.and_then(|(right, left)| pair((old, &left), (new, &right), Overlap::All));
        match both {
            Ok(paired) => match unseen(project, (candidate, new), (production, old), paired)? {
                Some((paired, left_out)) => {
                    found = Some((new, old, paired, left_out));
                    break;
                }
                None => {
                    learned = Some(format!("run {} is about rows that one of the two was trained on", new.id.short()));
                }
            },
            // Other classes, or answers that were deleted: the line of the gate says it.
            Err(error) if error.cause() == Some(&Cause::NotComparable) => return Ok(Err(error.message)),
            Err(error) => return Err(error),
        }
    }
    let Some((new, old, paired, learned)) = found else {
        let [new, old] = [candidate, production].map(|one| format!("{}/{}", one.located.model, one.located.version.0));
        let why = learned.unwrap_or_else(|| "no rows that both have answered".into());
        return Ok(Err(format!(
            "{why}: `mlops evaluate {new} --data F` and `mlops evaluate {old} --data F`, F being newer than both"
        )));
    };
    let (candidate, production) = (new.id.clone(), old.id.clone());
    let test_ids = tested_on(new).unwrap_or_default();
    let queries = paired.baseline.is_ranking().then(|| paired.baseline.starts().len() - 1);
    Ok(Ok((ComparedOn { rows: paired.ids().len(), queries, learned, candidate, production, test_ids }, paired)))
}

/// The rows that neither of the two has learned from, and how many were left out; none when nothing is left, or when it
/// cannot be known and may be so.
fn unseen(
    project: &Project,
    (candidate, new): (&Subject, &Run),
    (production, old): (&Subject, &Run),
    paired: Paired,
) -> Result<Option<(Paired, usize)>> {
    let mut rows = None;
    for run in [new, old] {
        // A training answers its test rows.
        let part = (run.command == "train").then_some(Part::Test);
        rows = rows.or(KnownRows::of(project, run)?.map(|known| (known, part)));
    }
    let learned = [candidate.known_rows(project)?, production.known_rows(project)?];
    if let (Some((rows, part)), [Some(one), Some(other)]) = (&rows, &learned) {
        let (digests, learned) = (rows.digests(*part), [one.learned(), other.learned()]);
        let ids = paired.ids();
        let fresh = |row: usize| digests.is_none_of(&paired.baseline, row, &learned);
        let kept = whole(&paired, (0..ids.len()).map(fresh).collect());
        let left_out = ids.len() - kept.len();
        return Ok(match (kept.is_empty(), left_out) {
            (true, _) => None,
            (false, 0) => Some((paired, 0)),
            (false, left_out) => Some((paired.rows(&kept), left_out)),
        });
    }
    for run in [new, old] {
        for subject in [candidate, production] {
            if subject.may_be_trained_on(project, run, paired.ids())? {
                return Ok(None);
            }
        }
    }
    Ok(Some((paired, 0)))
}

/// The rows to keep: those that are fresh; of rankings those of queries that are fresh as a whole.
fn whole(paired: &Paired, mut fresh: Vec<bool>) -> Vec<usize> {
    if paired.baseline.is_ranking() {
        for ends in paired.baseline.starts().windows(2) {
            let all = fresh[ends[0]..ends[1]].iter().all(|fresh| *fresh);
            fresh[ends[0]..ends[1]].fill(all);
        }
    }
    fresh.into_iter().enumerate().filter(|(_, fresh)| *fresh).map(|(row, _)| row).collect()
}

/// Holds the candidate against production by one rule.
///
/// # Errors
/// `Invalid` when the test does not fit the metric.
pub(super) fn versus(rule: &Versus, both: Option<&Both>, seed: u64) -> Result<Check> {
    let (asked, words) = match (rule.mode, rule.margin, rule.min_effect) {
        (Mode::NonInferiority, margin, _) => {
            let margin = margin.unwrap_or_default();
            (Rule::NonInferiority(margin), format!("{NOT_WORSE_BY}{margin}"))
        }
        (Mode::MinimumEffect, _, least) => {
            let least = least.unwrap_or_default();
            (Rule::MinimumEffect(least), format!("better than production by {least}"))
        }
        (Mode::Superiority, ..) => (Rule::Superiority, "better than production".to_owned()),
    };
    let line = |value, verdict| Check::new(Kind::VersusProduction, &rule.metric, value, words, verdict);
    let (on, paired) = match both {
        None => return Ok(line(None, Verdict::NotApplicable).detail("nothing in production")),
        Some(Err(why)) => return Ok(line(None, Verdict::Fail).detail(why)),
        Some(Ok((on, paired))) => (on, paired),
    };
    let edge = match asked {
        Rule::Superiority => 0.0,
        Rule::NonInferiority(margin) => -margin,
        Rule::MinimumEffect(least) => least,
    };
    let options = Options { alpha: rule.alpha, seed, edge, ..Options::default() };
    let difference = paired.difference(&rule.metric, &options)?;
    let decision = decide(&difference, asked);
    let verdict = match decision.outcome {
        Outcome::Pass => Verdict::Pass,
        Outcome::Inconclusive => Verdict::Inconclusive,
        Outcome::Fail => Verdict::Fail,
    };
    // How far the gain is from what the rule rules out: rows decide that, in both directions.
    let distance = difference.effect.map(|effect| match asked {
        Rule::Superiority => effect,
        Rule::NonInferiority(margin) => effect + margin,
        Rule::MinimumEffect(least) => {
            if effect >= least {
                effect
            } else {
                effect - least
            }
        }
    });
    let mut detail = words_of(&difference, verdict, distance);
    if on.learned > 0 {
        let rows = crate::text::thousands(on.learned as u64);
        detail += &match on.queries {
            None => format!("; {rows} more left out: one of the two learned from them"),
            Some(_) => format!("; {rows} more documents left out: one of the two learned from their queries"),
        };
    }
    if let Some(other) = paired.other_convention() {
        detail += &format!("; {other}");
    }
    Ok(Check { difference: Some(Box::new(difference.clone())), ..line(difference.effect, verdict).detail(detail) })
}

/// The numbers of a comparison in one line.
fn words_of(found: &Difference, verdict: Verdict, distance: Option<f64>) -> String {
    let (Some(lower), Some(upper)) = (found.lower, found.upper) else {
        return found.reason.clone().unwrap_or_default();
    };
    // One-sided at alpha on each side: two-sided at twice alpha.
    let level = ((1.0 - 2.0 * found.alpha) * 1000.0).round() / 10.0;
    let mut text =
        format!("{level} % interval [{lower:+.4}, {upper:+.4}]; {}, {}", found.test, found.unit.counted(found.n));
    let aim = Aim { alpha: found.alpha, ..Aim::default() };
    let needed = distance.zip(found.se).and_then(|(distance, se)| aim.rows(found.n, distance, se));
    if let (Verdict::Inconclusive, Some(rows)) = (verdict, needed.filter(|rows| *rows > found.n)) {
        text += &format!("; about {} needed (80 % power)", found.unit.counted(rows));
    }
    // Where p and the two-sided interval disagree is of no account here: the one-sided bound decides.
    if let Some(note) = found.note.as_ref().filter(|_| !found.is_at_the_edge()) {
        text += &format!("; {note}");
    }
    text
}
