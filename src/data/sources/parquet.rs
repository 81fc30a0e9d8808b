//! Parquet files, through polars: plain columns as text, list and array columns as vectors.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use polars::prelude::{AnyValue, ArrowField, Column, DataFrame, DataType, ParquetReader, SerReader, Series};

use super::piece::{Builder, Cell, Piece, Slot, slots};
use super::source::{Request, Source, has_extension};
use crate::catalog::Named;
use crate::data::table::{Table, no_such_column};
use crate::error::{Context, Error, Result};

/// Parquet files.
pub struct Parquet;

impl Named for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Apache Parquet (.parquet)"
    }
}

fn reader(path: &Path) -> Result<ParquetReader<File>> {
    let file = File::open(path).context(|| format!("cannot read `{}`", path.display()))?;
    Ok(ParquetReader::new(file))
}

fn not_parquet(path: &Path, cause: polars::error::PolarsError) -> Error {
    Error::invalid(format!("`{}` is not a Parquet file that can be read", path.display())).caused_by(cause)
}

/// polars without its half-precision feature panics on such columns.
fn refuse_half_floats(path: &Path, wanted: &[String]) -> Result<()> {
    let schema = reader(path)?.schema().map_err(|cause| not_parquet(path, cause))?;
    let half = schema.iter_values().find(|field| {
        wanted.iter().any(|name| *name == field.name.as_str()) && format!("{:?}", field.dtype()).contains("Float16")
    });
    match half {
        None => Ok(()),
        Some(field) => Err(Error::invalid(format!("{}: column `{}` holds 16-bit floats", path.display(), field.name))
            .hint("store it as 32-bit floats")),
    }
}

/// A column whose cells can be read one by one.
enum Cells {
    Text(Series),
    Lists(Series),
}

impl Cells {
    fn new(column: &Column, name: &str) -> Result<Self> {
        let series = column.as_materialized_series();
        let unreadable = || format!("{name}: column `{}` has the type {}", series.name(), series.dtype());
        let wrong = |cause: polars::error::PolarsError| Error::invalid(unreadable()).caused_by(cause);
        match series.dtype() {
            DataType::List(inner) if inner.is_primitive_numeric() => {
                let lists = series.cast(&DataType::List(Box::new(DataType::Float32))).map_err(wrong)?;
                Ok(Self::Lists(lists))
            }
            DataType::Array(inner, _) if inner.is_primitive_numeric() => {
                let lists = series.cast(&DataType::List(Box::new(DataType::Float32))).map_err(wrong)?;
                Ok(Self::Lists(lists))
            }
            DataType::List(_) | DataType::Array(..) | DataType::Struct(_) => {
                Err(Error::invalid(unreadable()).hint("plain values and lists of numbers can be read"))
            }
            // The instant in UTC: polars writes a time with a zone only when it knows all zones.
            DataType::Datetime(unit, Some(_)) => {
                let instant = series.to_physical_repr().cast(&DataType::Datetime(*unit, None));
                Ok(Self::Text(instant.and_then(|instant| instant.cast(&DataType::String)).map_err(wrong)?))
            }
            _ => Ok(Self::Text(series.cast(&DataType::String).map_err(wrong)?)),
        }
    }

    fn cell(&self, row: usize, slot: Slot) -> Result<Cell<'_>> {
        let series = match self {
            Self::Text(series) | Self::Lists(series) => series,
        };
        Ok(match series.get(row).context(|| format!("row {} cannot be read", row + 1))? {
            AnyValue::Null => Cell::Null,
            AnyValue::String(text) => Cell::Text(Cow::Borrowed(text)),
            AnyValue::StringOwned(text) => Cell::Text(Cow::Owned(text.to_string())),
            AnyValue::List(items) => {
                let numbers = items.f32().context(|| format!("row {} is not a list of numbers", row + 1))?;
                let numbers: Vec<f32> = numbers.iter().map(|number| number.unwrap_or(f32::NAN)).collect();
                match slot {
                    Slot::Column(_) => {
                        Cell::Text(Cow::Owned(numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")))
                    }
                    _ => Cell::Numbers(numbers),
                }
            }
            other => Cell::Text(Cow::Owned(other.to_string())),
        })
    }
}

/// Rows that are decoded at a time.
const ROWS_AT_ONCE: usize = 16_384;

impl Source for Parquet {
    fn reads(&self, path: &Path) -> bool {
        has_extension(path, &[".parquet", ".pq"])
    }

    fn columns(&self, path: &Path, _query: Option<&str>) -> Result<Vec<String>> {
        let schema = reader(path)?.schema().map_err(|cause| not_parquet(path, cause))?;
        Ok(schema.iter_values().map(|field: &ArrowField| field.name.to_string()).collect())
    }

    fn read(&self, path: &Path, request: &Request) -> Result<Table> {
        let name = path.display().to_string();
        let known = self.columns(path, None)?;
        let slots = slots(request);
        let mut wanted: Vec<String> = Vec::new();
        for (column, _) in &slots {
            if !known.iter().any(|known| known == column) {
                return Err(no_such_column(&name, column, &known));
            }
            if !wanted.iter().any(|wanted| wanted == column) {
                wanted.push((*column).to_owned());
            }
        }
        refuse_half_floats(path, &wanted)?;
        let rows = reader(path)?.num_rows().map_err(|cause| not_parquet(path, cause))?;
        let mut builder = Builder::new(&name, request);
        for start in (0..rows).step_by(ROWS_AT_ONCE) {
            let slice = reader(path)?.with_columns(Some(wanted.clone())).with_slice(Some((start, ROWS_AT_ONCE)));
            let frame: DataFrame = slice.finish().map_err(|cause| not_parquet(path, cause))?;
            let cells = slots.iter().map(|(column, _)| {
                let column = frame.column(column).context(|| format!("{name}: column `{column}` is not there"))?;
                Cells::new(column, &name)
            });
            let cells = cells.collect::<Result<Vec<_>>>()?;
            let mut piece = Piece::new(request, start + 1, builder.width());
            for row in 0..frame.height() {
                piece.push_row(&name, &slots, |slot| cells[slot].cell(row, slots[slot].1))?;
            }
            builder.append(piece)?;
        }
        builder.finish()
    }
}
