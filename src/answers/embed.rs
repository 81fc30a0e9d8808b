//! Embedding: what was embedded, and what an audit found in the texts.

use super::format::{plural, seconds, shown};
use super::train::skipped;
use crate::embeddings::audit::{Audit, Counted, Finding};
use crate::report::document::{Align, Document, Table, bad, cells, dim, good};
use crate::workflows::embed::Outcome;

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let mut document = Document::new("Embedding");
    let (rows, dimensions) = (plural(outcome.rows, "row"), outcome.dimensions);
    document.fact("embedded", format!("{rows} in {dimensions} dimensions -> {}", shown(&outcome.output)));
    skipped(&mut document, outcome.skipped_without_label, (outcome.skipped_without_input, "no text"));
    if outcome.empty > 0 {
        document.fact("empty", format!("{} without a text", plural(outcome.empty, "row")));
    }
    let report = &outcome.report;
    if report.unknown > 0 {
        let share = 100.0 * report.unknown as f64 / report.tokens.max(1) as f64;
        document.fact("unknown", format!("{} ({share:.2} %)", plural(report.unknown, "token")));
    }
    if report.cached > 0 {
        document.fact("cached", format!("{} of {}", report.cached, plural(report.texts, "text")));
    }
    if let Some(rate) = outcome.texts_per_second {
        let took: f64 = report.seconds.values().sum();
        document.fact("speed", format!("{rate:.0} texts a second, {}", seconds(took)));
    }
    if let Some(cosine) = &report.cosine_to_f32 {
        let (texts, mean, min) = (plural(cosine.texts, "text"), cosine.mean, cosine.min);
        document.fact("cosine", format!("to f32 {mean:.5} on average, {min:.5} at least ({texts})"));
    }
    document.fact("embedder", dim(&outcome.embedder));
    document
}

/// Characters of the longest bar.
const BAR: usize = 40;

/// Lengths, truncation, unknown tokens, encoding.
#[must_use]
pub fn audit(audit: &Audit) -> Document {
    let mut document = Document::new("Texts");
    let lengths = &audit.lengths;
    document.section(plural(audit.texts, "text"));
    document.fact(
        "tokens",
        format!("half have at most {}, 90 % {}, 99 % {}, all {}", lengths.p50, lengths.p90, lengths.p99, lengths.max),
    );
    histogram(&mut document, audit);
    let cut = &audit.truncation;
    let share = format!("{} of {} ({:.1} %)", cut.truncated, cut.texts, 100.0 * cut.share);
    let share = if cut.truncated == 0 { good(share) } else { bad(share) };
    document.fact("truncated", share + format!(": the model reads {} tokens", cut.max_length));
    if !cut.worst.is_empty() {
        let worst = cut.worst.iter().take(5).map(|long| format!("row {} has {}", long.row, long.tokens));
        document.fact("", dim(worst.collect::<Vec<_>>().join(", ")));
    }
    let unknown = &audit.unknown;
    let tokens = plural(unknown.tokens, "token");
    document.fact("unknown", format!("{tokens} ({:.2} % of all tokens)", 100.0 * unknown.rate));
    listed(&mut document, "words", &unknown.words);
    listed(&mut document, "characters", &unknown.characters);
    let findings: Vec<&Finding> = [&audit.empty, &audit.without_tokens]
        .into_iter()
        .filter(|finding| finding.texts > 0)
        .chain(&audit.findings)
        .collect();
    if findings.is_empty() {
        document.fact("encoding", good("nothing found"));
        return document;
    }
    let row = |finding: &&Finding| {
        let rows = finding.rows.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        cells![finding.about, finding.texts.to_string(), rows, finding.example.escape_debug().to_string()]
    };
    let columns =
        [("found", Align::Left), ("texts", Align::Right), ("first rows", Align::Cut), ("example", Align::Cut)];
    document.gap();
    document.table(Table::of(&columns).with(findings.iter().map(row)));
    document
}

/// How many texts have so many tokens, as bars.
fn histogram(document: &mut Document, audit: &Audit) {
    let bins = &audit.lengths.histogram;
    let most = bins.iter().map(|bin| bin.texts).max().unwrap_or(1).max(1);
    let widest = bins.iter().map(|bin| bin.to.to_string().len()).max().unwrap_or(1);
    for bin in bins {
        // A bin that has a text has a bar.
        let bar = "█".repeat((bin.texts * BAR / most).max(usize::from(bin.texts > 0)));
        document.fact("", format!("{:>widest$}–{:<widest$} {bar} {}", bin.from, bin.to, bin.texts));
    }
}

fn listed(document: &mut Document, what: &str, counted: &[Counted]) {
    if counted.is_empty() {
        return;
    }
    let shown = counted.iter().take(10).map(|one| format!("{} ×{}", one.text.escape_debug(), one.count));
    document.fact("", dim(format!("{what}: {}", shown.collect::<Vec<_>>().join("  "))));
}
