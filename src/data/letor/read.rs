//! Reads LETOR files: a block is parsed in parallel while the next one is read.
//!
//! A row is a document. Labels are whole numbers of 0 to 31; a feature that is not written is 0. Wrong lines are errors
//! with file and line. Memory stays within the matrix, the ids, and two blocks with what is parsed of one.

use rayon::prelude::*;

use super::blocks::Blocks;
use super::documents::Documents;
use super::groups::{group, inverse, merged, reordered};
use super::matrix::{Layout, Matrix, widened};
use super::nulls::{fill_minimum, fill_zero};
use super::piece::Piece;
use super::settings::{Base, Missing};
use crate::data::content::Content;
use crate::data::dataset::Features;
use crate::error::{Error, Result};
use crate::text::counted;

/// In which order the rows are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The documents of a query stand together.
    #[default]
    ByQuery,
    /// As in the file; a query may stand in several places.
    AsWritten,
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The index of the first feature.
    pub base: Base,
    /// How the features are kept.
    pub layout: Layout,
    /// What becomes of `NULL`.
    pub missing: Missing,
    /// In which order the rows are given.
    pub order: Order,
    /// The first and the last index of the features that were learned from: the file gets all of them and may have no
    /// others.
    pub known: Option<(u32, u32)>,
}

/// The documents of a file, by query.
#[derive(Debug, Clone, PartialEq)]
pub struct Letor {
    /// `n_documents × n_features`.
    pub features: Features,
    /// Grades of relevance, 0 to 31.
    pub labels: Vec<u8>,
    /// Query q has the rows `offsets[q]..offsets[q + 1]`.
    pub offsets: Vec<usize>,
    /// Query ids, in the order in which they first appear; as written, the query of each run of rows.
    pub queries: Vec<String>,
    /// Document ids, from the comments.
    pub documents: Documents,
    /// Whether column 0 is index 0; else it is index 1.
    pub starts_at_zero: bool,
    /// The largest index, and its line, from 1.
    pub largest: Option<(u32, usize)>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Reads one file.
///
/// # Errors
/// `Failed` when it cannot be read; `Invalid`, with file and line, when a line is wrong, or when there are no documents.
pub fn read<'c>(content: impl Into<Content<'c>> + Copy, options: Options) -> Result<Letor> {
    Ok(read_all(&[content], options)?.pop().expect("one file gives one result"))
}

/// Reads files that belong together (train, validation, test): their columns mean the same.
///
/// # Errors
/// As `read`.
pub fn read_all<'c>(contents: &[impl Into<Content<'c>> + Copy], options: Options) -> Result<Vec<Letor>> {
    let mut all = contents.iter().map(|content| read_alone((*content).into(), options)).collect::<Result<Vec<_>>>()?;
    let starts_at_zero = all.iter().any(|letor| letor.starts_at_zero);
    let left = |letor: &Letor| usize::from(starts_at_zero && !letor.starts_at_zero);
    let width = all.iter().map(|letor| letor.features.n_features() + left(letor)).max().unwrap_or_default();
    for letor in &mut all {
        let left = left(letor);
        let empty = Features::Sparse(crate::data::dataset::Csr::default());
        letor.features = widened(std::mem::replace(&mut letor.features, empty), left, width);
        letor.starts_at_zero = starts_at_zero;
    }
    Ok(all)
}

/// What is known of a file besides its features.
struct Reading {
    name: String,
    options: Options,
    n_lines: usize,
    n_nulls: usize,
    /// Features that are written, zeros too.
    n_pairs: usize,
    /// The largest index, and its line, from 1.
    largest: Option<(u32, usize)>,
    /// Rows whose indices did not ascend, and the line of the first, from 1.
    unsorted: Option<(usize, usize)>,
    labels: Vec<u8>,
    runs: Vec<(String, usize)>,
    documents: Documents,
    matrix: Matrix,
}

impl Reading {
    /// Takes the pieces of a block; `expected` is how many rows the file seems to have.
    fn append(&mut self, mut pieces: Vec<Piece>, bytes: (usize, u64)) -> Result<()> {
        for piece in &mut pieces {
            if let Some((line, (message, hint))) = piece.wrong.take() {
                let error = Error::invalid_rows(format!("{}:{}: {message}", self.name, self.n_lines + line + 1));
                return Err(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
            self.check(piece)?;
            if let Some((count, line)) = piece.unsorted {
                let (before, first) = self.unsorted.unwrap_or((0, self.n_lines + line + 1));
                self.unsorted = Some((before + count, first));
            }
            if let Some((largest, line)) = piece.largest
                && self.largest.is_none_or(|(before, _)| before < largest)
            {
                self.largest = Some((largest, self.n_lines + line + 1));
            }
            self.n_pairs += piece.n_pairs;
            self.n_lines += piece.n_lines;
            self.n_nulls += piece.n_nulls;
            self.labels.extend_from_slice(&piece.labels);
            self.runs.append(&mut piece.queries);
            self.documents.append(&piece.documents);
        }
        // A little more than the lines so far let expect.
        let (read, size) = bytes;
        let expected = self.labels.len() as f64 * (size as f64 / read as f64).max(1.0);
        self.matrix.append(&pieces, (expected * 1.01) as usize)
    }

    fn check(&self, piece: &Piece) -> Result<()> {
        let wrong = |line: usize, what: String| {
            Error::invalid_rows(format!("{}:{}: {what}", self.name, self.n_lines + line + 1))
        };
        let (least, most) = (piece.smallest.unwrap_or((u32::MAX, 0)), piece.largest.unwrap_or_default());
        if self.options.base == Base::One && least.0 == 0 {
            return Err(wrong(least.1, "a feature has the index 0, where the first is 1".to_owned())
                .hint("let the first index be found out, or set it to 0"));
        }
        if let Some((first, last)) = self.options.known {
            let other = |index: u32| format!("feature {index}, where training had the features {first} to {last}");
            if least.0 < first {
                return Err(wrong(least.1, other(least.0))
                    .hint("this file counts its features from 0, the one that was learned from does not"));
            }
            if most.0 > last {
                return Err(wrong(most.1, other(most.0)).hint("a model takes the features that it was trained on"));
            }
        }
        if let (Missing::Refuse, Some(line)) = (self.options.missing, piece.null) {
            return Err(wrong(line, "a value is NULL".to_owned())
                .hint("say what becomes of such values: the query's minimum, or 0"));
        }
        Ok(())
    }

    /// Every line has all its features, but they are fewer than those that were learned from: hardly zeros left out.
    fn narrow(&self) -> Option<String> {
        let ((first, last), (most, _)) = (self.options.known?, self.largest?);
        let width = (most + 1 - first) as usize;
        (most < last && self.n_pairs == self.labels.len() * width).then(|| {
            let name = &self.name;
            format!("{name} has the features {first} to {most}, training had {first} to {last}: the rest counts 0")
        })
    }

    fn finish(self) -> Result<Letor> {
        if self.labels.is_empty() {
            return Err(Error::invalid_rows(format!("`{}` has no documents", self.name))
                .hint("a line is a document: `2 qid:10 1:0.03`"));
        }
        let narrow = self.narrow();
        let Self { name, matrix, labels, documents, runs, options, .. } = self;
        let mut warnings = Vec::new();
        if let Some((count, line)) = self.unsorted {
            warnings.push(format!(
                "{name}: the indices of {} not ascend, first in line {line}; they were sorted",
                counted(count, "line do", "lines do")
            ));
        }
        warnings.extend(narrow);
        let starts_at_zero = matrix.starts_at_zero();
        let mut letor = Letor {
            features: matrix.finish(),
            labels,
            offsets: Vec::new(),
            queries: Vec::new(),
            documents,
            starts_at_zero,
            largest: self.largest,
            warnings: Vec::new(),
        };
        let fills = self.n_nulls > 0 && options.missing == Missing::QueryMinimum;
        if options.order == Order::ByQuery || fills {
            let groups = group(runs.clone());
            if let Some(order) = &groups.order {
                letor.features = reordered(letor.features, order);
            }
            if fills {
                fill_minimum(&mut letor.features, &groups.offsets);
            }
            match (&groups.order, options.order) {
                (Some(order), Order::AsWritten) => letor.features = reordered(letor.features, &inverse(order)),
                (Some(order), Order::ByQuery) => {
                    letor.labels = order.iter().map(|row| letor.labels[*row]).collect();
                    letor.documents = letor.documents.reordered(order);
                }
                (None, _) => {}
            }
            if let (Order::ByQuery, Some((count, first))) = (options.order, &groups.scattered) {
                warnings.push(format!(
                    "{name}: the documents of {} stand in several places (first: query `{first}`); they were brought together",
                    counted(*count, "query", "queries")
                ));
            }
            (letor.offsets, letor.queries) = (groups.offsets, groups.queries);
        }
        if options.order == Order::AsWritten {
            (letor.offsets, letor.queries) = merged(runs);
        }
        if self.n_nulls > 0 {
            if !fills {
                fill_zero(&mut letor.features);
            }
            let became = if fills { "the smallest value of the feature in the query" } else { "0" };
            warnings.push(format!(
                "{name}: {} {became}",
                counted(self.n_nulls, "value is NULL; it became", "values are NULL; they became")
            ));
        }
        letor.warnings = warnings;
        Ok(letor)
    }
}

fn read_alone(content: Content<'_>, options: Options) -> Result<Letor> {
    let mut blocks = Blocks::open(content)?;
    let size = blocks.size();
    let mut reading = Reading {
        name: content.to_string(),
        options,
        n_lines: 0,
        n_nulls: 0,
        n_pairs: 0,
        largest: None,
        unsorted: None,
        labels: Vec::new(),
        runs: Vec::new(),
        documents: Documents::default(),
        matrix: match options.known {
            Some((first, last)) => Matrix::of_width(options.layout, first, (last + 1 - first) as usize),
            None => Matrix::new(options.layout, options.base),
        },
    };
    let (mut block, mut next) = (Vec::new(), Vec::new());
    let mut has_more = blocks.next(&mut block)?;
    let mut n_bytes = 0;
    while has_more {
        n_bytes += block.len();
        let (pieces, read) = rayon::join(|| parse(&block), || blocks.next(&mut next));
        reading.append(pieces, (n_bytes, size))?;
        has_more = read?;
        std::mem::swap(&mut block, &mut next);
    }
    reading.finish()
}

/// Parses a block: parts that end at a line break go to the threads.
fn parse(block: &[u8]) -> Vec<Piece> {
    const PART: usize = 512 << 10;
    let (mut parts, mut rest) = (Vec::new(), block);
    while !rest.is_empty() {
        let end =
            rest.get(PART..).and_then(|behind| memchr::memchr(b'\n', behind)).map_or(rest.len(), |at| PART + at + 1);
        let (part, behind) = rest.split_at(end);
        parts.push(part);
        rest = behind;
    }
    parts.into_par_iter().with_max_len(1).map(Piece::parse).collect()
}
