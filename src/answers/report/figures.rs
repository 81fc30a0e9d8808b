//! Plots of a run, from its predictions and its history.

use crate::error::Result;
use crate::report::calibration::ece;
use crate::report::document::{Block, Document, Figure};
use crate::report::numbers::{count, estimate_with_interval, plural};
use crate::report::plots::confusion::{Confusion, confusion};
use crate::report::plots::curves::{self, Curve};
use crate::report::plots::impact::{Bar, Impact, impact};
use crate::report::plots::learning::{Learning, learning};
use crate::report::plots::precision_recall::{PrecisionRecall, precision_recall};
use crate::report::plots::reliability::{Reliability, reliability};
use crate::report::plots::roc::{Roc, roc};
use crate::runs::predictions::Predictions;
use crate::runs::stored::{Feature, Stored};

/// The most classes that have a curve of their own.
const MOST_CURVES: usize = 10;
/// The features whose importance is drawn.
const FEATURES: usize = 20;

/// The title of a plot: what it shows, and of what.
pub fn titled(what: &str, stored: &Stored) -> String {
    match stored.tag("model").zip(stored.tag("version")) {
        Some((model, version)) => format!("{what}: {model} v{version}"),
        None => format!("{what}: run {}", stored.run.id.short()),
    }
}

pub fn add(document: &mut Document, name: &str, title: &str, subtitle: &str, svg: String) {
    document.push(Block::Figure(Figure { name: name.into(), caption: format!("{title}; {subtitle}"), svg }));
}

/// The confusion matrix, ROC, precision–recall and reliability of the deciding part.
pub fn predictions(document: &mut Document, stored: &Stored) -> Result<()> {
    document.section("Errors and curves");
    matrix(document, stored)?;
    let all = match &stored.predictions {
        Ok(all) => all,
        Err(reason) => {
            document.note(format!("No curves: {reason}."));
            return Ok(());
        }
    };
    let part = stored.judged().map_or("test", |(part, _)| part.as_str());
    let rows = all.part(part);
    if rows.is_empty() {
        document.note(format!("No curves: no predictions of {part} rows are stored."));
        return Ok(());
    }
    areas(document, stored, part, &rows)?;
    calibration(document, stored)
}

fn matrix(document: &mut Document, stored: &Stored) -> Result<()> {
    let Some((part, evaluation)) = stored.judged() else {
        document.note("No confusion matrix: the run's metrics.json is not stored.");
        return Ok(());
    };
    let accuracy = evaluation
        .metrics
        .get("accuracy")
        .map_or_else(String::new, |one| format!(", accuracy {}", estimate_with_interval(one)));
    let subtitle = format!("{part} rows, n = {}{accuracy}", count(evaluation.rows));
    let title = titled("Confusion matrix", stored);
    let Some(classes) = evaluation.classes() else { return Ok(()) };
    let given = Confusion { title: &title, subtitle: &subtitle, labels: &classes.labels, counts: &classes.confusion };
    add(document, "confusion", &title, &subtitle, confusion(&given)?);
    Ok(())
}

/// The classes to draw: the positive one of two, else the most frequent ones in class order.
fn drawn_classes(rows: &Predictions) -> Vec<usize> {
    if rows.labels.len() == 2 {
        return vec![1];
    }
    let mut support = vec![0_usize; rows.labels.len()];
    rows.truth.iter().for_each(|class| support[*class] += 1);
    let mut classes: Vec<usize> = (0..support.len()).collect();
    classes.sort_by_key(|class| (std::cmp::Reverse(support[*class]), *class));
    classes.truncate(MOST_CURVES);
    classes.sort_unstable();
    classes
}

fn areas(document: &mut Document, stored: &Stored, part: &str, rows: &Predictions) -> Result<()> {
    let (n, k) = (rows.len(), rows.labels.len());
    let classes = drawn_classes(rows);
    let of = |draw: fn(&str, &[f64], &[bool]) -> Option<Curve>| -> Vec<Curve> {
        let curve = |class: &usize| {
            let scores: Vec<f64> = rows.scores.iter().skip(*class).step_by(k).copied().collect();
            let truth: Vec<bool> = rows.truth.iter().map(|truth| truth == class).collect();
            draw(&rows.labels[*class], &scores, &truth)
        };
        classes.iter().filter_map(curve).collect()
    };
    let estimate = |name: &str| {
        stored.estimate(name).map_or_else(String::new, |one| format!(", {name} {}", estimate_with_interval(&one)))
    };
    let left = k.saturating_sub(classes.len());
    let more = if k > 2 && left > 0 { format!(", {left} rarer classes not drawn") } else { String::new() };
    let each = if k > 2 { ", each class against the others" } else { "" };
    let subtitle = |metric: &str| format!("{part} rows, n = {}{}{each}{more}", count(n), estimate(metric));
    let curves = of(curves::roc);
    if curves.is_empty() {
        document.note("No ROC: it is not defined with rows of one class only.");
    } else {
        let (title, subtitle) = (titled("ROC", stored), subtitle("roc_auc"));
        add(document, "roc", &title, &subtitle, roc(&Roc { title: &title, subtitle: &subtitle, curves: &curves })?);
    }
    let curves = of(curves::precision_recall);
    if !curves.is_empty() {
        let share = |class: &usize| rows.truth.iter().filter(|truth| *truth == class).count() as f64 / n as f64;
        let share = classes.iter().map(share).sum::<f64>() / classes.len() as f64;
        let (title, subtitle) = (titled("Precision and recall", stored), subtitle("average_precision"));
        let given = PrecisionRecall { title: &title, subtitle: &subtitle, curves: &curves, share };
        add(document, "precision_recall", &title, &subtitle, precision_recall(&given)?);
    }
    Ok(())
}

/// Reliability of what a person sees as probability, as the evaluation found it: of the positive class, of more classes
/// that of the called one.
fn calibration(document: &mut Document, stored: &Stored) -> Result<()> {
    let judged = stored
        .judged()
        .and_then(|(part, evaluation)| Some((part, evaluation.rows, evaluation.classes()?.reliability.as_ref()?)));
    let Some((part, rows, found)) = judged else {
        document.note("No reliability: the run is of an older build, or its metrics.json is not stored.");
        return Ok(());
    };
    let of = found
        .positive
        .as_ref()
        .map_or_else(|| "probability of the called class".into(), |label| format!("probability of {label}"));
    let bins = found.bins.len();
    let title = titled("Reliability", stored);
    let subtitle = format!("{part} rows, n = {}, {of}, {bins} bins of equal count, 95 % intervals", count(rows));
    let svg = reliability(&Reliability { title: &title, subtitle: &subtitle, bins: &found.bins })?;
    add(document, "reliability", &title, &subtitle, svg);
    document.text(ece(found));
    Ok(())
}

/// The features that weigh most, where the model says so.
pub fn importance(document: &mut Document, stored: &Stored) -> Result<()> {
    let whole: f64 = stored.importance.iter().map(|feature| feature.importance).sum();
    if stored.importance.is_empty() || whole.is_nan() || whole <= 0.0 {
        return Ok(());
    }
    let bar = |feature: &Feature| Bar {
        parameter: feature.feature.clone(),
        importance: feature.importance / whole,
        interval: None,
    };
    let bars: Vec<Bar> = stored.importance.iter().take(FEATURES).map(bar).collect();
    let title = titled("Feature importance", stored);
    let used = stored.importance.iter().filter(|feature| feature.importance > 0.0).count();
    let subtitle = format!(
        "the first {} of {} that the model uses, each as a share of all",
        count(bars.len().min(used)),
        plural(used, "feature")
    );
    document.section("Feature importance");
    add(
        document,
        "importance",
        &title,
        &subtitle,
        impact(&Impact { title: &title, subtitle: &subtitle, bars: &bars })?,
    );
    Ok(())
}

/// Learning curves, where the fit told of its steps.
pub fn history(document: &mut Document, stored: &Stored) -> Result<()> {
    let steps = stored.history.len();
    let epochs = stored.history.iter().any(|row| row.contains_key("epoch"));
    let kept = ["best_epoch", "best_tree"].iter().find_map(|name| stored.run.metrics.get(*name).copied());
    let (title, subtitle) = (
        titled("Learning curves", stored),
        match kept.filter(|kept| epochs && *kept < steps as f64) {
            Some(kept) => format!("{}, dashed: the one that was kept, {kept}", plural(steps, "epoch")),
            None if epochs => plural(steps, "epoch"),
            None => format!("{} steps", count(steps)),
        },
    );
    let given = Learning { title: &title, subtitle: &subtitle, history: &stored.history, kept };
    if let Some(svg) = learning(&given)? {
        document.section("Learning curves");
        add(document, "learning", &title, &subtitle, svg);
    }
    Ok(())
}
