//! Parquet files, through polars: plain columns as text, list and array columns as vectors.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use polars::prelude::{AnyValue, ArrowField, Column, DataFrame, DataType, ParquetReader, SerReader, Series};

use super::chunk::{Ask, Chunk, Form, Visit};
use super::piece::{Builder, Cell, Piece, Slot, slots};
use super::source::{Request, Source, VectorColumns, has_extension, whole};
use crate::catalog::Named;
use crate::data::barrier::{check_claims, guarded};
use crate::data::content::Content;
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

/// The names of the columns.
fn names(path: &Path) -> Result<Vec<String>> {
    let schema = reader(path)?.schema().map_err(|cause| not_parquet(path, cause))?;
    Ok(schema.iter_values().map(|field: &ArrowField| field.name.to_string()).collect())
}

/// Reads behind the barrier: what polars cannot stand becomes an error that names the file.
fn behind_barrier<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = || Error::invalid(format!("`{}` is damaged: it is no Parquet file that can be read", path.display()));
    guarded(damaged, || {
        check_claims(path, || Error::invalid(format!("`{}` is not a Parquet file that can be read", path.display())))?;
        work()
    })
}

/// polars without its half-precision feature panics on such columns.
fn refuse_half_floats(path: &Path, wanted: &[String]) -> Result<()> {
    let schema = reader(path)?.schema().map_err(|cause| not_parquet(path, cause))?;
    let half = schema.iter_values().find(|field| {
        wanted.iter().any(|name| *name == field.name.as_str()) && format!("{:?}", field.dtype()).contains("Float16")
    });
    match half {
        None => Ok(()),
        Some(field) => {
            Err(Error::invalid_rows(format!("{}: column `{}` holds 16-bit floats", path.display(), field.name))
                .hint("store it as 32-bit floats"))
        }
    }
}

/// A column whose cells can be read one by one.
enum Cells {
    Text(Series),
    Lists(Series),
    /// Numbers of the rows' vectors.
    Numbers(Series),
}

impl Cells {
    fn of_slot(column: &Column, name: &str, slot: Slot) -> Result<Self> {
        if !matches!(slot, Slot::Number) || !column.dtype().is_primitive_numeric() {
            return Self::new(column, name);
        }
        let numbers = column.as_materialized_series().cast(&DataType::Float32);
        numbers.map(Self::Numbers).context(|| format!("{name}: column `{}` is no number", column.name()))
    }

    fn new(column: &Column, name: &str) -> Result<Self> {
        let series = column.as_materialized_series();
        let unreadable = || format!("{name}: column `{}` has the type {}", series.name(), series.dtype());
        let wrong = |cause: polars::error::PolarsError| Error::invalid_rows(unreadable()).caused_by(cause);
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
                Err(Error::invalid_rows(unreadable()).hint("plain values and lists of numbers can be read"))
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
            Self::Numbers(series) => {
                let numbers = series.f32().context(|| format!("row {} is no number", row + 1))?;
                return Ok(numbers.get(row).map_or(Cell::Null, Cell::Number));
            }
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

    fn columns(&self, content: Content<'_>, _query: Option<&str>) -> Result<Vec<String>> {
        let path = content.file()?;
        behind_barrier(path, || names(path))
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        let path = content.file()?;
        behind_barrier(path, || whole(|visit| parts(path, request, usize::MAX, visit)))
    }

    fn read_parts(
        &self,
        content: Content<'_>,
        request: &Request,
        visit: &mut dyn FnMut(Table) -> Result<()>,
    ) -> Result<()> {
        let path = content.file()?;
        behind_barrier(path, || parts(path, request, PART_ROWS, visit))
    }

    fn scan(&self, content: Content<'_>, asked: &[Ask], _query: Option<&str>, visit: &mut Visit<'_>) -> Result<()> {
        let path = content.file()?;
        behind_barrier(path, || stream(path, asked, visit))
    }
}

/// Streams the columns by, in chunks of `STREAMED` rows.
fn stream(path: &Path, asked: &[Ask], visit: &mut Visit<'_>) -> Result<()> {
    let name = path.display().to_string();
    let wanted: Vec<String> = asked.iter().map(|ask| ask.name.clone()).collect();
    check_columns(path, &name, &wanted)?;
    let rows = reader(path)?.num_rows().map_err(|cause| not_parquet(path, cause))?;
    for start in (0..rows).step_by(STREAMED) {
        let slice = reader(path)?.with_columns(Some(wanted.clone())).with_slice(Some((start, STREAMED)));
        let frame: DataFrame = slice.finish().map_err(|cause| not_parquet(path, cause))?;
        let mut chunk = Chunk::new(asked, start as u64, frame.height());
        chunk.rows = frame.height();
        for (ask, cells) in asked.iter().zip(&mut chunk.columns) {
            let column = frame.column(&ask.name).context(|| format!("{name}: column `{}` is not there", ask.name))?;
            if ask.form != Form::Word && column.dtype().is_primitive_numeric() {
                let numbers =
                    column.cast(&DataType::Float64).context(|| format!("column `{}` is no number", ask.name))?;
                let numbers = numbers.f64().context(|| format!("column `{}` is no number", ask.name))?;
                numbers.iter().for_each(|number| cells.push_number(number.unwrap_or(f64::NAN)));
                continue;
            }
            let texts = Cells::new(column, &name)?;
            for row in 0..frame.height() {
                match (texts.cell(row, Slot::Column(0))?, ask.form) {
                    (Cell::Text(text), Form::Word) => cells.push_word(Some(&text)),
                    (_, Form::Word) => cells.push_word(None),
                    (Cell::Text(text), form) => cells.push_text(text.as_bytes(), form),
                    (_, form) => cells.push_text(b"", form),
                }
            }
        }
        visit(vec![chunk])?;
    }
    Ok(())
}

/// Rows of a chunk that streams by, and of a part of a table, about.
const STREAMED: usize = 262_144;
const PART_ROWS: usize = 16_384;

fn check_columns(path: &Path, name: &str, wanted: &[String]) -> Result<()> {
    let known = names(path)?;
    match wanted.iter().find(|column| !known.contains(column)) {
        Some(column) => Err(no_such_column(name, column, &known)),
        None => refuse_half_floats(path, wanted),
    }
}

/// Reads the file in tables of at least `rows` rows; the last may have fewer.
fn parts(path: &Path, request: &Request, rows: usize, visit: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
    let name = path.display().to_string();
    let request = &*match &request.vectors {
        Some(VectorColumns::All { .. }) => request.of_columns(&name, &names(path)?)?,
        _ => Cow::Borrowed(request),
    };
    let slots = slots(request);
    let mut wanted: Vec<String> = Vec::new();
    for (column, _) in &slots {
        if !wanted.iter().any(|wanted| wanted == column) {
            wanted.push((*column).to_owned());
        }
    }
    check_columns(path, &name, &wanted)?;
    let all = reader(path)?.num_rows().map_err(|cause| not_parquet(path, cause))?;
    let mut builder = Builder::new(&name, request);
    for start in (0..all).step_by(ROWS_AT_ONCE) {
        let slice = reader(path)?.with_columns(Some(wanted.clone())).with_slice(Some((start, ROWS_AT_ONCE)));
        let frame: DataFrame = slice.finish().map_err(|cause| not_parquet(path, cause))?;
        let cells = slots.iter().map(|(column, slot)| {
            let column = frame.column(column).context(|| format!("{name}: column `{column}` is not there"))?;
            Cells::of_slot(column, &name, *slot)
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        let mut piece = Piece::new(request, start + 1, builder.width());
        for row in 0..frame.height() {
            piece.push_row(&name, &slots, |slot| cells[slot].cell(row, slots[slot].1))?;
        }
        builder.append(piece)?;
        if builder.rows() >= rows {
            let later = builder.after();
            visit(std::mem::replace(&mut builder, later).finish()?)?;
        }
    }
    // A file that ended with a full part has no rest; one without any row is an error.
    if builder.is_rest() { Ok(()) } else { visit(builder.finish()?) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::parquet_file::{Values, bytes};

    #[test]
    fn columns_stream_by_as_numbers_and_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let (numbers, texts) = ([Some(1.5), None, Some(-2.0)], ["7".to_owned(), "x".to_owned(), String::new()]);
        let columns = [("n", Values::Numbers(&numbers)), ("t", Values::Text(&texts))];
        std::fs::write(&path, bytes(&columns, &[]).unwrap()).unwrap();
        let ask = |name: &str, form: Form| Ask { name: name.to_owned(), form };
        let asked = [ask("t", Form::Word), ask("n", Form::Number), ask("t", Form::Number)];
        let mut seen = Vec::new();
        Parquet
            .scan((&path).into(), &asked[..2], None, &mut |chunks| {
                seen.extend(chunks);
                Ok(())
            })
            .unwrap();
        assert_eq!((seen.len(), seen[0].rows), (1, 3));
        assert_eq!(seen[0].columns[0].words().collect::<Vec<_>>(), [Some("7"), Some("x"), Some("")]);
        let values = |cells: &crate::data::sources::Cells| match cells {
            crate::data::sources::Cells::Numbers { values, wrong, .. } => (values.clone(), *wrong),
            crate::data::sources::Cells::Words { .. } => (Vec::new(), 0),
        };
        let (found, wrong) = values(&seen[0].columns[1]);
        assert!(found[0] == 1.5 && found[1].is_nan() && found[2] == -2.0 && wrong == 0);
        let mut texts = Vec::new();
        Parquet
            .scan((&path).into(), &asked[2..], None, &mut |chunks| {
                texts.extend(chunks);
                Ok(())
            })
            .unwrap();
        let (found, wrong) = values(&texts[0].columns[0]);
        assert!(found[0] == 7.0 && found[1].is_nan() && found[2].is_nan() && wrong == 1);
        let missing = Parquet.scan((&path).into(), &[ask("m", Form::Word)], None, &mut |_| Ok(())).unwrap_err();
        assert!(missing.message.contains("has no column `m`"));
    }
}
