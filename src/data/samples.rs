//! Documents for tests, made by hand.

use super::Truth;
use super::rows::{Inputs, Rows};

/// The documents d0, d1, … of these queries, so many of each, without inputs.
#[must_use]
pub fn rows_of_queries(queries: &[(&str, usize)]) -> Rows {
    let mut rows = Rows {
        ids: Vec::new(),
        inputs: Inputs::Texts(Vec::new()),
        truth: Truth::Unknown,
        queries: Vec::new(),
        query_ids: queries.iter().map(|(id, _)| (*id).to_owned()).collect(),
        parts: Vec::new(),
        numbers: Vec::new(),
        skipped: Vec::new(),
        by: std::collections::BTreeMap::new(),
        anchor: String::new(),
        n_read: 0,
        skipped_label: 0,
        skipped_input: 0,
        time: None,
        feature_names: Vec::new(),
        warnings: Vec::new(),
    };
    for (query, (_, documents)) in (0..).zip(queries) {
        for _ in 0..*documents {
            rows.ids.push(format!("d{}", rows.n_read));
            rows.n_read += 1;
            rows.numbers.push(rows.n_read);
            rows.queries.push(query);
        }
    }
    rows
}
