//! Recommendations: the items for each query, the best first.

use super::format::{optional, plural, seconds};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::workflows::recommend::{Answer, Outcome, Recommendation};

/// The answer; `show` are the columns of the items to repeat.
#[must_use]
pub fn document(outcome: &Outcome, show: &[String]) -> Document {
    let mut document = Document::new("Recommendations");
    for answer in &outcome.answers {
        document.gap();
        document.text(head(answer));
        if answer.recommendations.is_empty() {
            document.text("no item is left");
        } else {
            document.table(items(answer, show));
        }
    }
    let mut about = vec![plural(outcome.items, "item")];
    for (count, what) in [(outcome.items_without_input, "without a text"), (outcome.duplicates, "doubled")] {
        if count > 0 {
            about.push(format!("{count} {what}"));
        }
    }
    about.push(format!("searched in {}", seconds(outcome.seconds.get("search").copied().unwrap_or_default())));
    document.gap();
    document.note(format!("{} {}: {}", outcome.model, outcome.version, about.join(", ")));
    document
}

/// What the items are for.
fn head(answer: &Answer) -> Line {
    let head = match &answer.query {
        Some(query) => Line::from("for ") + emphasis(query),
        None => "for the text".into(),
    };
    match answer.success_probability {
        Some(probability) => head + dim(format!("  (its own success probability is {probability:.4})")),
        None => head,
    }
}

fn items(answer: &Answer, show: &[String]) -> Table {
    let mut columns = vec![
        ("", Align::Right),
        ("id", Align::Left),
        ("similarity", Align::Right),
        ("success", Align::Right),
        ("combined", Align::Right),
    ];
    columns.extend(show.iter().map(|name| (name.as_str(), Align::Cut)));
    let row = |one: &Recommendation| {
        let mut row = cells![
            one.rank.to_string(),
            &one.id,
            format!("{:.4}", one.similarity_score),
            optional(one.success_probability),
            format!("{:.4}", one.combined_score),
        ];
        row.extend(show.iter().map(|name| Line::from(one.shown.get(name).cloned().flatten().unwrap_or_default())));
        row
    };
    Table::of(&columns).with(answer.recommendations.iter().map(row))
}
