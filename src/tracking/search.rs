//! Search: a filter's tree becomes one SQL condition over `runs r`, in which every name and value is bound.
//!
//! Each test of a metric, param or tag is an `EXISTS` that looks up one row by key and run, so it is true or false and
//! never `NULL`; metrics are read from the index that holds one metric of all runs side by side. Missing values sort
//! last in both directions; equal ones by the later start, then by id.

use std::fmt::Write as _;

use rusqlite::types::Value;

use super::database::Tracker;
use super::filter::{Attribute, Expr, Field, Filter, Literal, Operator, Test};
use super::parser::parse_order;
use super::record::{Run, View};
use crate::error::Result;

/// What to search for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search<'a> {
    /// In these experiments; empty means in all.
    pub experiments: &'a [i64],
    /// The runs that fit it; `None` means all.
    pub filter: Option<&'a Filter>,
    /// What to sort by, such as `metrics.f1 DESC`; then by the later start, then by id.
    pub order: &'a [String],
    /// At most so many runs.
    pub limit: usize,
    /// After so many.
    pub offset: usize,
    /// Deleted runs or not.
    pub view: View,
}

impl Tracker {
    /// Finds runs, with their params, latest metrics and tags.
    ///
    /// # Errors
    /// `Invalid` when the order cannot be read: the message shows the place.
    pub fn search_runs(&self, search: &Search<'_>) -> Result<Vec<Run>> {
        let (sql, values) = compile(search)?;
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?;
            let found = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
            super::runs::load(connection, &found)
        })
    }
}

fn compile(search: &Search<'_>) -> Result<(String, Vec<Value>)> {
    let mut values = Values::default();
    let mut conditions = Vec::new();
    match search.view {
        View::Active => conditions.push("r.lifecycle = 'active'".to_owned()),
        View::Deleted => conditions.push("r.lifecycle = 'deleted'".to_owned()),
        View::All => {}
    }
    match search.experiments {
        [] => {}
        [one] => conditions.push(format!("r.experiment_id = {}", values.bind(*one))),
        several => {
            let list = values.bind(serde_json::Value::from(several).to_string());
            conditions.push(format!("r.experiment_id IN (SELECT value FROM json_each({list}))"));
        }
    }
    if let Some(Filter(expr)) = search.filter {
        conditions.push(values.expr(expr));
    }
    let mut sql = "SELECT r.seq FROM runs r".to_owned();
    if !conditions.is_empty() {
        let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
    }
    sql.push_str(" ORDER BY ");
    for order in search.order {
        for (field, descending) in parse_order(order)? {
            let direction = if descending { "DESC" } else { "ASC" };
            for key in values.sort_keys(&field) {
                let _ = write!(sql, "{key} {direction} NULLS LAST, ");
            }
        }
    }
    let bounded = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let (limit, offset) = (values.bind(bounded(search.limit)), values.bind(bounded(search.offset)));
    let _ = write!(sql, "r.start_ms DESC, r.id LIMIT {limit} OFFSET {offset}");
    Ok((sql, values.0))
}

/// The bound values, in the order of their numbers.
#[derive(Default)]
struct Values(Vec<Value>);

impl Values {
    /// Binds a value and gives its place in the SQL.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("?{}", self.0.len())
    }

    fn literal(&mut self, literal: &Literal) -> String {
        match literal {
            Literal::Number(number) => self.bind(*number),
            Literal::Text(text) => self.bind(text.clone()),
        }
    }

    fn expr(&mut self, expr: &Expr) -> String {
        match expr {
            Expr::All(parts) => self.joined(parts, "AND"),
            Expr::Any(parts) => self.joined(parts, "OR"),
            Expr::Not(inner) => format!("NOT {}", self.expr(inner)),
            Expr::Test(field, test) => self.field(field, test),
        }
    }

    /// A balanced tree: a thousand tests in a row would be too deep for `SQLite`.
    fn joined(&mut self, parts: &[Expr], word: &str) -> String {
        match parts {
            [one] => self.expr(one),
            several => {
                let (left, right) = several.split_at(several.len() / 2);
                let (left, right) = (self.joined(left, word), self.joined(right, word));
                format!("({left} {word} {right})")
            }
        }
    }

    fn field(&mut self, field: &Field, test: &Test) -> String {
        let (table, key) = match field {
            Field::Metric(key) => ("latest_metrics INDEXED BY latest_metrics_by_key", key),
            Field::Param(key) => ("params", key),
            Field::Tag(key) => ("tags", key),
            Field::Attribute(attribute) => {
                let column = attribute_sql(*attribute);
                return match test {
                    Test::Null { negated } => format!("({column} IS {}NULL)", if *negated { "NOT " } else { "" }),
                    test => format!("({column} IS NOT NULL AND {})", self.test(column, column, test)),
                };
            }
        };
        let key = self.bind(key.clone());
        let row = format!("EXISTS (SELECT 1 FROM {table} WHERE key = {key} AND run = r.seq");
        match (field, test) {
            (_, Test::Null { negated: true }) => format!("{row})"),
            (_, Test::Null { negated: false }) => format!("NOT {row})"),
            (Field::Metric(_), test) => format!("{row} AND is_nan = 0 AND {})", self.test("value", "value", test)),
            (Field::Param(_), test) => format!("{row} AND {})", self.test("value", "number", test)),
            (_, test) => format!("{row} AND {})", self.test("value", "value", test)),
        }
    }

    /// A test of a column that is there; `number` is the column that numbers are compared with.
    fn test(&mut self, text: &str, number: &str, test: &Test) -> String {
        let column = |literal: &Literal| if matches!(literal, Literal::Number(_)) { number } else { text };
        match test {
            Test::Compare(operator, literal) => {
                let operator = match operator {
                    Operator::Equal => "=",
                    // A param that is no number differs from every number.
                    Operator::NotEqual => "IS NOT",
                    Operator::Less => "<",
                    Operator::LessEqual => "<=",
                    Operator::Greater => ">",
                    Operator::GreaterEqual => ">=",
                };
                let value = self.literal(literal);
                format!("{} {operator} {value}", column(literal))
            }
            Test::In { negated, values } => {
                let (mut numbers, mut texts) = (Vec::new(), Vec::new());
                for literal in values {
                    let list = if matches!(literal, Literal::Number(_)) { &mut numbers } else { &mut texts };
                    list.push(self.literal(literal));
                }
                let parts = [(number, numbers), (text, texts)].into_iter().filter(|(_, list)| !list.is_empty());
                let parts: Vec<String> =
                    parts.map(|(column, list)| format!("coalesce({column} IN ({}), 0)", list.join(", "))).collect();
                format!("{}({})", if *negated { "NOT " } else { "" }, parts.join(" OR "))
            }
            Test::Like { negated, any_case, pattern } => {
                let not = if *negated { "NOT " } else { "" };
                match any_case {
                    true => format!("{text} {not}LIKE {}", self.bind(pattern.clone())),
                    false => format!("{text} {not}GLOB {}", self.bind(glob(pattern))),
                }
            }
            Test::Null { .. } => unreachable!("asked of the row, not of the column"),
        }
    }

    /// What to sort by. Params sort as numbers first, then as text.
    fn sort_keys(&mut self, field: &Field) -> Vec<String> {
        let mut look_up = |column: &str, table: &str, key: &String, more: &str| {
            let key = self.bind(key.clone());
            format!("(SELECT {column} FROM {table} WHERE key = {key} AND run = r.seq{more})")
        };
        match field {
            Field::Metric(key) => {
                let table = "latest_metrics INDEXED BY latest_metrics_by_key";
                vec![look_up("value", table, key, " AND is_nan = 0")]
            }
            Field::Param(key) => vec![look_up("number", "params", key, ""), look_up("value", "params", key, "")],
            Field::Tag(key) => vec![look_up("value", "tags", key, "")],
            Field::Attribute(attribute) => vec![attribute_sql(*attribute).to_owned()],
        }
    }
}

fn attribute_sql(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::RunId => "r.id",
        Attribute::RunName => "r.name",
        Attribute::Status => "r.status",
        Attribute::StartTime => "r.start_ms",
        Attribute::EndTime => "r.end_ms",
        Attribute::Duration => "(r.end_ms - r.start_ms)",
        Attribute::Experiment => "(SELECT e.name FROM experiments e WHERE e.id = r.experiment_id)",
        Attribute::ExperimentId => "r.experiment_id",
        Attribute::Command => "r.command",
    }
}

/// A `LIKE` pattern as a `GLOB` pattern, which tells capitals from small letters.
fn glob(pattern: &str) -> String {
    pattern.chars().fold(String::with_capacity(pattern.len()), |mut glob, letter| {
        match letter {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', letter, ']']),
            other => glob.push(other),
        }
        glob
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::names::ExperimentName;
    use crate::tracking::runs::tests::{Store, id, metric};
    use crate::tracking::{Batch, Status};

    /// Five runs: 1 and 2 in `base`, 3 to 5 in `other`; 4 has a NaN, 5 has nothing and still runs.
    fn store() -> Store {
        let store = Store::new();
        store.ensure_experiment(&ExperimentName::parse("other").unwrap(), "", 0).unwrap();
        let table: [(u32, i64, f64, &str, &str); 4] = [
            (1, 1, 0.9, "1.0", "ml-core"),
            (2, 1, 0.5, "10", "ML-infra"),
            (3, 2, 0.7, "auto", "data*"),
            (4, 2, f64::NAN, "0.5", "it's 100%"),
        ];
        for (number, experiment, f1, c, team) in table {
            let start = i64::from(number) * 10;
            store.start(number, experiment, "train", start);
            let pairs = |key: &str, value: &str| [(key.to_owned(), value.to_owned())];
            let (params, tags) = (pairs("C", c), pairs("team", team));
            let metrics = [metric("f1", f1, 1), metric("val f1", f1 / 2.0, 1)];
            store
                .log_batch(&id(number), &Batch { params: &params, metrics: &metrics, tags: &tags, ..Batch::default() })
                .unwrap();
            let status = if number == 2 { Status::Failed } else { Status::Finished };
            store.finish_run(&id(number), status, start + i64::from(number)).unwrap();
        }
        store.start(5, 2, "evaluate", 50);
        store
    }

    fn numbers(found: &[Run]) -> Vec<u32> {
        found.iter().map(|run| u32::from_str_radix(&run.id.as_str()[..8], 16).unwrap()).collect()
    }

    /// The runs that fit what a person wrote.
    fn fitting(store: &Store, filter: &str) -> Result<Vec<Run>> {
        store.search_runs(&Search { filter: Filter::parse(filter)?.as_ref(), ..everything() })
    }

    fn everything() -> Search<'static> {
        Search { experiments: &[], filter: None, order: &[], limit: 100, offset: 0, view: View::Active }
    }

    #[test]
    fn a_filter_finds_what_it_says() {
        let store = store();
        for (filter, expected) in [
            ("", vec![5, 4, 3, 2, 1]),
            ("metrics.f1 > 0.6", vec![3, 1]),
            ("metrics.f1 != 0.9", vec![3, 2]),
            ("NOT metrics.f1 > 0.6", vec![5, 4, 2]),
            ("metrics.f1 < 1 AND NOT (metrics.f1 > 0.8 OR status = 'FAILED')", vec![3]),
            ("metrics.f1 = 0.9 OR metrics.f1 = 0.5 AND params.C = '1.0'", vec![1]),
            ("metrics.f1 IN (0.9, 0.5)", vec![2, 1]),
            ("metrics.f1 NOT IN (0.9, 0.5)", vec![3]),
            ("metrics.f1 IS NULL", vec![5]),
            ("metrics.f1 IS NOT NULL", vec![4, 3, 2, 1]),
            ("metrics.`val f1` = 0.25", vec![2]),
            ("params.C = '1.0'", vec![1]),
            ("params.C = '1'", vec![]),
            ("params.C = 1", vec![1]),
            ("params.C >= 1", vec![2, 1]),
            ("params.C > '1'", vec![3, 2, 1]),
            ("params.C != 1", vec![4, 3, 2]),
            ("params.C IN (10, 'auto')", vec![3, 2]),
            ("params.C NOT IN (10, 'auto')", vec![4, 1]),
            ("tags.team LIKE 'ml%'", vec![1]),
            ("tags.team ILIKE 'ml%'", vec![2, 1]),
            ("tags.team NOT LIKE 'ml%'", vec![4, 3, 2]),
            ("NOT tags.team LIKE 'ml%'", vec![5, 4, 3, 2]),
            ("tags.team LIKE 'data*'", vec![3]),
            ("tags.team LIKE 'data_'", vec![3]),
            ("tags.team LIKE '*'", vec![]),
            ("tags.team = 'it''s 100%'", vec![4]),
            ("attributes.status = 'failed' OR experiment = 'other' AND command = 'evaluate'", vec![5, 2]),
            ("duration_ms >= 2 AND start_time < 40", vec![3, 2]),
            ("NOT duration_ms >= 2", vec![5, 1]),
            ("end_time IS NULL", vec![5]),
            ("end_time != 44", vec![3, 2, 1]),
            ("end_time NOT IN (44)", vec![3, 2, 1]),
            ("run_name LIKE '%3' OR run_id LIKE '00000004%'", vec![4, 3]),
        ] {
            assert_eq!(numbers(&fitting(&store, filter).unwrap()), expected, "{filter}");
        }
    }

    #[test]
    fn missing_values_sort_last_in_both_directions() {
        let store = store();
        let by = |order: &str| {
            let order = [order.to_owned()];
            numbers(&store.search_runs(&Search { order: &order, ..everything() }).unwrap())
        };
        assert_eq!(by("metrics.f1 DESC"), [1, 3, 2, 5, 4]);
        assert_eq!(by("metrics.f1"), [2, 3, 1, 5, 4]);
        assert_eq!(by("params.C ASC"), [4, 1, 2, 3, 5]);
        assert_eq!(by("params.C DESC"), [2, 1, 4, 3, 5]);
        assert_eq!(by("tags.team"), [2, 3, 4, 1, 5]);
        assert_eq!(by("attributes.status, start_time ASC"), [2, 1, 3, 4, 5]);
        assert_eq!(by("end_time DESC"), [4, 3, 2, 1, 5]);
        let order = ["command".to_owned(), "metrics.f1 DESC".to_owned()];
        let page = Search { order: &order, limit: 2, offset: 1, ..everything() };
        assert_eq!(numbers(&store.search_runs(&page).unwrap()), [1, 3]);
    }

    #[test]
    fn experiments_and_views_narrow_the_search() {
        let store = store();
        store.delete_run(&id(3)).unwrap();
        let found = |experiments: &[i64], view| {
            numbers(&store.search_runs(&Search { experiments, view, ..everything() }).unwrap())
        };
        assert_eq!(found(&[1], View::Active), [2, 1]);
        assert_eq!(found(&[2], View::All), [5, 4, 3]);
        assert_eq!(found(&[1, 2, 9], View::Active), [5, 4, 2, 1]);
        assert_eq!(found(&[], View::Deleted), [3]);
        assert!(found(&[9], View::All).is_empty());
        let run = &store.search_runs(&Search { experiments: &[1], ..everything() }).unwrap()[1];
        assert_eq!(run, &store.run(id(1).as_str()).unwrap());
        assert_eq!((run.params["C"].as_str(), run.metrics["f1"], run.tags["team"].as_str()), ("1.0", 0.9, "ml-core"));
    }

    #[test]
    fn nothing_written_by_a_user_becomes_sql() {
        let store = store();
        for filter in [
            "tags.team = 'x'' OR 1=1; DROP TABLE runs; --'",
            "metrics.`f1' OR 1=1 --` > 0",
            "params.\"C' OR '1'='1\" = 'x'",
            "tags.team LIKE '%'' OR ''1''=''1'",
        ] {
            assert_eq!(fitting(&store, filter).unwrap(), [], "{filter}");
        }
        let order = ["metrics.`f1) DESC; DROP TABLE runs; --`".to_owned()];
        assert_eq!(store.search_runs(&Search { order: &order, ..everything() }).unwrap().len(), 5);
        for filter in ["1=1", "metrics.f1 > 0 UNION SELECT 1", "metrics.f1 > (SELECT 1)", "status = status"] {
            let error = fitting(&store, filter).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{filter}");
        }
        // As many tests as a filter can hold are not too deep for SQLite.
        let long = vec!["tags.a='b'"; 650].join(" OR ");
        assert_eq!(fitting(&store, &long).unwrap(), []);
    }
}
