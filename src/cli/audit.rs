//! How `embed --audit` is drawn.

use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, format, table};
use crate::embeddings::audit::{Audit, Counted, Finding};

/// Characters of the longest bar.
const BAR: usize = 40;

/// The audit as a person reads it.
pub fn describe(audit: &Audit) -> String {
    let lengths = &audit.lengths;
    let mut text = format!("{}\n", bold(&format::plural(audit.texts, "text")));
    text += &format!(
        "tokens     half have at most {}, 90 % {}, 99 % {}, all {}\n",
        lengths.p50, lengths.p90, lengths.p99, lengths.max
    );
    text += &histogram(audit);
    let cut = &audit.truncation;
    let told = format!("{} of {} ({:.1} %)", cut.truncated, cut.texts, 100.0 * cut.share);
    let mark = if cut.truncated == 0 { good(&told) } else { bad(&told) };
    text += &format!("truncated  {mark}: the model reads {} tokens\n", cut.max_length);
    if !cut.worst.is_empty() {
        let worst = cut.worst.iter().take(5).map(|long| format!("row {} has {}", long.row, long.tokens));
        text += &dim(&format!("           {}\n", worst.collect::<Vec<_>>().join(", ")));
    }
    let unknown = &audit.unknown;
    text += &format!(
        "unknown    {} ({:.2} % of all tokens)\n",
        format::plural(unknown.tokens, "token"),
        100.0 * unknown.rate
    );
    text += &listed("words", &unknown.words);
    text += &listed("characters", &unknown.characters);
    let findings: Vec<&Finding> = [&audit.empty, &audit.without_tokens]
        .into_iter()
        .filter(|finding| finding.texts > 0)
        .chain(&audit.findings)
        .collect();
    if findings.is_empty() {
        return text + &format!("encoding   {}\n", good("nothing found"));
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let rows = finding.rows.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
            vec![finding.about.to_owned(), finding.texts.to_string(), rows, finding.example.escape_debug().to_string()]
        })
        .collect();
    let columns =
        [("found", Align::Left), ("texts", Align::Right), ("first rows", Align::Cut), ("example", Align::Cut)];
    text + "\n" + &table(&columns, &rows)
}

fn histogram(audit: &Audit) -> String {
    let most = audit.lengths.histogram.iter().map(|bin| bin.texts).max().unwrap_or(1).max(1);
    let widest = audit.lengths.histogram.iter().map(|bin| bin.to.to_string().len()).max().unwrap_or(1);
    let line = |from: usize, to: usize, texts: usize| {
        // A bin that has a text has a bar.
        let bar = "█".repeat((texts * BAR / most).max(usize::from(texts > 0)));
        format!("           {from:>widest$}–{to:<widest$} {bar} {texts}\n")
    };
    audit.lengths.histogram.iter().map(|bin| line(bin.from, bin.to, bin.texts)).collect()
}

fn listed(what: &str, counted: &[Counted]) -> String {
    if counted.is_empty() {
        return String::new();
    }
    let shown = counted.iter().take(10).map(|one| format!("{} ×{}", one.text.escape_debug(), one.count));
    dim(&format!("           {what}: {}\n", shown.collect::<Vec<_>>().join("  ")))
}
