//! Rows that are to be ranked: whose query they are, their grades, their ids, and splits that cut no query.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::labels::{HIGHEST_GRADE, canonical};
use super::split::{Keys, Part, make};
use super::table::Table;
use crate::error::{Error, Result};
use crate::text::counted;

/// The queries of the kept rows, which stand together.
#[derive(Debug, Default)]
pub(super) struct Queries {
    /// The column that names them.
    pub column: String,
    /// The query of each kept row, as an index into `ids`.
    pub of_row: Vec<u32>,
    /// Query ids, in the order in which they first appear.
    pub ids: Vec<String>,
}

/// Reads the queries of the kept rows and brings the rows of a query together, in their order; the queries keep the order
/// in which they first appear. Ids are compared as labels are: `10` and `10.0` are one query.
///
/// # Errors
/// `Invalid` with the row when one has no query.
pub(super) fn grouped(table: &Table, column: &str, kept: &mut Vec<usize>) -> Result<(Queries, Option<String>)> {
    let cells: Vec<Option<&str>> = table.cells(column)?.collect();
    let mut queries = Queries { column: column.to_owned(), ..Queries::default() };
    let (mut of_cell, mut of_id): (HashMap<&str, u32>, HashMap<String, u32>) = (HashMap::new(), HashMap::new());
    let mut scattered: BTreeSet<u32> = BTreeSet::new();
    let mut first_scattered = None;
    let mut last: Option<(&str, u32)> = None;
    for row in kept.iter() {
        let missing = || {
            let hint = "every document names its query";
            table.place(*row, column).error("the query is missing").hint(hint)
        };
        let cell = cells[*row].ok_or_else(missing)?;
        let known = match last {
            Some((same, query)) if same == cell => Some(query),
            _ => of_cell.get(cell).copied(),
        };
        let query = if let Some(query) = known {
            query
        } else {
            let id = canonical(Some(cell)).ok_or_else(missing)?;
            let next = queries.ids.len() as u32;
            let query = *of_id.entry(id.clone()).or_insert(next);
            if query == next {
                queries.ids.push(id);
                // It begins here: nothing of it stood elsewhere.
                last = Some((cell, query));
            }
            of_cell.insert(cell, query);
            query
        };
        if last.is_some_and(|(_, before)| before != query) && scattered.insert(query) {
            first_scattered.get_or_insert(query);
        }
        last = Some((cell, query));
        queries.of_row.push(query);
    }
    let Some(first) = first_scattered else { return Ok((queries, None)) };
    let mut rows: Vec<(u32, usize)> = queries.of_row.iter().copied().zip(kept.iter().copied()).collect();
    rows.sort_by_key(|(query, _)| *query);
    (queries.of_row, *kept) = rows.into_iter().unzip();
    let warning = format!(
        "{}: the documents of {} stand in several places (first: query `{}`); they were brought together",
        table.source(),
        counted(scattered.len(), "query", "queries"),
        queries.ids[first as usize]
    );
    Ok((queries, Some(warning)))
}

/// The grades of the kept rows: whole numbers of 0 to 31, `2.0` and `2` alike.
///
/// # Errors
/// `Invalid` with the row for any other label, and for none.
pub(super) fn grades(table: &Table, column: &str, kept: &[usize]) -> Result<Vec<u8>> {
    let cells: Vec<Option<&str>> = table.cells(column)?.collect();
    let grade = |row: &usize| {
        let cell = cells[*row].unwrap_or_default().trim();
        if let [digit @ b'0'..=b'9'] = cell.as_bytes() {
            return Ok(digit - b'0');
        }
        let number = cell.parse::<f64>().ok();
        let grade = number.filter(|it| it.fract() == 0.0 && (0.0..=f64::from(HIGHEST_GRADE)).contains(it));
        grade.map(|grade| grade as u8).ok_or_else(|| {
            let place = table.place(*row, column);
            let error = if canonical(Some(cell)).is_none() {
                place.error("the label is missing")
            } else {
                place.error(format!("the label `{cell}` is no grade"))
            };
            error.hint("ranking labels are whole numbers of 0 to 31; NDCG takes 2 to their power")
        })
    };
    kept.iter().map(grade).collect()
}

/// Refuses a document without features.
///
/// # Errors
/// `Invalid` with the row.
pub(super) fn check_present(table: &Table, column: &str) -> Result<()> {
    let absent = table.vectors().and_then(|vectors| vectors.present().iter().position(|present| !present));
    match absent {
        None => Ok(()),
        Some(row) => Err(table
            .place(row, table.feature_names().first().map_or(column, String::as_str))
            .error("the value is missing, and with it all of the row's features")
            .hint("fill the values in, or leave the document out of the file")),
    }
}

/// The ids of documents.
pub(super) struct Ids {
    /// One per kept row; the row's number where it has none.
    pub of_row: Vec<String>,
    /// Whether no row has an id of its own.
    pub are_numbers: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// The ids of the kept rows. Other queries may have the same documents, so only a query is looked through for ids that stand
/// twice; those are told, not refused.
///
/// # Errors
/// `Failed` when the column was not read.
pub(super) fn ids(table: &Table, column: Option<&str>, kept: &[usize], queries: &Queries) -> Result<Ids> {
    let number = |row: usize| (table.before() + row + 1).to_string();
    let cells: Vec<Option<&str>> = match column {
        Some(column) => table.cells(column)?.map(|cell| cell.filter(|cell| !cell.trim().is_empty())).collect(),
        None => Vec::new(),
    };
    let given = |row: usize| cells.get(row).copied().flatten();
    let n_without = kept.iter().filter(|row| given(**row).is_none()).count();
    let ids: Vec<String> = kept.iter().map(|row| given(*row).map_or_else(|| number(*row), str::to_owned)).collect();
    if n_without == kept.len() {
        return Ok(Ids { of_row: ids, are_numbers: true, warnings: Vec::new() });
    }
    let mut warnings = Vec::new();
    if n_without > 0 {
        let source = table.source();
        let without = counted(n_without, "document has no id", "documents have no id");
        warnings.push(format!("{source}: {without}; row numbers stand for it"));
    }
    let (mut seen, mut twice) = (BTreeSet::new(), Vec::new());
    for (at, id) in ids.iter().enumerate() {
        if at > 0 && queries.of_row[at] != queries.of_row[at - 1] {
            seen.clear();
        }
        if !seen.insert(id.as_str()) {
            twice.push(at);
        }
    }
    if let Some(first) = twice.first() {
        let (query, source) = (&queries.ids[queries.of_row[*first] as usize], table.source());
        warnings.push(format!(
            "{source}: {} that another one of the same query has (first: `{}` of query `{query}`)",
            counted(twice.len(), "document has an id", "documents have an id"),
            ids[*first]
        ));
    }
    Ok(Ids { of_row: ids, are_numbers: false, warnings })
}

/// Draws whole queries: the shares are shares of the queries, and every part that is wanted gets one.
///
/// # Errors
/// `Invalid` when there are fewer queries than parts.
pub(super) fn drawn(queries: &Queries, shares: [f64; 3], seed: u64) -> Result<Vec<Part>> {
    let wanted: Vec<Part> =
        Part::ALL.into_iter().zip(shares).filter(|(_, share)| *share > 0.0).map(|(part, _)| part).collect();
    let n = queries.ids.len();
    if n < wanted.len() {
        let names: Vec<&str> = wanted.iter().map(|part| part.name()).collect();
        let message = format!("{} cannot be split into {}", counted(n, "query", "queries"), names.join(", "));
        return Err(Error::invalid(message)
            .hint("a query is never cut: bring more queries, or files of their own under `data.files`"));
    }
    let mut parts = make(n, shares, Keys::None, seed);
    for lacking in wanted {
        if parts.contains(&lacking) {
            continue;
        }
        let count = |part: Part| parts.iter().filter(|given| **given == part).count();
        let most = Part::ALL.into_iter().max_by_key(|part| count(*part)).expect("there are three parts");
        if let Some(at) = parts.iter().rposition(|part| *part == most) {
            parts[at] = lacking;
        }
    }
    Ok(queries.of_row.iter().map(|query| parts[*query as usize]).collect())
}

/// Refuses a split that cuts a query.
///
/// # Errors
/// `Invalid`, naming the first query that is in two parts.
pub(super) fn check_whole(queries: &Queries, parts: &[Part], column: &str) -> Result<()> {
    let mut sides: BTreeMap<u32, Part> = BTreeMap::new();
    for (query, part) in queries.of_row.iter().zip(parts) {
        let first = *sides.entry(*query).or_insert(*part);
        if first != *part {
            let query = &queries.ids[*query as usize];
            return Err(Error::invalid(format!(
                "column `{column}` cuts the query `{query}`: some of its documents are for {}, some for {}",
                first.name(),
                part.name()
            ))
            .hint("all documents of a query belong to one part"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &[&str])]) -> Table {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect();
        let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), cells(column)));
        Table::new("a.csv", columns.collect(), None).unwrap()
    }

    fn queries_of(cells: &[&str]) -> Result<(Queries, Vec<usize>, Option<String>)> {
        let mut kept = (0..cells.len()).collect();
        let (queries, warning) = grouped(&table(&[("q", cells)]), "q", &mut kept)?;
        Ok((queries, kept, warning))
    }

    #[test]
    fn rows_of_a_query_are_brought_together_in_their_order() {
        let (queries, kept, warning) = queries_of(&["b", "b", "a", "c", "b", "a", "a"]).unwrap();
        assert_eq!(
            (queries.ids, queries.of_row),
            (vec!["b".into(), "a".into(), "c".into()], vec![0, 0, 0, 1, 1, 1, 2])
        );
        assert_eq!(kept, [0, 1, 4, 2, 5, 6, 3]);
        assert!(warning.unwrap().contains("the documents of 2 queries stand in several places (first: query `b`)"));
        let (queries, kept, warning) = queries_of(&["10", "10.0", " 10", "x y", "9"]).unwrap();
        assert_eq!(
            (queries.ids, queries.of_row, warning),
            (vec!["10".into(), "x y".into(), "9".into()], vec![0, 0, 0, 1, 2], None)
        );
        assert_eq!(kept, [0, 1, 2, 3, 4]);
        for missing in ["", " ", "NaN"] {
            let error = queries_of(&["1", missing]).unwrap_err();
            assert_eq!(error.message, "a.csv: row 2, column `q`: the query is missing");
        }
    }

    #[test]
    fn grades_are_whole_numbers_up_to_31() {
        let read = |label: &str| grades(&table(&[("y", &["1", label])]), "y", &[0, 1]).map(|grades| grades[1]);
        for (label, grade) in [("0", 0), ("2.0", 2), (" 31 ", 31), ("-0", 0), ("1e1", 10)] {
            assert_eq!(read(label).unwrap(), grade, "{label}");
        }
        for label in ["32", "-1", "1.5", "inf", "relevant", "true"] {
            let error = read(label).unwrap_err();
            assert_eq!(error.message, format!("a.csv: row 2, column `y`: the label `{label}` is no grade"));
            assert!(error.hint.unwrap().contains("0 to 31"));
        }
        for label in ["", "nan", "NULL"] {
            assert!(read(label).unwrap_err().message.ends_with("the label is missing"), "{label}");
        }
    }

    #[test]
    fn ids_may_stand_in_several_queries() {
        let ids_of_two = vec!["q".into(), "r".into()];
        let two = Queries { of_row: vec![0, 0, 0, 1, 1], ids: ids_of_two, ..Queries::default() };
        let read = |cells: &[&str]| ids(&table(&[("d", cells)]), Some("d"), &[0, 1, 2, 3, 4], &two).unwrap();
        let found = read(&["a", "b", "c", "a", "b"]);
        assert!(!found.are_numbers && found.warnings.is_empty());
        let found = read(&["a", "b", "a", "", "b"]);
        assert_eq!(found.of_row, ["a", "b", "a", "4", "b"]);
        assert_eq!(found.warnings.len(), 2);
        assert!(
            found.warnings[1]
                .ends_with("1 document has an id that another one of the same query has (first: `a` of query `q`)")
        );
        assert!(read(&["", "", " ", "", ""]).are_numbers);
    }

    #[test]
    fn whole_queries_are_drawn() {
        let of = |n: u32| Queries {
            of_row: (0..n).flat_map(|query| [query; 3]).collect(),
            ids: (0..n).map(|query| query.to_string()).collect(),
            ..Queries::default()
        };
        let shares = [0.6, 0.2, 0.2];
        let count = |parts: &[Part], part: Part| parts.iter().filter(|given| **given == part).count() / 3;
        for (n, counts) in [(100, [60, 20, 20]), (3, [1, 1, 1]), (4, [2, 1, 1])] {
            let parts = drawn(&of(n), shares, 1).unwrap();
            assert_eq!(Part::ALL.map(|part| count(&parts, part)), counts, "{n}");
            assert!(check_whole(&of(n), &parts, "").is_ok());
        }
        assert_eq!(drawn(&of(100), shares, 1).unwrap(), drawn(&of(100), shares, 1).unwrap());
        assert_ne!(drawn(&of(100), shares, 1).unwrap(), drawn(&of(100), shares, 2).unwrap());
        let few = |n: u32| drawn(&of(n), shares, 1).unwrap_err().message;
        assert_eq!(few(1), "1 query cannot be split into train, validation, test");
        assert_eq!(few(2), "2 queries cannot be split into train, validation, test");
        assert_eq!(drawn(&of(2), [0.9, 0.0, 0.1], 1).unwrap().iter().filter(|part| **part == Part::Test).count(), 3);
    }

    #[test]
    fn a_query_that_is_cut_is_named() {
        let ids = vec!["q".into(), "r".into()];
        let queries = Queries { of_row: vec![0, 0, 1, 1], ids, ..Queries::default() };
        let error = check_whole(&queries, &[Part::Train, Part::Train, Part::Train, Part::Test], "split").unwrap_err();
        assert_eq!(
            error.message,
            "column `split` cuts the query `r`: some of its documents are for train, some for test"
        );
    }
}
