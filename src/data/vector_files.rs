//! Writing vectors: Parquet (a fixed-size list of f32, facts in the metadata), `.npy` (the matrix alone), NDJSON (an
//! array a row) and CSV (the text column `embedding_array` of existing databases). All are written whole or not at all.

use std::io::Write;
use std::path::Path;

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::npy_file;
use super::parquet_file::{self, Values};
use crate::error::{Context, Error, Result};
use crate::fs::write_with;

/// A format for vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.parquet`
    Parquet,
    /// `.npy`: no ids, rows in the order of the input.
    Npy,
    /// `.ndjson`, `.jsonl`
    Ndjson,
    /// `.csv`
    Csv,
}

/// Rows that are put into text at a time.
const BLOCK: usize = 512;

impl Format {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// `Invalid` for a name that ends with none of them.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("npy") => Ok(Self::Npy),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Error::invalid(format!("cannot tell the format of `{}` from its name", path.display()))
                .hint("vectors are written as .parquet, .npy, .ndjson or .csv")),
        }
    }
}

/// Writes text columns and one vector a row, atomically. `facts` go into a Parquet file's metadata.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write<'a>(
    path: &Path,
    columns: &[(&str, &'a [String])],
    vectors: ArrayView2<'a, f32>,
    facts: &[(&str, String)],
) -> Result<()> {
    let format = Format::of(path)?;
    // A link is written through; what is no file (a device, a pipe) is written to.
    let through = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if through.is_dir() {
        return Err(Error::invalid(format!("`{}` is a folder, not a file", path.display())));
    }
    let path = through.as_path();
    match format {
        Format::Parquet => {
            let mut written: Vec<_> = columns.iter().map(|(name, texts)| (*name, Values::Text(texts))).collect();
            written.push(("embedding", Values::Vectors(vectors)));
            parquet_file::write(path, &written, facts)
        }
        Format::Npy => write_with(path, |file| npy_file::write(file, vectors).map_err(|error| error.in_file(path))),
        Format::Ndjson => lines(path, "", vectors, |row, vector, line| {
            line.push('{');
            for (name, texts) in columns {
                line.push_str(&format!("\"{name}\":{},", serde_json::Value::from(texts[row].as_str())));
            }
            line.push_str("\"embedding\":[");
            push_numbers(vector, line);
            line.push_str("]}");
        }),
        Format::Csv => {
            let names: String = columns.iter().map(|(name, _)| format!("{name},")).collect();
            lines(path, &format!("{names}embedding_array\n"), vectors, |row, vector, line| {
                for (_, texts) in columns {
                    line.push_str(&quoted(&texts[row]));
                    line.push(',');
                }
                line.push('"');
                push_numbers(vector, line);
                line.push('"');
            })
        }
    }
}

/// A CSV cell, in quotes where it needs them.
#[must_use]
pub fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// A vector as the text of existing databases: `0.1,-0.25,…`, each number in the fewest digits that give it back.
#[must_use]
pub fn vector_text(vector: ArrayView1<'_, f32>) -> String {
    let mut text = String::with_capacity(vector.len() * 12);
    push_numbers(vector, &mut text);
    text
}

fn push_numbers(vector: ArrayView1<'_, f32>, text: &mut String) {
    for (at, value) in vector.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&value.to_string());
    }
}

/// Writes one line a row; blocks of rows become text in parallel.
fn lines(
    path: &Path,
    header: &str,
    vectors: ArrayView2<'_, f32>,
    line: impl Fn(usize, ArrayView1<'_, f32>, &mut String) + Sync,
) -> Result<()> {
    let at_a_time = BLOCK * rayon::current_num_threads();
    write_with(path, |file| {
        let mut file = std::io::BufWriter::new(file);
        let full = || format!("cannot write `{}`", path.display());
        file.write_all(header.as_bytes()).context(full)?;
        for (group, rows) in vectors.axis_chunks_iter(Axis(0), at_a_time).enumerate() {
            let blocks: Vec<_> = rows.axis_chunks_iter(Axis(0), BLOCK).enumerate().collect();
            let texts: Vec<String> = blocks
                .into_par_iter()
                .map(|(block, rows)| {
                    let mut text = String::new();
                    for (at, vector) in rows.outer_iter().enumerate() {
                        line(group * at_a_time + block * BLOCK + at, vector, &mut text);
                        text.push('\n');
                    }
                    text
                })
                .collect();
            texts.iter().try_for_each(|text| file.write_all(text.as_bytes())).context(full)?;
        }
        file.flush().context(full)
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn every_format_gives_the_vectors_back() {
        let folder = tempfile::tempdir().unwrap();
        let ids = vec!["1".to_owned(), "a \"b\", c".to_owned()];
        let vectors = array![[0.1f32, -1e-8, 3.0], [f32::MIN_POSITIVE, 0.333_333_34, -0.0]];
        for name in ["v.csv", "v.ndjson"] {
            let path = folder.path().join(name);
            write(&path, &[("id", &ids)], vectors.view(), &[]).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let numbers = |line: &str| -> Vec<f32> {
                let inside = line.rsplit_once(if name == "v.csv" { ",\"" } else { "[" }).unwrap().1;
                inside.trim_end_matches(['"', ']', '}']).split(',').map(|number| number.parse().unwrap()).collect()
            };
            let lines: Vec<&str> = text.lines().skip(usize::from(name == "v.csv")).collect();
            let read: Vec<f32> = lines.iter().flat_map(|line| numbers(line)).collect();
            assert_eq!(read, vectors.iter().copied().collect::<Vec<_>>(), "{text}");
        }
        assert_eq!(
            std::fs::read_to_string(folder.path().join("v.csv")).unwrap().lines().last().unwrap().split(",\"").next(),
            Some("\"a \"\"b\"\", c\"")
        );
    }

    #[test]
    fn blocks_keep_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let n = BLOCK * rayon::current_num_threads() * 2 + 7;
        let vectors = Array2::from_shape_fn((n, 1), |(row, _)| row as f32);
        let path = folder.path().join("v.csv");
        write(&path, &[], vectors.view(), &[]).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let expected: String = (0..n).map(|row| format!("\"{row}\"\n")).collect();
        assert_eq!(text.strip_prefix("embedding_array\n").unwrap(), expected);
    }

    #[test]
    fn an_unknown_ending_is_refused() {
        assert!(Format::of(Path::new("v.xlsx")).unwrap_err().hint.unwrap().contains(".npy"));
    }
}
