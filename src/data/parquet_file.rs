//! Parquet files of our own: per-row predictions and embeddings, with facts in the file's metadata.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ndarray::ArrayView2;
use polars::prelude::{
    Column, DataFrame, Float32Chunked, IntoColumn, IntoSeries, KeyValueMetadata, NamedFrom, NewChunkedArray,
    ParquetReader, ParquetWriter, ReshapeDimension, SerReader, Series,
};

use super::barrier::{check_claims, guarded};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::write_with;

/// A column that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Text; a null is an empty text.
    Text(Vec<String>),
    /// Numbers; a null is NaN.
    Numbers(Vec<f64>),
}

/// A column to write.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// Text, never null.
    Text(&'a [String]),
    /// f64, null where `None`.
    Numbers(&'a [Option<f64>]),
    /// One vector per row, as a fixed-size list of f32.
    Vectors(ArrayView2<'a, f32>),
}

fn column(name: &str, values: &Values<'_>) -> Result<Column> {
    Ok(match values {
        Values::Text(texts) => Series::new(name.into(), *texts).into_column(),
        Values::Numbers(numbers) => Series::new(name.into(), *numbers).into_column(),
        Values::Vectors(matrix) => {
            let flat = Float32Chunked::from_iter_values(name.into(), matrix.iter().copied()).into_series();
            let width = ReshapeDimension::new(i64::try_from(matrix.ncols()).unwrap_or(i64::MAX));
            let shaped = flat.reshape_array(&[ReshapeDimension::Infer, width]);
            shaped.context(|| format!("cannot shape column `{name}`"))?.into_column()
        }
    })
}

/// Writes columns of equal length, atomically.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write(path: &Path, columns: &[(&str, Values<'_>)], facts: &[(&str, String)]) -> Result<()> {
    write_with(path, |file| fill(file, columns, facts).map_err(|error| error.in_file(path)))
}

/// Columns of equal length as the bytes of a Parquet file.
///
/// # Errors
/// `Failed` when they cannot be encoded.
pub fn bytes(columns: &[(&str, Values<'_>)], facts: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fill(&mut bytes, columns, facts)?;
    Ok(bytes)
}

/// The facts in a Parquet file's metadata.
///
/// # Errors
/// `Invalid` when it is not a Parquet file.
pub fn facts(path: &Path) -> Result<BTreeMap<String, String>> {
    let unreadable = || format!("`{}` is not a Parquet file that can be read", path.display());
    let file = File::open(path).context(|| format!("cannot read `{}`", path.display()))?;
    guarded(
        || Error::invalid(unreadable()),
        || {
            let mut reader = ParquetReader::new(file);
            let metadata = reader.get_metadata().map_err(|cause| Error::invalid(unreadable()).caused_by(cause))?;
            let pairs = metadata.key_value_metadata().iter().flatten();
            Ok(pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect())
        },
    )
}

/// A column with its name.
pub type Named = (String, Cells);

/// The plain columns of a Parquet file with their names, in the file's order, and its facts. Columns of other types
/// than text and f64 are left out. One decoding for whole columns: `data::sources` goes cell by cell and keeps text.
///
/// # Errors
/// `NotFound` when there is no such file, `Failed` when it cannot be read.
pub fn read(path: &Path) -> Result<(Vec<Named>, BTreeMap<String, String>)> {
    let file = File::open(path).map_err(|cause| {
        let kind = if cause.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Failed };
        Error::new(kind, format!("cannot read `{}`", path.display())).caused_by(cause)
    })?;
    let damaged = || format!("`{}` is damaged: it is no Parquet file that can be read", path.display());
    let frame = guarded(
        || Error::failed(damaged()),
        || {
            check_claims(path, || Error::failed(damaged()))?;
            ParquetReader::new(file).finish().context(damaged)
        },
    )?;
    let cells = |column: &Column| -> Option<Cells> {
        if let Ok(texts) = column.str() {
            return Some(Cells::Text(texts.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect()));
        }
        let numbers = column.f64().ok()?;
        Some(Cells::Numbers(numbers.iter().map(|cell| cell.unwrap_or(f64::NAN)).collect()))
    };
    let columns = frame.columns().iter().filter_map(|column| Some((column.name().to_string(), cells(column)?)));
    Ok((columns.collect(), facts(path)?))
}

fn fill(output: impl std::io::Write, columns: &[(&str, Values<'_>)], facts: &[(&str, String)]) -> Result<()> {
    let height = columns.first().map_or(0, |(_, values)| match values {
        Values::Text(texts) => texts.len(),
        Values::Numbers(numbers) => numbers.len(),
        Values::Vectors(matrix) => matrix.nrows(),
    });
    let columns = columns.iter().map(|(name, values)| column(name, values)).collect::<Result<Vec<_>>>()?;
    let mut frame = DataFrame::new(height, columns).context(|| "columns of unequal length".into())?;
    let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let writer = ParquetWriter::new(output).with_key_value_metadata(Some(KeyValueMetadata::from_static(facts)));
    writer.finish(&mut frame).context(|| "cannot write a Parquet file".into())?;
    Ok(())
}
