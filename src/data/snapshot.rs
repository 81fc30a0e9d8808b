//! A snapshot: the rows of one moment as a Parquet file, with what can be said of each column.
//!
//! Cells are text in a `Table`; a column becomes int64 or float64 where every cell is written as such a number is
//! (`007` and `1.50` stay text), so that reading it again gives the same cells. Columns that models read as numbers are
//! float64 however they are spelled. Vectors become fixed-size lists of f32;
//! rows without one are left out and counted, since nothing can learn from them.

use polars::prelude::{
    Column, DataFrame, Float32Chunked, IntoColumn, IntoSeries, KeyValueMetadata, NamedFrom, NewChunkedArray,
    ParquetWriter, ReshapeDimension, Series,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::table::Table;
use crate::error::{Context, Error, Result};
use crate::fs::{sha256, write_with};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Whole numbers.
    Int64,
    /// Numbers.
    Float64,
    /// Text.
    Text,
    /// Vectors of one width.
    Vector,
}

/// What can be said of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Rows without a value.
    pub nulls: u64,
}

/// What can be said of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Rows that were taken, before those without a vector were left out.
    pub rows: u64,
    /// Rows in the file.
    pub written: u64,
    /// Its columns, in order.
    pub columns: Vec<ColumnFacts>,
    /// SHA-256 over names and kinds of the columns.
    pub schema_sha256: String,
}

/// What the columns of a snapshot are.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// All columns, in order.
    pub names: &'a [String],
    /// The one of the table's vectors.
    pub vector: Option<&'a str>,
    /// Those that models read as numbers.
    pub numbers: &'a [String],
}

/// Writes the rows at these positions, in this order, with all columns that were read. Atomic.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write(
    path: &Path,
    table: &Table,
    layout: Layout<'_>,
    positions: &[usize],
    metadata: &[(&str, String)],
) -> Result<Facts> {
    let present = |row: &usize| table.vectors().is_none_or(|vectors| vectors.present()[*row]);
    let kept: Vec<usize> = positions.iter().copied().filter(present).collect();
    let (mut columns, mut facts) = (Vec::new(), Vec::new());
    for name in layout.names {
        if layout.vector == Some(name.as_str()) {
            let nulls = (positions.len() - kept.len()) as u64;
            facts.push(ColumnFacts { name: name.clone(), kind: ColumnKind::Vector, nulls });
            columns.push(vectors(table, name, &kept)?);
            continue;
        }
        let cells: Vec<Option<&str>> = table.cells(name)?.collect();
        let nulls = positions.iter().filter(|row| cells[**row].is_none()).count() as u64;
        let cells: Vec<Option<&str>> = kept.iter().map(|row| cells[*row]).collect();
        let (kind, column) = typed(name, &cells, layout.numbers.contains(name));
        facts.push(ColumnFacts { name: name.clone(), kind, nulls });
        columns.push(column);
    }
    let schema: Vec<String> = facts.iter().map(|one| format!("{}\u{0}{:?}", one.name, one.kind)).collect();
    let facts = Facts {
        rows: positions.len() as u64,
        written: kept.len() as u64,
        columns: facts,
        schema_sha256: sha256(schema.join("\u{1}").as_bytes()),
    };
    let mut frame = DataFrame::new(kept.len(), columns).context(|| "columns of unequal length".into())?;
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    write_with(path, |file| {
        let writer = ParquetWriter::new(file).with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata)));
        writer.finish(&mut frame).context(|| format!("cannot write `{}`", path.display()))?;
        Ok(())
    })?;
    Ok(facts)
}

fn vectors(table: &Table, name: &str, rows: &[usize]) -> Result<Column> {
    let all = table.vectors().ok_or_else(|| Error::failed(format!("column `{name}` was not read as vectors")))?;
    let matrix = all.gather(rows);
    let width = ReshapeDimension::new(i64::try_from(matrix.ncols()).unwrap_or(i64::MAX));
    let flat = Float32Chunked::from_iter_values(name.into(), matrix.iter().copied()).into_series();
    let shaped = flat.reshape_array(&[ReshapeDimension::Infer, width]);
    Ok(shaped.context(|| format!("cannot shape column `{name}`"))?.into_column())
}

/// A cell as a whole number, when it is written as the number would be.
fn whole(cell: &str) -> Option<i64> {
    cell.parse().ok().filter(|number: &i64| number.to_string() == cell)
}

/// A cell as a number with a fraction: `NaN` and `inf` are words here, and `1` would come back as `1.0`.
fn fraction(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.is_finite() && format!("{number:?}") == cell)
}

fn typed(name: &str, cells: &[Option<&str>], is_number: bool) -> (ColumnKind, Column) {
    fn all<N>(cells: &[Option<&str>], parse: impl Fn(&str) -> Option<N>) -> Option<Vec<Option<N>>> {
        let parsed = cells.iter().map(|cell| match cell {
            None => Some(None),
            Some(cell) => parse(cell).map(Some),
        });
        parsed.collect()
    }
    let known = cells.iter().any(Option::is_some);
    if let Some(numbers) = known.then(|| all(cells, whole)).flatten() {
        return (ColumnKind::Int64, Series::new(name.into(), numbers).into_column());
    }
    let number = |cell: &str| if is_number { cell.trim().parse().ok() } else { fraction(cell) };
    if let Some(numbers) = known.then(|| all(cells, number)).flatten() {
        return (ColumnKind::Float64, Series::new(name.into(), numbers).into_column());
    }
    (ColumnKind::Text, Series::new(name.into(), cells).into_column())
}

#[cfg(test)]
mod tests {
    use super::ColumnKind::{Float64, Int64, Text, Vector};
    use super::*;
    use crate::data::sources::{Request, VectorColumns, read};

    #[test]
    fn cells_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("a.csv"),
            "id,code,share,label,text,v\n1,007,0.5,1,가나,\"1,2\"\n2,8,1.0,2.5,,\"3,4\"\n3,9,-2.25,1,\"\",\n",
        )
        .unwrap();
        let names = ["id", "code", "share", "label", "text", "v"].map(str::to_owned).to_vec();
        let columns = names[..5].to_vec();
        let request = Request {
            columns: columns.clone(),
            vectors: Some(VectorColumns::Embedding("v".into())),
            ..Request::default()
        };
        let table = read("a.csv", &request, folder.path()).unwrap();
        let path = folder.path().join("b.parquet");
        let layout = Layout { names: &names, vector: Some("v"), numbers: &[] };
        let facts = write(&path, &table, layout, &[2, 1, 0], &[("who", "me".into())]).unwrap();
        assert_eq!((facts.rows, facts.written), (3, 2));
        let kinds: Vec<ColumnKind> = facts.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [Int64, Text, Float64, Text, Text, Vector]);
        assert_eq!(facts.columns.iter().map(|column| column.nulls).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1]);
        let again = read("b.parquet", &request, folder.path()).unwrap();
        for name in &columns {
            let cells = |table: &Table| -> Vec<Option<String>> {
                table.cells(name).unwrap().map(|cell| cell.map(str::to_owned)).collect()
            };
            let before = cells(&table);
            assert_eq!(cells(&again), [before[1].clone(), before[0].clone()], "{name}");
        }
        assert_eq!(again.vectors().unwrap().row(0), [3.0, 4.0]);
        assert_eq!(crate::data::parquet_file::facts(&path).unwrap()["who"], "me");
        let layout = Layout { numbers: &names[3..4], ..layout };
        assert_eq!(write(&path, &table, layout, &[0, 1], &[]).unwrap().columns[3].kind, Float64);
    }
}
