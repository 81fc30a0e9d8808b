//! A section that several papers have: two models, metric by metric.

use super::document::{Align, Document, Table, cells};
use super::numbers::{count, optional};

/// Two models on the same rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonSection {
    /// The one that the other is held against: `v2 (in production)`.
    pub baseline: String,
    /// The other: `v3`.
    pub candidate: String,
    /// A line a metric.
    pub rows: Vec<ComparisonRow>,
    /// What to mind: other test rows.
    pub notes: Vec<String>,
}

/// One metric of two models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonRow {
    /// The metric.
    pub metric: String,
    /// Its value with the baseline.
    pub baseline: Option<f64>,
    /// Its value with the candidate.
    pub candidate: Option<f64>,
    /// How much better (above 0) or worse the candidate is.
    pub effect: Option<f64>,
    /// The lower end of the effect's 95 % interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The p-value.
    pub p: Option<f64>,
    /// The test.
    pub test: Option<String>,
    /// Rows or queries.
    pub n: Option<usize>,
    /// `better`, `worse`, `inconclusive`.
    pub verdict: Option<String>,
}

/// Adds a comparison: columns without any entry are left out.
pub fn comparison(document: &mut Document, given: &ComparisonSection) {
    document.section(format!("{} against {}", given.candidate, given.baseline));
    let tested = given.rows.iter().any(|row| row.test.is_some());
    let mut columns = vec![
        ("metric", Align::Left),
        (given.baseline.as_str(), Align::Right),
        (given.candidate.as_str(), Align::Right),
        (if tested { "effect [95 % interval]" } else { "gain" }, Align::Right),
    ];
    if tested {
        columns.extend([("p", Align::Right), ("test", Align::Left), ("n", Align::Right), ("verdict", Align::Left)]);
    }
    let mut table = Table::of(&columns);
    for row in &given.rows {
        let interval =
            row.low.zip(row.high).map_or_else(String::new, |(low, high)| format!(" [{low:+.3}, {high:+.3}]"));
        let effect = row.effect.map_or("–".into(), |effect| format!("{effect:+.4}{interval}"));
        let mut cells = cells![&row.metric, optional(row.baseline), optional(row.candidate), effect];
        if tested {
            let told = |text: &Option<String>| text.clone().unwrap_or_default();
            let n = row.n.map_or_else(String::new, count);
            let p = row.p.map_or_else(String::new, |p| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") });
            cells.extend(cells![p, told(&row.test), n, told(&row.verdict)]);
        }
        table.rows.push(cells);
    }
    document.table(table);
    if !tested {
        document.note("Stored values side by side, not tested: mlops compare --baseline tests the difference.");
    }
    given.notes.iter().for_each(|note| document.note(note));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown::{Figures, markdown};

    #[test]
    fn a_tested_comparison_and_one_of_stored_values() {
        let row = ComparisonRow {
            metric: "f1".into(),
            baseline: Some(0.8),
            candidate: Some(0.816),
            effect: Some(0.016),
            low: Some(-0.001),
            high: Some(0.033),
            p: Some(0.0004),
            test: Some("paired bootstrap".into()),
            n: Some(1000),
            verdict: Some("inconclusive".into()),
        };
        let text = |row: ComparisonRow| {
            let mut document = Document::new("x");
            let section = ComparisonSection {
                baseline: "v2".into(),
                candidate: "v3".into(),
                rows: vec![row],
                notes: vec!["other rows".into()],
            };
            comparison(&mut document, &section);
            markdown(&document, Figures::Told)
        };
        let told = text(row.clone());
        let line =
            "| f1 | 0.8000 | 0.8160 | +0.0160 [-0.001, +0.033] | \\< 0.001 | paired bootstrap | 1,000 | inconclusive |";
        assert!(told.contains(line), "{told}");
        let stored = ComparisonRow { test: None, low: None, high: None, p: None, verdict: None, ..row };
        let told = text(stored);
        assert!(told.contains("| f1 | 0.8000 | 0.8160 | +0.0160 |") && told.contains("not tested"), "{told}");
        assert!(told.ends_with("> other rows\n"));
    }
}
