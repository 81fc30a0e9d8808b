//! LETOR and SVMlight files with queries: `2 qid:10 1:0.03 2:0.5 # docid = GX001-23`.
//!
//! The columns are `label`, `qid`, `docid` and the features by their index: `1`, `2`, … A feature that a line does not
//! write is 0. Rows stay in the order of the file; the matrix of the reader becomes the vectors without a copy.
//!
//! Vectors are dense. A file whose features are mostly zeros and would take more than `LARGEST` in full is refused: an index
//! that is wrong, or features that are words, which no ranker here takes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use ndarray::Array2;

use super::source::{Request, Source, VectorColumns, has_extension};
use crate::catalog::Named;
use crate::data::content::Content;
use crate::data::dataset::{Csr, Features};
use crate::data::labels::HIGHEST_GRADE;
use crate::data::letor::{self, Options, Order, Others};
use crate::data::table::{Table, no_such_column};
use crate::data::vectors::Vectors;
use crate::error::{Context, Error, Result};
use crate::text::{counted, thousands};

/// The columns besides the features.
const NAMES: [&str; 3] = ["label", "qid", "docid"];
/// Bytes that are looked at to know a file.
const START: u64 = 256 << 10;
/// Features that are named in a list, at most.
const SHOWN: u32 = 65_536;
/// Features at most, when all are taken: each costs a name and a profile besides its values.
const MOST: usize = 1 << 20;
/// Bytes of a matrix that is mostly zeros, at most.
const LARGEST: usize = 2 << 30;

/// LETOR files.
pub struct Letor;

impl Named for Letor {
    fn name(&self) -> &'static str {
        "letor"
    }

    fn about(&self) -> &'static str {
        "LETOR or SVMlight text with queries (.letor .svm .svmlight .libsvm, or .txt whose first line has a `qid:`)"
    }
}

/// The start of a file: its whole lines.
fn start(content: Content<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    let read = content.open()?.take(START).read_to_end(&mut bytes).context(|| format!("cannot read `{content}`"))?;
    if read as u64 == START {
        bytes.truncate(memchr::memrchr(b'\n', &bytes).unwrap_or(bytes.len()));
    }
    Ok(String::from_utf8_lossy(bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(&bytes)).into_owned())
}

/// Lines without their comments; blank ones are left out.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

/// The index of a feature, from its name.
fn index(name: &str) -> Option<u32> {
    let index: u32 = name.parse().ok()?;
    // `007` and `+7` are not how a feature is named.
    (index.to_string() == name).then_some(index)
}

/// The first and the last index of names that are a run from 0 or 1.
fn run(names: &[String]) -> Option<(u32, u32)> {
    let first = index(names.first()?).filter(|first| *first <= 1)?;
    let is_run = names.iter().zip(first..).all(|(name, at)| index(name) == Some(at));
    is_run.then(|| (first, first + names.len() as u32 - 1))
}

impl Source for Letor {
    fn reads(&self, path: &Path) -> bool {
        if has_extension(path, &[".letor", ".svm", ".svmlight", ".libsvm"]) {
            return true;
        }
        let Ok(text) = start(Content::from(path)) else { return false };
        match lines(&text).next() {
            Some(line) => line.split_ascii_whitespace().nth(1).is_some_and(|word| word.starts_with("qid:")),
            // Comments without a document are told by the reader.
            None => text.trim_start().starts_with('#'),
        }
    }

    /// The features are those of the first lines.
    fn columns(&self, content: Content<'_>, _query: Option<&str>) -> Result<Vec<String>> {
        let text = start(content)?;
        let words = lines(&text).flat_map(|line| line.split_ascii_whitespace().skip(2));
        let indices = words.filter_map(|word| word.split_once(':')).filter_map(|(index, _)| index.parse::<u32>().ok());
        let mut seen: BTreeSet<u32> = indices.collect();
        // Zeros are left out: what lies between is a feature too.
        if let (Some(first), Some(last)) = (seen.first().copied(), seen.last().copied().filter(|last| *last < SHOWN)) {
            seen = (first.min(1)..=last).collect();
        }
        Ok(NAMES.into_iter().map(str::to_owned).chain(seen.iter().map(u32::to_string)).collect())
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        let name = content.to_string();
        let known = match &request.vectors {
            Some(VectorColumns::Numbers(names)) if request.letor.others == Others::Refuse => run(names),
            _ => None,
        };
        let options = Options {
            base: request.letor.first_index,
            missing: request.letor.missing,
            order: Order::AsWritten,
            known,
            ..Options::default()
        };
        let mut read = letor::read(content, options)?;
        let mut warnings = std::mem::take(&mut read.warnings);
        if let Some(unknown) = request.columns.iter().find(|name| !is_column(name, &read)) {
            return Err(no_such_column(&name, unknown, &all_columns(&read)));
        }
        let labels: Vec<String> = (0..=HIGHEST_GRADE).map(|grade| grade.to_string()).collect();
        let texts = request.columns.iter().map(|name| (name.as_str(), cells(&read, name, &labels)));
        let table = Table::of_words(&name, texts)?;
        let Some(wanted) = &request.vectors else { return Ok(table.warned(warnings)) };
        // The texts may show features: the matrix is given away behind them.
        let features = std::mem::replace(&mut read.features, Features::Sparse(Csr::default()));
        let (matrix, names) = chosen(&name, &read, features, wanted, &mut warnings)?;
        Ok(table.with_vectors(Vectors::of_matrix(matrix)).named(names).warned(warnings))
    }
}

fn is_column(name: &str, read: &letor::Letor) -> bool {
    NAMES.contains(&name) || column(read, name).is_some()
}

fn all_columns(read: &letor::Letor) -> Vec<String> {
    let features = feature_names(read).take(SHOWN as usize);
    NAMES.into_iter().map(str::to_owned).chain(features).collect()
}

/// The index of the first column.
fn first(read: &letor::Letor) -> u32 {
    u32::from(!read.starts_at_zero)
}

fn feature_names(read: &letor::Letor) -> impl Iterator<Item = String> {
    let first = first(read);
    (first..first + read.features.n_features() as u32).map(|index| index.to_string())
}

/// The column of a feature.
fn column(read: &letor::Letor, name: &str) -> Option<usize> {
    let column = index(name)?.checked_sub(first(read))? as usize;
    (column < read.features.n_features()).then_some(column)
}

/// The cells of a column as text.
fn cells<'r>(read: &'r letor::Letor, name: &str, labels: &'r [String]) -> Vec<Option<Cow<'r, str>>> {
    match name {
        "label" => read.labels.iter().map(|label| Some(Cow::Borrowed(labels[usize::from(*label)].as_str()))).collect(),
        "docid" => (0..read.labels.len()).map(|row| read.documents.get(row).map(Cow::Borrowed)).collect(),
        "qid" => {
            let runs = read.offsets.windows(2).zip(&read.queries);
            runs.flat_map(|(rows, query)| (rows[0]..rows[1]).map(|_| Some(Cow::Borrowed(query.as_str())))).collect()
        }
        feature => {
            let column = column(read, feature).expect("the columns were looked for");
            let values: Vec<f32> = match &read.features {
                Features::Dense(matrix) => matrix.column(column).to_vec(),
                Features::Sparse(matrix) => (0..matrix.n_rows()).map(|row| value(matrix, row, column)).collect(),
            };
            values.into_iter().map(|value| Some(Cow::Owned(value.to_string()))).collect()
        }
    }
}

fn value(matrix: &Csr, row: usize, column: usize) -> f32 {
    let (columns, values) = matrix.row(row);
    columns.binary_search(&(column as u32)).map_or(0.0, |at| values[at])
}

/// The features that are wanted, and their names.
fn chosen(
    name: &str,
    read: &letor::Letor,
    features: Features,
    wanted: &VectorColumns,
    warnings: &mut Vec<String>,
) -> Result<(Array2<f32>, Vec<String>)> {
    let names = match wanted {
        VectorColumns::Embedding(column) => {
            return Err(Error::invalid_rows(format!("`{name}` has no column `{column}` of vectors"))
                .hint("the numbers of a LETOR file are its features: leave `embedding` out"));
        }
        VectorColumns::All { .. } => None,
        VectorColumns::Numbers(names) => Some(names),
    };
    let (n_rows, width, first) = (features.n_rows(), features.n_features(), first(read));
    if width == 0 {
        return Err(Error::invalid_rows(format!("no line of `{name}` has a feature")).hint("`2 qid:10 1:0.03`"));
    }
    let Some(names) = names else {
        if width > MOST {
            return Err(too_wide(name, (n_rows, width), read.largest));
        }
        let matrix = in_full(name, read.largest, features)?;
        return Ok((matrix, (first..first + width as u32).map(|index| index.to_string()).collect()));
    };
    if let Some(unknown) = names.iter().find(|name| index(name).is_none()) {
        let known = (first..first + width as u32).take(SHOWN as usize);
        let known: Vec<String> = known.map(|index| index.to_string()).collect();
        return Err(no_such_column(name, unknown, &known));
    }
    if run(names) == Some((first, first + width as u32 - 1)) {
        return Ok((in_full(name, read.largest, features)?, names.clone()));
    }
    let columns: Vec<Option<usize>> = names
        .iter()
        .map(|name| index(name)?.checked_sub(first).map(|at| at as usize).filter(|column| *column < width))
        .collect();
    let mut absent = names.iter().zip(&columns).filter(|(_, column)| column.is_none()).map(|(name, _)| name);
    if let Some(absent_first) = absent.next() {
        let count = 1 + absent.count();
        let absent = counted(count, "feature that is asked for", "of the features that are asked for");
        warnings.push(format!("{name}: no line has {absent} (first: {absent_first}); what is absent counts 0"));
    }
    let mut matrix = Array2::zeros((n_rows, names.len()));
    for (mut row, at) in matrix.outer_iter_mut().zip(0..) {
        for (cell, column) in row.iter_mut().zip(&columns) {
            *cell = match (&features, column) {
                (_, None) => 0.0,
                (Features::Dense(full), Some(column)) => full[[at, *column]],
                (Features::Sparse(full), Some(column)) => value(full, at, *column),
            };
        }
    }
    Ok((matrix, names.clone()))
}

/// The error for a matrix of an absurd size.
fn too_wide(name: &str, (rows, width): (usize, usize), largest: Option<(u32, usize)>) -> Error {
    let (index, line) = largest.unwrap_or_default();
    let bytes = rows as f64 * width as f64 * size_of::<f32>() as f64;
    let message = if bytes > LARGEST as f64 {
        let size = bytes / f64::from(1 << 30);
        format!("would take {size:.1} GiB of memory, nearly all of it zeros")
    } else {
        format!("are too many features: at most {} are taken", thousands(MOST as u64))
    };
    let (rows, width) = (thousands(rows as u64), thousands(width as u64));
    Error::invalid(format!("`{name}`: {rows} rows of {width} features {message}"))
        .hint(format!("is feature {index} in line {line} meant? a few of the features can be listed under `features`"))
}

/// The matrix in full, as long as that is no absurd size.
fn in_full(name: &str, largest: Option<(u32, usize)>, features: Features) -> Result<Array2<f32>> {
    let sparse = match features {
        Features::Dense(matrix) => return Ok(matrix),
        Features::Sparse(sparse) => sparse,
    };
    let (rows, width) = (sparse.n_rows(), sparse.n_cols);
    let bytes = rows.saturating_mul(width).saturating_mul(size_of::<f32>());
    if bytes > LARGEST {
        return Err(too_wide(name, (rows, width), largest));
    }
    let mut matrix = Array2::zeros((rows, width));
    for (mut row, at) in matrix.outer_iter_mut().zip(0..) {
        let (columns, values) = sparse.row(at);
        columns.iter().zip(values).for_each(|(column, value)| row[*column as usize] = *value);
    }
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::letor::{Base, Settings};

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn request(columns: &[&str], vectors: Option<VectorColumns>) -> Request {
        Request { columns: columns.iter().map(ToString::to_string).collect(), vectors, ..Request::default() }
    }

    fn all() -> VectorColumns {
        VectorColumns::All { except: Vec::new(), found: Vec::new() }
    }

    fn numbers(names: &[&str]) -> VectorColumns {
        VectorColumns::Numbers(names.iter().map(ToString::to_string).collect())
    }

    fn read_text(text: &str, request: &Request) -> Result<Table> {
        let (_folder, path) = written(text);
        Letor.read((&path).into(), request)
    }

    const TEXT: &str = "\u{feff}# made\r\n2 qid:b 1:0.5 3:1 # docid = d1 inc = 1\r\n0 qid:a 2:-4\r\n1 qid:b 1:7";

    #[test]
    fn files_are_known_by_name_or_first_line() {
        let (_folder, path) = written("\n  # a comment\n2 qid:1 1:0.5\n");
        assert!(Letor.reads(&path) && Letor.reads(Path::new("a.SVM")) && Letor.reads(Path::new("x/a.letor")));
        let (_folder, path) = written("# only\n");
        assert!(
            Letor.reads(&path)
                && Letor
                    .read((&path).into(), &request(&[], Some(all())))
                    .unwrap_err()
                    .message
                    .ends_with("has no documents")
        );
        for other in ["id,text\n1,qid:2\n", "", "\n", "2 1:0.5 2:1\n", "qid:1 1:2\n"] {
            let (_folder, path) = written(other);
            assert!(!Letor.reads(&path), "{other}");
        }
        assert!(!Letor.reads(Path::new("/no/such.txt")));
    }

    #[test]
    fn columns_are_those_of_the_first_lines() {
        let (_folder, path) = written(TEXT);
        assert_eq!(Letor.columns((&path).into(), None).unwrap(), ["label", "qid", "docid", "1", "2", "3"]);
        let (_folder, path) = written("1 qid:1 0:1 2:3\n");
        assert_eq!(Letor.columns((&path).into(), None).unwrap()[3..], ["0", "1", "2"]);
    }

    #[test]
    fn a_file_becomes_a_table_in_its_own_order() {
        let table = read_text(TEXT, &request(&["label", "qid", "docid", "3"], Some(all()))).unwrap();
        let cells =
            |name: &str| table.cells(name).unwrap().map(|cell| cell.unwrap_or("-").to_owned()).collect::<Vec<_>>();
        assert_eq!(cells("label"), ["2", "0", "1"]);
        assert_eq!(cells("qid"), ["b", "a", "b"]);
        assert_eq!(cells("docid"), ["d1", "-", "-"]);
        assert_eq!(cells("3"), ["1", "0", "0"]);
        assert_eq!(table.feature_names(), ["1", "2", "3"]);
        let vectors = table.vectors().unwrap();
        assert_eq!((vectors.row(0), vectors.row(1)), (&[0.5, 0.0, 1.0][..], &[0.0, -4.0, 0.0][..]));
        assert!(table.warnings().is_empty(), "whoever brings queries together says so");
    }

    #[test]
    fn features_are_chosen_by_index() {
        let table = read_text(TEXT, &request(&[], Some(numbers(&["3", "1"])))).unwrap();
        assert_eq!((table.vectors().unwrap().row(0), table.feature_names().len()), (&[1.0, 0.5][..], 2));
        let table = read_text(TEXT, &request(&[], Some(numbers(&["1", "2", "3", "4"])))).unwrap();
        assert_eq!(table.vectors().unwrap().row(2), [7.0, 0.0, 0.0, 0.0]);
        assert!(
            table.warnings()[0]
                .ends_with("no line has 1 feature that is asked for (first: 4); what is absent counts 0")
        );
        let error = read_text(TEXT, &request(&[], Some(numbers(&["1", "length"])))).unwrap_err();
        assert!(error.message.ends_with("has no column `length`"), "{}", error.message);
        let error = read_text(TEXT, &request(&["query"], Some(all()))).unwrap_err();
        assert!(error.hint.unwrap().contains("the columns are label, qid, docid, 1, 2, 3"));
        let error = read_text(TEXT, &request(&[], Some(VectorColumns::Embedding("v".into())))).unwrap_err();
        assert!(error.message.contains("no column `v` of vectors"));
        assert!(read_text("1 qid:1\n", &request(&[], Some(all()))).unwrap_err().message.starts_with("no line of"));
    }

    #[test]
    fn what_was_learned_from_is_asked_for_again() {
        let asked = |names: &[&str], text: &str| {
            let letor = Settings { others: Others::Refuse, ..Settings::default() };
            read_text(text, &Request { letor, ..request(&[], Some(numbers(names))) })
        };
        let table = asked(&["1", "2", "3", "4"], TEXT).unwrap();
        assert_eq!(table.vectors().unwrap().row(0), [0.5, 0.0, 1.0, 0.0]);
        assert!(table.warnings().is_empty(), "zeros are left out: {:?}", table.warnings());
        let error = asked(&["1", "2"], TEXT).unwrap_err();
        assert!(
            error.message.ends_with("a.txt:2: feature 3, where training had the features 1 to 2"),
            "{}",
            error.message
        );
        let error = asked(&["1", "2"], "1 qid:1 1:1\n1 qid:1 0:1\n").unwrap_err();
        assert!(error.message.ends_with("a.txt:2: feature 0, where training had the features 1 to 2"));
        // Names that are not all the features of a file do not say what others there were.
        assert_eq!(asked(&["3"], TEXT).unwrap().vectors().unwrap().row(0), [1.0]);
    }

    #[test]
    fn the_first_index_is_told_or_found_out() {
        let read = |first_index: Base, text: &str| {
            let letor = Settings { first_index, ..Settings::default() };
            read_text(text, &Request { letor, ..request(&[], Some(all())) })
        };
        assert_eq!(read(Base::Auto, "1 qid:1 0:5 1:6\n").unwrap().feature_names(), ["0", "1"]);
        assert_eq!(read(Base::Zero, "1 qid:1 1:6\n").unwrap().feature_names(), ["0", "1"]);
        assert_eq!(read(Base::One, "1 qid:1 2:6\n").unwrap().feature_names(), ["1", "2"]);
        assert!(read(Base::One, "1 qid:1 0:6\n").unwrap_err().message.contains("a.txt:1: a feature has the index 0"));
    }

    #[test]
    fn a_matrix_of_zeros_beyond_all_sense_is_refused() {
        let rows = |index: &str| format!("1 qid:1 1:1 2:2\n{}0 qid:1 {index}:4\n", "1 qid:1 1:3\n".repeat(98));
        let error = read_text(&rows("90000000"), &request(&["label"], Some(all()))).unwrap_err();
        assert!(
            error
                .message
                .ends_with("100 rows of 90,000,000 features would take 33.5 GiB of memory, nearly all of it zeros")
        );
        assert!(error.hint.unwrap().starts_with("is feature 90000000 in line 100 meant?"));
        let table = read_text(&rows("90000000"), &request(&[], Some(numbers(&["90000000", "1"])))).unwrap();
        assert_eq!(table.vectors().unwrap().row(99), [4.0, 0.0]);
        let table = read_text(&rows("800000"), &request(&[], Some(all()))).unwrap();
        assert_eq!((table.vectors().unwrap().row(99)[799_999], table.feature_names().len()), (4.0, 800_000));
    }
}
