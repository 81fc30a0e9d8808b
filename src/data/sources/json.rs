//! JSON: one object per line (NDJSON, in bounded memory), or one array of objects.
//!
//! A nested object or array in a text column stays JSON text, so that `json_fields` works on it as on a JSON column of
//! a database.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::blocks::{Blocks, Records, parse_records};
use super::piece::{Builder, Cell, Piece, Slot, slots};
use super::source::{Request, Source, has_extension};
use crate::catalog::Named;
use crate::data::content::Content;
use crate::data::table::{Table, no_such_column};
use crate::error::{Cause, Error, Result};

/// One JSON object per line.
pub struct Ndjson;
/// One JSON array of objects.
pub struct JsonArray;

impl Named for Ndjson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn about(&self) -> &'static str {
        "one JSON object per line (.ndjson, .jsonl)"
    }
}

impl Named for JsonArray {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "one JSON array of objects (.json)"
    }
}

fn cell(value: Option<&Value>, slot: Slot) -> Cell<'_> {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::String(text)) => Cell::Text(Cow::Borrowed(text)),
        Some(Value::Array(items)) if matches!(slot, Slot::Embedding) && items.iter().all(Value::is_number) => {
            Cell::Numbers(items.iter().map(|item| item.as_f64().map_or(f32::NAN, |number| number as f32)).collect())
        }
        Some(other) => Cell::Text(Cow::Owned(other.to_string())),
    }
}

fn parse_objects(
    name: &str,
    request: &Request,
    (first_row, width): (usize, Option<usize>),
    objects: impl Iterator<Item = Result<Map<String, Value>>>,
) -> Result<Piece> {
    let slots = slots(request);
    let mut piece = Piece::new(request, first_row, width);
    for object in objects {
        let object = object?;
        piece.push_row(name, &slots, |slot| Ok(cell(object.get(slots[slot].0), slots[slot].1)))?;
    }
    Ok(piece)
}

/// A key that no row holds is a column that is not there; one that some rows lack is null in them.
fn check_columns(name: &str, request: &Request, known: &[String]) -> Result<()> {
    match slots(request).iter().find(|(wanted, _)| !known.iter().any(|column| column == wanted)) {
        Some((missing, _)) => Err(no_such_column(name, missing, known)),
        None => Ok(()),
    }
}

fn parse_line(name: &str, row: usize, line: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(line).map_err(|cause| {
        Error::invalid_rows(format!("{name}: row {row} is not a JSON object"))
            .caused_by(cause)
            .hint("one object per line")
    })
}

/// Rows whose keys are gathered at a time.
const KEY_ROWS: usize = 1000;

fn keys_of<'a>(objects: impl Iterator<Item = &'a Map<String, Value>>) -> Vec<String> {
    let (mut seen, mut known) = (HashSet::new(), Vec::new());
    for key in objects.flat_map(Map::keys) {
        if seen.insert(key.as_str()) {
            known.push(key.clone());
        }
    }
    known
}

impl Source for Ndjson {
    fn reads(&self, path: &Path) -> bool {
        has_extension(path, &[".ndjson", ".jsonl"])
    }

    fn columns(&self, content: Content<'_>, _query: Option<&str>) -> Result<Vec<String>> {
        let (name, mut first_row, mut known) = (content.to_string(), 1, Vec::new());
        let mut blocks = Blocks::open(content, Records::Lines)?;
        // A key may first appear in the last row.
        while blocks.next(|block, records| {
            let chunks: Vec<_> = records.chunks(KEY_ROWS).enumerate().collect();
            let keys = chunks.par_iter().map(|(at, records)| {
                let objects = records.iter().zip(first_row + at * KEY_ROWS..);
                let objects = objects.map(|(record, row)| parse_line(&name, row, &block[record.clone()]));
                Ok(keys_of(objects.collect::<Result<Vec<_>>>()?.iter()))
            });
            for key in keys.collect::<Result<Vec<_>>>()?.into_iter().flatten() {
                if !known.contains(&key) {
                    known.push(key);
                }
            }
            first_row += records.len();
            Ok(())
        })? {}
        Ok(known)
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        let name = content.to_string();
        let known = self.columns(content, None)?;
        let request = &*request.of_columns(&name, &known)?;
        check_columns(&name, request, &known)?;
        let mut builder = Builder::new(&name, request);
        let mut blocks = Blocks::open(content, Records::Lines)?;
        while blocks.next(|block, records| {
            parse_records(&mut builder, records, |records, first_row, width| {
                let objects = records.iter().enumerate();
                let objects = objects.map(|(at, record)| parse_line(&name, first_row + at, &block[record.clone()]));
                parse_objects(&name, request, (first_row, width), objects)
            })
        })? {}
        builder.finish()
    }
}

fn read_array(content: Content<'_>) -> Result<Vec<Map<String, Value>>> {
    let text = content.text()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).map_err(|cause| {
        Error::invalid(format!("`{content}` is not a JSON array of objects"))
            .caused_by(cause)
            .hint("one object per line is NDJSON: name the file .ndjson")
    })
}

impl Source for JsonArray {
    fn reads(&self, path: &Path) -> bool {
        has_extension(path, &[".json"])
    }

    fn columns(&self, content: Content<'_>, _query: Option<&str>) -> Result<Vec<String>> {
        Ok(keys_of(read_array(content)?.iter()))
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        let name = content.to_string();
        let objects = read_array(content)?;
        if objects.is_empty() {
            return Err(Error::invalid(format!("`{name}` has no rows")).because(Cause::NoRows));
        }
        let known = keys_of(objects.iter());
        let request = &*request.of_columns(&name, &known)?;
        check_columns(&name, request, &known)?;
        let mut builder = Builder::new(&name, request);
        builder.append(parse_objects(&name, request, (1, None), objects.into_iter().map(Ok))?)?;
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_first_appear_in_the_last_row() {
        let mut text = "{\"a\": 1}\n".repeat(2_500);
        text.push_str("{\"a\": 2, \"late\": \"x\"}\n");
        let content = Content::of_bytes("stdin", text.as_bytes());
        assert_eq!(Ndjson.columns(content, None).unwrap(), ["a", "late"]);
        let request = |name: &str| Request { columns: vec![name.to_owned()], ..Request::default() };
        let table = Ndjson.read(content, &request("late")).unwrap();
        assert_eq!(table.cells("late").unwrap().last().unwrap(), Some("x"));
        assert!(Ndjson.read(content, &request("never")).unwrap_err().message.contains("has no column `never`"));
    }
}
