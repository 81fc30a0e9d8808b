//! Rows of several files as one: a file for training, one for validation, one for test.
//!
//! The files' rows follow each other. A row without an id of its own keeps the number that it has in its file as id; `numbers`
//! count over all files. A query that stands in two files is two queries, for its documents are in two parts.

use std::collections::BTreeMap;

use super::rows::{Inputs, Rows};
use super::split::Part;
use super::vectors::{Place, Vectors};
use crate::error::{Error, Result};
use crate::text::counted;

/// Names in a warning, at most.
const SHOWN: usize = 3;

impl Rows {
    /// The rows of files that are each a part, one after the other.
    ///
    /// # Errors
    /// `Invalid` when there is no file, or their rows have other features.
    pub fn joined(files: Vec<(Part, Self)>) -> Result<Self> {
        let mut parts_of: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for (part, rows) in &files {
            rows.query_ids.iter().for_each(|query| parts_of.entry(query.clone()).or_default().push(*part));
        }
        let n_more: usize = files.iter().skip(1).map(|(_, rows)| vectors(rows)).sum();
        let mut files = files.into_iter();
        let (part, mut all) = files.next().ok_or_else(|| Error::invalid("there is no file to read rows from"))?;
        all.parts = vec![part; all.ids.len()];
        if let Inputs::Vectors { vectors, .. } = &mut all.inputs {
            vectors.reserve(n_more);
        }
        for (part, rows) in files {
            all.append(part, rows)?;
        }
        parts_of.retain(|_, parts| parts.len() > 1);
        if !parts_of.is_empty() {
            let one = |(query, parts): (&String, &Vec<Part>)| {
                let parts: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                format!("`{query}` in {}", parts.join(" and "))
            };
            let shown: Vec<String> = parts_of.iter().take(SHOWN).map(one).collect();
            let more = if parts_of.len() > SHOWN { ", …" } else { "" };
            all.warnings.push(format!(
                "{} in more than one file ({}{more}): each is taken for another query, but files that share queries do not test what was learned",
                counted(parts_of.len(), "query stands", "queries stand"),
                shown.join(", ")
            ));
        }
        Ok(all)
    }

    fn append(&mut self, part: Part, rows: Self) -> Result<()> {
        if self.feature_names != rows.feature_names {
            let (ours, theirs) = (self.feature_names.len(), rows.feature_names.len());
            return Err(Error::invalid(format!(
                "the {} file has {theirs} features, the first file {ours}",
                part.name()
            ))
            .hint("the files of an experiment have the same features"));
        }
        if let (Some(ours), Some(theirs)) = (width(self), width(&rows))
            && ours != theirs
        {
            return Err(Error::invalid(format!(
                "the {} file has vectors of {theirs} numbers, the first file of {ours}",
                part.name()
            ))
            .hint("the files of an experiment have the same features"));
        }
        self.parts.extend(vec![part; rows.ids.len()]);
        let queries = self.query_ids.len() as u32;
        self.queries.extend(rows.queries.iter().map(|query| query + queries));
        self.query_ids.extend(rows.query_ids);
        self.ids.extend(rows.ids);
        self.truth.append(rows.truth);
        self.numbers.extend(rows.numbers.iter().map(|number| number + self.n_read));
        self.skipped.extend(rows.skipped.into_iter().map(|(number, id)| (number + self.n_read, id)));
        for (name, cells) in rows.by {
            self.by.entry(name).or_default().extend(cells);
        }
        match (&mut self.inputs, rows.inputs) {
            (Inputs::Texts(ours), Inputs::Texts(theirs)) => ours.extend(theirs),
            (Inputs::Vectors { vectors, rows: ours }, Inputs::Vectors { vectors: more, rows: theirs }) => {
                let before = vectors.len();
                vectors.append(more, Place { source: part.name(), row: 1, column: "features" })?;
                ours.extend(theirs.into_iter().map(|row| row + before));
            }
            _ => return Err(Error::failed("the files of an experiment are read in the same way")),
        }
        // Rows are told apart by number in the file that they are tested on.
        self.anchor = if self.anchor.is_empty() { String::new() } else { rows.anchor };
        self.n_read += rows.n_read;
        self.skipped_label += rows.skipped_label;
        self.skipped_input += rows.skipped_input;
        self.warnings.extend(rows.warnings);
        Ok(())
    }
}

fn vectors(rows: &Rows) -> usize {
    match &rows.inputs {
        Inputs::Texts(_) => 0,
        Inputs::Vectors { vectors, .. } => Vectors::len(vectors),
    }
}

fn width(rows: &Rows) -> Option<usize> {
    match &rows.inputs {
        Inputs::Texts(_) => None,
        Inputs::Vectors { vectors, .. } => vectors.width(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::letor::Settings;
    use crate::data::rows::{Blank, Labels, prepare, request};
    use crate::data::sources::read;
    use crate::data::{Columns, Input};

    fn columns(id: Option<&str>, input: Input) -> Columns {
        Columns {
            id: id.map(str::to_owned),
            label: Some("label".into()),
            query: Some("qid".into()),
            input,
            letor: Settings::default(),
        }
    }

    fn rows(name: &str, text: &str, columns: &Columns) -> Result<Rows> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let table = read(name, &request(columns, None, Labels::Grades, None), folder.path())?;
        prepare(table, columns, None, Labels::Grades, 0, Blank::Skip)
    }

    const TRAIN: &str = "2 qid:7 1:0.5 2:1 # a\n0 qid:8 2:3 # b\n1 qid:7 1:2 # c\n";
    const TEST: &str = "1 qid:8 1:4 # b\n0 qid:9 1:5 # d\n";

    #[test]
    fn files_become_one_with_their_parts() {
        let asked = columns(Some("docid"), Input::All);
        let train = rows("train.txt", TRAIN, &asked).unwrap();
        let learned = asked.learned(&train.feature_names);
        let test = rows("test.txt", TEST, &learned).unwrap();
        let digests = test.digests();
        let tested = test.ids_digest(&[0, 1]);
        let all = Rows::joined(vec![(Part::Train, train), (Part::Test, test)]).unwrap();
        assert_eq!(all.ids, ["a", "c", "b", "b", "d"]);
        assert_eq!((&all.queries[..], all.truth.grades()), (&[0, 0, 1, 2, 3][..], &[2, 1, 0, 1, 0][..]));
        assert_eq!(all.query_ids, ["7", "8", "8", "9"]);
        assert_eq!(all.numbers, [1, 3, 2, 4, 5]);
        assert_eq!(all.of_part(Part::Test), [3, 4]);
        assert_eq!(all.starts(&all.of_part(Part::Train)), [0, 2, 3]);
        let matrix = all.matrix(&[1, 3]).unwrap();
        assert_eq!(matrix, ndarray::array![[2.0, 0.0], [4.0, 0.0]]);
        assert_eq!(all.n_read, 5);
        assert!(all.warnings[0].contains("the documents of 1 query stand in several places"), "{:?}", all.warnings);
        assert!(
            all.warnings[1].contains("test.txt has the features 1 to 1, training had 1 to 2"),
            "{:?}",
            all.warnings
        );
        assert!(all.warnings[2].starts_with("1 query stands in more than one file (`8` in train and test)"));
        // Rows are known again alone and among others.
        assert_eq!(all.digests()[3..], digests[..]);
        assert_eq!(all.ids_digest(&[3, 4]), tested);
    }

    #[test]
    fn rows_without_ids_have_the_numbers_of_their_files() {
        let asked = columns(None, Input::Numbers(vec!["1".into(), "2".into()]));
        let [train, test] =
            [("train.txt", TRAIN), ("test.txt", TEST)].map(|(name, text)| rows(name, text, &asked).unwrap());
        let (tested, source) = (test.ids_digest(&[0, 1]), test.anchor.clone());
        let all = Rows::joined(vec![(Part::Train, train), (Part::Test, test)]).unwrap();
        assert_eq!(all.ids, ["1", "3", "2", "1", "2"]);
        assert_eq!((all.ids_digest(&[3, 4]), all.anchor), (tested, source));
    }

    #[test]
    fn other_features_are_refused() {
        let [one, two] = [&["1"][..], &["1", "2"]].map(|names| {
            let names = names.iter().map(ToString::to_string).collect();
            rows("a.txt", TRAIN, &columns(None, Input::Numbers(names))).unwrap()
        });
        let error = Rows::joined(vec![(Part::Train, one), (Part::Test, two)]).unwrap_err();
        assert_eq!(error.message, "the test file has 2 features, the first file 1");
        assert!(Rows::joined(Vec::new()).is_err());
    }
}
