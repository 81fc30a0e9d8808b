//! A check of all columns: pairs, hypotheses, verdicts, findings, and what a person sees of each column.

use ndarray::Array2;
use serde::Serialize;

use super::chosen::Statistic;
use super::current::{Seen, Values};
use super::decision::{Case, Rule, Settings, Verdict, judge, replicates};
use super::domain_classifier::{DomainClassifier, WIDEST};
use super::explain::{Moved, moved};
use super::findings::{Finding, is_broken, is_lost, missing, null_rate, of_column, unseen};
use super::kl::Kl;
use super::pair::{Histogram, Pair};
use super::profile::{Column, Content, Role};
use super::statistic::{Counts, Draws, DriftStatistic, FEW, Kind, Null, Sides};
use super::vectors::VectorSample;
use crate::catalog::Named as _;
use crate::tracking::Severity;

/// A column with its current side; none where the data lack it.
pub type Observed<'a> = (&'a Column, Option<&'a Seen>);

/// The name of the whole vectors among the columns.
pub const VECTORS: &str = "vectors";

/// What a check says of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The column.
    pub name: String,
    /// Where it comes from; none for whole vectors.
    pub role: Option<Role>,
    /// What it holds.
    pub kind: Kind,
    /// The statistic.
    pub statistic: &'static str,
    /// Values of the reference.
    pub n_reference: u64,
    /// Current values.
    pub n: u64,
    /// Current rows without a value.
    pub nulls: u64,
    /// The statistic's value; none where there is nothing to compare, and `reason` says why.
    pub value: Option<f64>,
    /// What it had to exceed.
    pub threshold: Option<f64>,
    /// The p-value.
    pub p: Option<f64>,
    /// Holm's adjusted p-value, which decides.
    pub p_holm: Option<f64>,
    /// Benjamini and Hochberg's.
    pub q: Option<f64>,
    /// How p was come by.
    pub test: Option<&'static str>,
    /// Whether the column drifts.
    pub drift: bool,
    /// How badly.
    pub severity: Severity,
    /// The Kullback–Leibler divergence, whatever the statistic is.
    pub kl_divergence: Option<f64>,
    /// What that divergence would have to exceed.
    pub kl_threshold: Option<f64>,
    /// Mean of the reference, of numbers.
    pub reference_mean: Option<f64>,
    /// Standard deviation of the reference.
    pub reference_std: Option<f64>,
    /// Mean of the current values.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub std: Option<f64>,
    /// Both sides, drawn.
    pub histogram: Histogram,
    /// The bins, those that moved most first; for vectors none.
    pub bins: Vec<Moved>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether anything drifts.
    pub drift: bool,
    /// The worst severity.
    pub severity: Severity,
    /// The columns, in the order of the reference.
    pub columns: Vec<Checked>,
    /// What is plainly wrong.
    pub findings: Vec<Finding>,
    /// What the check cannot say.
    pub notes: Vec<String>,
}

/// What a hypothesis is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Values(usize),
    Nulls(usize),
    Vectors,
}

/// Checks columns and, where there are any, whole vectors.
#[must_use]
pub fn check(
    observed: &[Observed<'_>],
    vectors: Option<(&VectorSample, &Array2<f32>)>,
    settings: &Settings,
    seed: u64,
) -> Report {
    let chosen = settings.statistic.0;
    let mut findings: Vec<Vec<Finding>> = observed
        .iter()
        .map(|(column, seen)| {
            seen.map_or_else(|| vec![missing(column)], |seen| of_column(column, seen, settings.alpha))
        })
        .collect();
    let pairs: Vec<Option<Pair<'_>>> =
        observed.iter().map(|(column, seen)| seen.map(|seen| Pair::new(column, seen))).collect();
    let samples = vectors.map(|(sample, rows)| (sample.matrix(), sample.like(rows)));
    let mut asked: Vec<(About, &'static dyn DriftStatistic, Sides<'_>)> = Vec::new();
    for (at, ((column, seen), pair)) in observed.iter().zip(&pairs).enumerate() {
        let (Some(seen), Some(pair)) = (seen, pair) else { continue };
        if is_lost(&findings[at]) {
            continue;
        }
        if seen.present() >= FEW && !is_broken(&findings[at]) {
            asked.push((About::Values(at), statistic_for(chosen, column.kind()), pair.sides()));
        }
        if column.nulls + seen.nulls > 0 && seen.rows >= FEW {
            asked.push((About::Nulls(at), &Kl, null_sides(column, seen)));
        }
    }
    if let Some((reference, current)) = &samples {
        let sides = Sides { vectors: Some((reference, current)), ..Sides::default() };
        asked.push((About::Vectors, &DomainClassifier, sides));
    }
    let draws = Draws { most: replicates(asked.len(), settings.alpha), seed };
    let (about, cases): (Vec<About>, Vec<Case<'_>>) = asked
        .into_iter()
        .filter_map(|(about, statistic, sides)| {
            let value = statistic.value(&sides)?;
            let null = statistic.null(&sides, value, draws);
            Some((about, Case { statistic, sides, value, null }))
        })
        .unzip();
    let verdicts = judge(&cases, settings);
    let notes = too_few_draws(&cases, settings, draws).into_iter().collect();
    let of = |wanted: About| about.iter().position(|one| *one == wanted).map(|at| (&cases[at], &verdicts[at]));
    let mut columns = Vec::with_capacity(observed.len() + 1);
    for (at, ((column, seen), pair)) in observed.iter().zip(&pairs).enumerate() {
        let judged = of(About::Values(at));
        if let Some(seen) = seen {
            findings[at].extend(of(About::Nulls(at)).and_then(|(_, verdict)| null_rate(column, seen, verdict)));
            if !is_broken(&findings[at]) {
                findings[at].extend(unseen(column, seen, judged.map(|(_, verdict)| verdict)));
            }
        }
        let statistic = statistic_for(chosen, column.kind());
        let drawn = pair.as_ref().map(|pair| (pair, draws, settings));
        columns.push(checked(column, *seen, statistic, judged, drawn, &findings[at]));
    }
    if let (Some((sample, rows)), Some((reference, current))) = (vectors, &samples) {
        columns.push(of_vectors(sample, rows, (reference.nrows(), current.nrows()), of(About::Vectors)));
    }
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    let told = findings.iter().map(|finding| (finding.drift, finding.severity));
    let all: Vec<(bool, Severity)> = columns.iter().map(|column| (column.drift, column.severity)).chain(told).collect();
    Report {
        drift: all.iter().any(|(drift, _)| *drift),
        severity: all.iter().map(|(_, severity)| *severity).max().unwrap_or(Severity::Normal),
        columns,
        findings,
        notes,
    }
}

/// What nulls that are drawn cannot show: Holm's first step may ask for a smaller p-value than so many draws have.
fn too_few_draws(cases: &[Case<'_>], settings: &Settings, draws: Draws) -> Option<String> {
    let level = settings.alpha / cases.len().max(1) as f64;
    let least = 1.0 / (draws.most + 1) as f64;
    let drawn = cases.iter().filter(|case| matches!(case.null, Null::Drawn(_))).count();
    (settings.rule == Rule::Significant && drawn > 0 && level < least).then(|| {
        format!(
            "{drawn} of {} tests are by {} draws, which show p = {least:.1e} at least, and α {} over all of them asks for \
             {level:.1e}: those alone cannot find drift; a larger window, a larger α or fewer columns can",
            cases.len(),
            draws.most,
            settings.alpha
        )
    })
}

/// The chosen statistic, or Kullback–Leibler for a kind that it cannot look at.
fn statistic_for(chosen: &'static dyn DriftStatistic, kind: Kind) -> &'static dyn DriftStatistic {
    if chosen.kinds().contains(&kind) { chosen } else { &Kl }
}

fn null_sides(column: &Column, seen: &Seen) -> Sides<'static> {
    let counts =
        Counts { reference: vec![column.n - column.nulls, column.nulls], current: vec![seen.present(), seen.nulls] };
    Sides { counts, ..Sides::default() }
}

type Judged<'a, 'b> = Option<(&'a Case<'b>, &'a Verdict)>;

impl Checked {
    /// What the test of a column says, `(n, m)` values being on its sides, without what is known of the column beside that.
    fn of_test(
        name: &str,
        kind: Kind,
        statistic: &'static dyn DriftStatistic,
        (n, m): (u64, u64),
        judged: Judged<'_, '_>,
    ) -> Self {
        let (case, verdict) = judged.unzip();
        Self {
            name: name.to_owned(),
            role: None,
            kind,
            statistic: statistic.name(),
            n_reference: n,
            n: m,
            nulls: 0,
            value: case.map(|case| case.value),
            threshold: verdict.map(|verdict| verdict.threshold),
            p: verdict.map(|verdict| verdict.p),
            p_holm: verdict.map(|verdict| verdict.p_holm),
            q: verdict.map(|verdict| verdict.q),
            test: case.map(|case| case.null.name()),
            drift: verdict.is_some_and(|verdict| verdict.drift),
            severity: verdict.map_or(Severity::Normal, |verdict| verdict.severity),
            kl_divergence: None,
            kl_threshold: None,
            reference_mean: None,
            reference_std: None,
            mean: None,
            std: None,
            histogram: Histogram::default(),
            bins: Vec::new(),
            reason: None,
        }
    }
}

fn checked(
    column: &Column,
    seen: Option<&Seen>,
    statistic: &'static dyn DriftStatistic,
    judged: Judged<'_, '_>,
    pair: Option<(&Pair<'_>, Draws, &Settings)>,
    findings: &[Finding],
) -> Checked {
    let (mean, std) = match seen.map(|seen| &seen.values) {
        Some(Values::Numbers(numbers)) => (numbers.mean(), numbers.deviation()),
        _ => (None, None),
    };
    let (reference_mean, reference_std) = match &column.content {
        Content::Numeric(numbers) if column.values() > 0 => (Some(numbers.mean), Some(numbers.deviation)),
        _ => (None, None),
    };
    let kl = pair.and_then(|(pair, draws, settings)| of_kl(statistic, judged, pair, draws, settings));
    let reason = match (judged.is_none(), findings.iter().find(|finding| is_broken(std::slice::from_ref(finding)))) {
        (false, _) => None,
        (true, Some(finding)) => Some(finding.finding.to_owned()),
        (true, None) => Some(nothing_to_compare(column, seen)),
    };
    let sizes = (column.values(), seen.map_or(0, Seen::present));
    let tested = Checked::of_test(&column.name, column.kind(), statistic, sizes, judged);
    let alarms = findings.iter().filter(|finding| finding.drift);
    Checked {
        role: Some(column.role),
        nulls: seen.map_or(0, |seen| seen.nulls),
        drift: tested.drift || alarms.clone().next().is_some(),
        severity: alarms.map(|finding| finding.severity).fold(tested.severity, Severity::max),
        kl_divergence: kl.map(|(value, _)| value),
        kl_threshold: kl.map(|(_, threshold)| threshold),
        reference_mean,
        reference_std,
        mean,
        std,
        histogram: pair.map(|(pair, ..)| pair.histogram()).unwrap_or_default(),
        bins: pair.map(|(pair, ..)| moved(pair)).unwrap_or_default(),
        reason,
        ..tested
    }
}

fn nothing_to_compare(column: &Column, seen: Option<&Seen>) -> String {
    if column.values() == 0 {
        return "the reference has no value".to_owned();
    }
    match seen {
        Some(seen) if seen.present() >= FEW => "too few values for two bins, or all of one kind".to_owned(),
        Some(seen) if seen.present() > 0 => "few_rows".to_owned(),
        _ => "there is no value".to_owned(),
    }
}

/// Kullback–Leibler of a column and its threshold: the verdict's own, or that of the column alone.
fn of_kl(
    statistic: &'static dyn DriftStatistic,
    judged: Judged<'_, '_>,
    pair: &Pair<'_>,
    draws: Draws,
    settings: &Settings,
) -> Option<(f64, f64)> {
    if statistic.name() == Kl.name() {
        return judged.map(|(case, verdict)| (case.value, verdict.threshold));
    }
    // Of the prediction score the original interface wants it; a drawn null for every column would cost too much.
    let sides = pair.sides();
    let value = Kl.value(&sides)?;
    let null = Kl.null(&sides, value, Draws { most: 999, ..draws });
    let settings = Settings { statistic: Statistic(&Kl), effect_floor: None, ..settings.clone() };
    let verdict = judge(&[Case { statistic: &Kl, sides, value, null }], &settings);
    verdict.first().map(|verdict| (value, verdict.threshold))
}

fn of_vectors(sample: &VectorSample, rows: &Array2<f32>, (n, m): (usize, usize), judged: Judged<'_, '_>) -> Checked {
    let reason = judged.is_none().then(|| match sample.width() {
        width if width > WIDEST => format!("vectors of {width} numbers are too wide: {WIDEST} at most"),
        _ => format!("{} rows of the reference and {} current ones: {FEW} of each are needed", n, rows.nrows()),
    });
    let sizes = (n as u64, m as u64);
    Checked { reason, ..Checked::of_test(VECTORS, Kind::Vector, &DomainClassifier, sizes, judged) }
}
