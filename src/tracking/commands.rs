//! The commands whose runs are not what a person looks for: one list, for filters and for SQL.

/// The commands whose runs only say that something was done: a list of runs passes them over, so that training runs are
/// not buried.
pub const BOOKKEEPING: [&str; 9] =
    ["predict", "compare", "promote", "rollback", "recommend", "export", "init", "drift-check", "retrain"];

/// The commands whose runs have results but no model that could be the best: `evaluate` may be of any rows.
const WITHOUT_MODEL: [&str; 2] = ["embed", "evaluate"];

/// The commands of bookkeeping as an SQL list.
pub(super) fn bookkeeping() -> String {
    sql_list(&BOOKKEEPING)
}

/// The commands whose runs are no candidates for the best run, as an SQL list: bookkeeping, and those without a model.
pub(super) fn no_candidates() -> String {
    sql_list(&[&BOOKKEEPING[..], &WITHOUT_MODEL].concat())
}

fn sql_list(names: &[&str]) -> String {
    format!("('{}')", names.join("', '"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sql() {
        assert!(bookkeeping().starts_with("('predict', 'compare', "));
        assert!(no_candidates().ends_with(", 'retrain', 'embed', 'evaluate')"));
    }
}
