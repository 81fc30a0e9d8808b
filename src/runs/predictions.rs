//! What a run said of each row: `predictions.parquet`, as `record` writes it, read back.
//!
//! Columns: `id`, `split`, `label`, `predicted`; for two classes `probability` and `score` of the second (the positive)
//! one, for more `probability_<label>` and `score_<label>`; optional groups as `by:<column>`. The class names stand in
//! the file's facts (`mlops.classes`) as a JSON array. Files of older builds have them joined by commas: with more than
//! two classes the columns' names tell them apart, with two the labels that occur do.
//!
//! A ranking run's file is another one, see `ranking_files`: grades for classes, one score a row, and queries. The order of a
//! query's rows in it is the order of ties.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::data::Task;
use crate::data::parquet_file::{self, Cells};
use crate::error::{Error, Result};
use crate::metrics::ranking::{Convention, HIGHEST_GRADE};

/// The file's name in a run's folder.
pub const FILE: &str = "predictions.parquet";

/// The fact of a file that says which task it is of.
pub const TASK: &str = "mlops.task";

/// The value of that fact in files of rankings.
pub const RANKING: &str = "ranking";

/// The fact of a file that says by which conventions the run was judged, as JSON.
pub const CONVENTION: &str = "mlops.convention";

/// Grades that there are, 0 to the highest.
const GRADES: usize = HIGHEST_GRADE as usize + 1;

/// What a model said of n rows, over k classes; or, for ranking, of n documents (then k is 1 in the numbers).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// The id of each row.
    pub ids: Vec<String>,
    /// The part of each row: `validation`, `test`, or `all` for an evaluation of other data.
    pub parts: Vec<String>,
    /// The class names, in class order; with two, the second is the positive one. For ranking `0` to `31`.
    pub labels: Vec<String>,
    /// The true class of each row; for ranking its grade.
    pub truth: Vec<usize>,
    /// The predicted class of each row; empty for ranking.
    pub predicted: Vec<usize>,
    /// The model's own scores, row-major n × k: what decisions and metrics use. For ranking n.
    pub scores: Vec<f64>,
    /// The probabilities with class weights undone, row-major n × k; empty for ranking.
    pub probabilities: Vec<f64>,
    /// For ranking, the query of each row; the rows of a query stand together. Else empty.
    pub queries: Vec<String>,
    /// For ranking, by what the run was judged.
    pub convention: Option<Convention>,
    /// The value of each row in the columns that metrics are broken down by.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl Predictions {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether these are documents of queries: then the run says by which conventions it was judged.
    #[must_use]
    pub fn is_ranking(&self) -> bool {
        self.convention.is_some()
    }

    /// What was learned.
    #[must_use]
    pub fn task(&self) -> Task {
        if self.is_ranking() { Task::Ranking } else { Task::Classification }
    }

    /// For ranking, where the queries begin and end: query q has the rows `starts[q]..starts[q + 1]`.
    #[must_use]
    pub fn starts(&self) -> Vec<usize> {
        let query = |row: usize| (&self.parts[row], &self.queries[row]);
        let begins = (0..self.queries.len()).filter(|row| *row == 0 || query(*row) != query(*row - 1));
        begins.chain([self.queries.len()]).collect()
    }

    /// For ranking, the grade of each row.
    #[must_use]
    pub fn grades(&self) -> Vec<u8> {
        self.truth.iter().map(|grade| u8::try_from(*grade).unwrap_or(HIGHEST_GRADE)).collect()
    }

    /// The rows of one part, in order.
    #[must_use]
    pub fn part(&self, part: &str) -> Self {
        let rows: Vec<usize> = (0..self.len()).filter(|row| self.parts[*row] == part).collect();
        self.rows(&rows)
    }

    /// These rows, in this order.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Self {
        let classes = if self.is_ranking() { 1 } else { self.labels.len() };
        let texts = |cells: &[String]| rows.iter().map(|row| cells[*row].clone()).collect::<Vec<_>>();
        let numbers = |cells: &[f64]| {
            let of_row = |row: &usize| cells.get(row * classes..(row + 1) * classes).unwrap_or_default();
            rows.iter().flat_map(of_row).copied().collect()
        };
        Self {
            ids: texts(&self.ids),
            parts: texts(&self.parts),
            labels: self.labels.clone(),
            truth: rows.iter().map(|row| self.truth[*row]).collect(),
            predicted: rows.iter().filter_map(|row| self.predicted.get(*row).copied()).collect(),
            scores: numbers(&self.scores),
            probabilities: numbers(&self.probabilities),
            convention: self.convention,
            queries: if self.queries.is_empty() { Vec::new() } else { texts(&self.queries) },
            groups: self.groups.iter().map(|(name, cells)| (name.clone(), texts(cells))).collect(),
        }
    }
}

/// Reads `predictions.parquet`.
///
/// # Errors
/// `NotFound` when there is no such file, `Failed` when it is damaged.
pub fn read(path: &Path) -> Result<Predictions> {
    let (columns, facts) = parquet_file::read(path)?;
    let damaged = |what: &str| Error::failed(format!("`{}` is damaged: {what}", path.display()));
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut numbers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut names: Vec<String> = Vec::new();
    for (name, cells) in columns {
        names.push(name.clone());
        match cells {
            Cells::Text(cells) => drop(texts.insert(name, cells)),
            Cells::Numbers(cells) => drop(numbers.insert(name, cells)),
        }
    }
    let mut text = |name: &str| texts.remove(name).ok_or_else(|| damaged(&format!("it has no column `{name}`")));
    if facts.get(TASK).is_some_and(|task| task == RANKING) {
        let (ids, parts, queries, grades) = (text("id")?, text("split")?, text("query")?, text("label")?);
        let grade = |cell: &String| cell.parse().ok().filter(|grade| *grade < GRADES);
        let unknown = |cell: &String| damaged(&format!("`{cell}` is no grade"));
        let truth = grades.iter().map(|cell| grade(cell).ok_or_else(|| unknown(cell))).collect::<Result<_>>()?;
        let scores = numbers.remove("score").ok_or_else(|| damaged("it has no column `score`"))?;
        let labels = (0..GRADES).map(|grade| grade.to_string()).collect();
        let convention = facts.get(CONVENTION).and_then(|text| serde_json::from_str(text).ok());
        let convention = Some(convention.ok_or_else(|| damaged("it does not say its conventions"))?);
        return Ok(Predictions { ids, parts, labels, truth, scores, queries, convention, ..Predictions::default() });
    }
    let (ids, parts, truth, predicted) = (text("id")?, text("split")?, text("label")?, text("predicted")?);
    let two = numbers.contains_key("score");
    let classes = facts.get("mlops.classes").ok_or_else(|| damaged("it does not name its classes"))?;
    let labels = class_names(classes, two, &names, truth.iter().chain(&predicted))
        .ok_or_else(|| damaged("its class names do not fit its rows"))?;
    let index: BTreeMap<&str, usize> =
        labels.iter().enumerate().map(|(class, label)| (label.as_str(), class)).collect();
    let numbered = |cells: &[String]| -> Result<Vec<usize>> {
        let class = |cell: &String| index.get(cell.as_str()).copied();
        let unknown = |cell: &String| damaged(&format!("`{cell}` is no class of it"));
        cells.iter().map(|cell| class(cell).ok_or_else(|| unknown(cell))).collect()
    };
    let (truth, predicted) = (numbered(&truth)?, numbered(&predicted)?);
    let matrix = |what: &str| -> Result<Vec<f64>> {
        let column = |name: String| numbers.get(&name).ok_or_else(|| damaged(&format!("it has no column `{name}`")));
        if two {
            return Ok(column(what.to_owned())?.iter().flat_map(|positive| [1.0 - positive, *positive]).collect());
        }
        let columns = labels.iter().map(|label| column(format!("{what}_{label}"))).collect::<Result<Vec<_>>>()?;
        Ok((0..truth.len()).flat_map(|row| columns.iter().map(move |cells| cells[row])).collect())
    };
    let (scores, probabilities) = (matrix("score")?, matrix("probability")?);
    let groups = texts.into_iter().filter_map(|(name, cells)| Some((name.strip_prefix("by:")?.to_owned(), cells)));
    let (groups, queries) = (groups.collect(), Vec::new());
    let convention = None;
    Ok(Predictions { ids, parts, labels, truth, predicted, scores, probabilities, queries, convention, groups })
}

/// The class names: the fact as JSON, or as older builds wrote it.
fn class_names<'a>(
    fact: &str,
    two: bool,
    columns: &[String],
    seen: impl Iterator<Item = &'a String>,
) -> Option<Vec<String>> {
    if let Ok(names) = serde_json::from_str::<Vec<String>>(fact) {
        return Some(names);
    }
    if !two {
        return Some(columns.iter().filter_map(|name| Some(name.strip_prefix("score_")?.to_owned())).collect());
    }
    let seen: BTreeSet<&str> = seen.map(String::as_str).collect();
    let commas = fact.match_indices(',').map(|(at, _)| (&fact[..at], &fact[at + 1..]));
    let fits = |(first, second): &(&str, &str)| seen.iter().all(|label| label == first || label == second);
    commas.filter(fits).map(|(first, second)| vec![first.to_owned(), second.to_owned()]).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::parquet_file::{Values, write};
    use crate::error::ErrorKind;

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    /// Writes three rows with these classes, labels and columns of numbers.
    fn written(folder: &Path, fact: &str, labels: &[&str], numbers: &[(&str, [f64; 3])]) -> std::path::PathBuf {
        let path = folder.join(FILE);
        let (ids, parts, labels) = (texts(&["1", "2", "3"]), texts(&["validation", "test", "test"]), texts(labels));
        let groups = texts(&["서울", "부산", "서울"]);
        let numbers: Vec<(&str, Vec<Option<f64>>)> =
            numbers.iter().map(|(name, cells)| (*name, cells.iter().copied().map(Some).collect())).collect();
        let mut columns = vec![
            ("id", Values::Text(&ids)),
            ("split", Values::Text(&parts)),
            ("label", Values::Text(&labels)),
            ("predicted", Values::Text(&labels)),
            ("by:region", Values::Text(&groups)),
        ];
        columns.extend(numbers.iter().map(|(name, cells)| (*name, Values::Numbers(cells))));
        write(&path, &columns, &[("mlops.classes", fact.to_owned())]).unwrap();
        path
    }

    #[test]
    fn two_classes_are_read_back_with_commas_in_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let numbers = [("probability", [0.25, 0.5, 1.0]), ("score", [0.75, 0.5, 0.0])];
        for fact in [r#"["no, never","yes, \"always\""]"#, "no, never,yes, \"always\""] {
            let labels = ["yes, \"always\"", "no, never", "yes, \"always\""];
            let all = read(&written(folder.path(), fact, &labels, &numbers)).unwrap();
            assert_eq!(all.labels, ["no, never", "yes, \"always\""], "{fact}");
            assert_eq!((all.truth.clone(), all.predicted.clone()), (vec![1, 0, 1], vec![1, 0, 1]));
            assert_eq!(all.scores, [0.25, 0.75, 0.5, 0.5, 1.0, 0.0]);
            let test = all.part("test");
            assert_eq!((test.ids.clone(), test.truth.clone()), (texts(&["2", "3"]), vec![0, 1]));
            assert_eq!(test.probabilities, [0.5, 0.5, 0.0, 1.0]);
            assert_eq!(test.groups["region"], ["부산", "서울"]);
            assert!(all.part("train").is_empty());
        }
    }

    #[test]
    fn more_classes_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let numbers = [
            ("probability_b,c", [0.5, 0.2, 0.1]),
            ("score_b,c", [0.6, 0.2, 0.1]),
            ("probability_a", [0.3, 0.2, 0.1]),
            ("score_a", [0.3, 0.2, 0.2]),
            ("probability_d", [0.2, 0.6, 0.8]),
            ("score_d", [0.1, 0.6, 0.7]),
        ];
        for fact in ["b,c,a,d", r#"["b,c","a","d"]"#] {
            let all = read(&written(folder.path(), fact, &["b,c", "d", "d"], &numbers)).unwrap();
            assert_eq!(all.labels, ["b,c", "a", "d"]);
            assert_eq!(all.truth, [0, 2, 2]);
            assert_eq!(all.scores[..3], [0.6, 0.3, 0.1]);
            assert_eq!(all.probabilities[6..], [0.1, 0.1, 0.8]);
        }
    }

    #[test]
    fn what_is_missing_or_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none.parquet")).unwrap_err().kind, ErrorKind::NotFound);
        let numbers = [("probability", [0.25, 0.5, 1.0]), ("score", [0.75, 0.5, 0.0])];
        let path = written(folder.path(), r#"["no","yes"]"#, &["no", "yes", "perhaps"], &numbers);
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(error.message.ends_with("is damaged: `perhaps` is no class of it"), "{}", error.message);
        std::fs::write(&path, "PAR1 nothing").unwrap();
        assert_eq!(read(&path).unwrap_err().kind, ErrorKind::Failed);
    }
}
