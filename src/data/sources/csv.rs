//! CSV and TSV with a header; only the requested columns are looked at, blocks are parsed on all cores.
//!
//! In CSV a quote opens a field (RFC 4180); in TSV it is a character as any other, for that is how most tools write
//! TSV, and one stray quote would swallow the rows up to the next. `quoting` says it otherwise.
//!
//! An empty unquoted cell is null, `""` is an empty text. A record with another number of fields than the header is an
//! error, never padded. polars reads CSV too, but pads short records silently and would hold 1.6 GB of vector text in
//! memory before the first number is parsed (ARCHITECTURE.md has the measurement).

use std::borrow::Cow;
use std::path::Path;

use super::blocks::{Blocks, parse_records};
use super::chunk::{Ask, Chunk, Form, Visit};
use super::dialect::{Dialect, Field, text};
use super::piece::{Builder, Cell, Piece, Slot, slots};
use super::source::{Request, Source, has_extension, whole};
use crate::catalog::Named;
use crate::data::content::Content;
use crate::data::reading::Reading;
use crate::data::table::{Table, no_such_column};
use crate::error::{Error, Result};

/// Text whose fields are separated by a character: CSV and TSV differ in their endings and in their usual dialect.
pub struct Separated {
    name: &'static str,
    about: &'static str,
    endings: &'static [&'static str],
    dialect: fn(Reading) -> Dialect,
}

/// CSV files.
pub const CSV: Separated = Separated {
    name: "csv",
    about: "comma-separated text with a header (.csv)",
    endings: &[".csv"],
    dialect: Dialect::csv,
};

/// TSV files.
pub const TSV: Separated = Separated {
    name: "tsv",
    about: "tab-separated text with a header, quotes being plain characters (.tsv, .tab)",
    endings: &[".tsv", ".tab"],
    dialect: Dialect::tsv,
};

impl Named for Separated {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

fn header(name: &str, record: &[u8], dialect: Dialect) -> Result<Vec<String>> {
    let wrong = |why: &str| Error::invalid(format!("`{name}`: the header is wrong: {why}"));
    let mut columns: Vec<String> = Vec::new();
    for field in dialect.fields(record) {
        let field = field.map_err(wrong)?;
        let column = text(field).map_err(|_| wrong("it is not UTF-8").hint(NOT_UTF8))?;
        let column = column.trim().to_owned();
        if columns.contains(&column) && !column.is_empty() {
            return Err(wrong(&format!("column `{column}` stands there twice")));
        }
        columns.push(column);
    }
    if let [only] = columns.as_slice() {
        let separators = [(';', ";", ";"), ('|', "|", "|"), ('\t', "tabs", "tab"), (',', ",", ",")];
        if let Some((_, what, option)) = separators
            .iter()
            .find(|(character, ..)| *character != char::from(dialect.delimiter) && only.contains(*character))
        {
            let what = if *what == "tabs" { "tabs".to_owned() } else { format!("`{what}`") };
            let hint =
                format!("write `delimiter: '{option}'` in the config, `--delimiter '{option}'` on the command line");
            return Err(wrong(&format!("its columns are separated by {what}")).hint(hint));
        }
    }
    Ok(columns)
}

/// The layout that all records share.
struct Layout<'a> {
    name: &'a str,
    dialect: Dialect,
    n_fields: usize,
    slots: Vec<(&'a str, Slot)>,
    /// For each slot the index of its field.
    fields: Vec<usize>,
    request: &'a Request,
}

impl Layout<'_> {
    fn parse(
        &self,
        block: &[u8],
        records: &[std::ops::Range<usize>],
        first_row: usize,
        width: Option<usize>,
    ) -> Result<Piece> {
        let mut piece = Piece::new(self.request, first_row, width);
        let mut fields: Vec<Field<'_>> = Vec::with_capacity(self.n_fields);
        let own_numbers = self.dialect.reading.has_own_numbers();
        for (offset, record) in records.iter().enumerate() {
            let row = first_row + offset;
            let wrong = |why: String| Error::invalid_rows(format!("{}: row {row}: {why}", self.name));
            fields.clear();
            for field in self.dialect.fields(&block[record.clone()]) {
                fields.push(field.map_err(|why| wrong(why.into()))?);
            }
            if fields.len() != self.n_fields {
                return Err(
                    wrong(format!("expected {} fields, got {}", self.n_fields, fields.len())).hint(self.dialect.hint())
                );
            }
            piece.push_row(self.name, &self.slots, |slot| {
                let field = fields[self.fields[slot]];
                if field.bytes.is_empty() && !field.quoted {
                    return Ok(Cell::Null);
                }
                let (column, kind) = self.slots[slot];
                let text = text(field).map_err(|byte| {
                    wrong(format!("column `{column}` is not UTF-8 at its byte {byte}")).hint(NOT_UTF8)
                })?;
                if !own_numbers || !matches!(kind, Slot::Number) {
                    return Ok(Cell::Text(text));
                }
                match self.dialect.reading.number(&text) {
                    Some(number) => Ok(Cell::Text(Cow::Owned(number.into_owned()))),
                    None => Err(wrong(format!(
                        "column `{column}`: `{text}` is not a number as `decimal` and `thousands` say"
                    ))),
                }
            })?;
        }
        Ok(piece)
    }
}

/// Records of a chunk that streams by: enough for a thread's while, little beside a block.
const STREAMED: usize = 16_384;

/// The asked columns in records that stream by.
struct Stream<'a> {
    name: &'a str,
    dialect: Dialect,
    asked: &'a [Ask],
    /// For each field of a record the place of its column among those asked.
    places: Vec<Option<usize>>,
}

impl Stream<'_> {
    fn chunk(&self, block: &[u8], records: &[std::ops::Range<usize>], first_row: u64) -> Result<Chunk> {
        let mut chunk = Chunk::new(self.asked, first_row, records.len());
        let own_numbers = self.dialect.reading.has_own_numbers();
        for record in records {
            let wrong = |why: String| {
                Error::invalid_rows(format!("{}: row {}: {why}", self.name, first_row + chunk.rows as u64 + 1))
            };
            let mut n_fields = 0;
            for field in self.dialect.fields(&block[record.clone()]) {
                let field = field.map_err(|why| wrong(why.into()))?;
                if let Some(Some(place)) = self.places.get(n_fields) {
                    let cells = &mut chunk.columns[*place];
                    match self.asked[*place].form {
                        Form::Word if field.bytes.is_empty() && !field.quoted => cells.push_word(None),
                        Form::Word => {
                            let word = text(field).map_err(|byte| {
                                let column = &self.asked[*place].name;
                                wrong(format!("column `{column}` is not UTF-8 at its byte {byte}")).hint(NOT_UTF8)
                            })?;
                            cells.push_word(Some(&word));
                        }
                        form if own_numbers => match text(field).ok().and_then(|cell| {
                            let number = self.dialect.reading.number(&cell)?;
                            Some(number.into_owned())
                        }) {
                            Some(number) => cells.push_text(number.as_bytes(), form),
                            None => cells.push_wrong(field.bytes),
                        },
                        form => cells.push_text(field.bytes, form),
                    }
                }
                n_fields += 1;
            }
            if n_fields != self.places.len() {
                return Err(
                    wrong(format!("expected {} fields, got {n_fields}", self.places.len())).hint(self.dialect.hint())
                );
            }
            chunk.rows += 1;
        }
        Ok(chunk)
    }
}

/// Rows of a part of a table, about.
const PART_ROWS: usize = 16_384;
/// What to do about a text that is not UTF-8.
const NOT_UTF8: &str = "save the file as UTF-8, or write its encoding, such as `encoding: cp949`";

impl Separated {
    fn dialect(&self, content: Content<'_>) -> Dialect {
        (self.dialect)(content.reading())
    }
}

impl Source for Separated {
    fn reads(&self, path: &Path) -> bool {
        has_extension(path, self.endings)
    }

    fn columns(&self, content: Content<'_>, _query: Option<&str>) -> Result<Vec<String>> {
        columns(content, self.dialect(content))
    }

    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table> {
        whole(|visit| parts(content, self.dialect(content), request, usize::MAX, visit))
    }

    fn read_parts(
        &self,
        content: Content<'_>,
        request: &Request,
        visit: &mut dyn FnMut(Table) -> Result<()>,
    ) -> Result<()> {
        parts(content, self.dialect(content), request, PART_ROWS, visit)
    }

    fn scan(&self, content: Content<'_>, asked: &[Ask], _query: Option<&str>, visit: &mut Visit<'_>) -> Result<()> {
        scan(content, self.dialect(content), asked, visit)
    }
}

fn columns(content: Content<'_>, dialect: Dialect) -> Result<Vec<String>> {
    let name = content.to_string();
    let mut columns = Vec::new();
    Blocks::open(content, dialect.records())?.next(|block, records| {
        let first = records.first().ok_or_else(|| Error::invalid(format!("`{name}` is empty")))?;
        let first = &block[first.clone()];
        // A file with CR-only line ends is one line.
        if records.len() == 1 && memchr::memchr(b'\r', first).is_some() && memchr::memchr(b'\n', first).is_none() {
            return Err(Error::invalid(format!("`{name}` ends its lines with a carriage return alone (old Mac)"))
                .hint("save it with line feeds: `tr '\\r' '\\n' < OLD > NEW`"));
        }
        columns = header(&name, first, dialect)?;
        Ok(())
    })?;
    Ok(columns)
}

fn scan(content: Content<'_>, dialect: Dialect, asked: &[Ask], visit: &mut Visit<'_>) -> Result<()> {
    use rayon::prelude::*;
    let name = content.to_string();
    let columns = columns(content, dialect)?;
    if let Some(ask) = asked.iter().find(|ask| !columns.contains(&ask.name)) {
        return Err(no_such_column(&name, &ask.name, &columns));
    }
    let places = columns.iter().map(|column| asked.iter().position(|ask| ask.name == *column)).collect();
    let stream = Stream { name: &name, dialect, asked, places };
    let mut blocks = Blocks::open(content, dialect.records())?;
    let (mut header_seen, mut first_row) = (false, 0);
    let mut more = true;
    while more {
        more = blocks.next(|block, records| {
            let records = if header_seen { records } else { records.get(1..).unwrap_or(&[]) };
            header_seen = true;
            let chunks = records.par_chunks(STREAMED).enumerate();
            let chunks = chunks.map(|(at, records)| stream.chunk(block, records, first_row + (at * STREAMED) as u64));
            let chunks: Vec<Result<Chunk>> = chunks.collect();
            first_row += records.len() as u64;
            visit(chunks.into_iter().collect::<Result<_>>()?)
        })?;
    }
    Ok(())
}

/// Reads the file in tables of at least `rows` rows; the last may have fewer, and knows of fields that span lines.
fn parts(
    content: Content<'_>,
    dialect: Dialect,
    request: &Request,
    rows: usize,
    visit: &mut dyn FnMut(Table) -> Result<()>,
) -> Result<()> {
    let name = content.to_string();
    let columns = columns(content, dialect)?;
    let request = &*request.of_columns(&name, &columns)?;
    let slots = slots(request);
    let fields = slots.iter().map(|(wanted, _)| {
        let found = columns.iter().position(|column| column == wanted);
        found.ok_or_else(|| no_such_column(&name, wanted, &columns))
    });
    let fields = fields.collect::<Result<Vec<usize>>>()?;
    let layout = Layout { name: &name, dialect, n_fields: columns.len(), slots, fields, request };
    let mut builder = Builder::new(&name, request);
    let mut blocks = Blocks::open(content, dialect.records())?;
    let mut header_seen = false;
    loop {
        let more = blocks.next(|block, records| {
            let records = if header_seen { records } else { records.get(1..).unwrap_or(&[]) };
            header_seen = true;
            for records in records.chunks(rows.min(records.len().max(1))) {
                parse_records(&mut builder, records, |records, first, width| {
                    layout.parse(block, records, first, width)
                })?;
                if builder.rows() >= rows {
                    let later = builder.after();
                    visit(std::mem::replace(&mut builder, later).finish()?)?;
                }
            }
            Ok(())
        })?;
        if !more {
            builder.warn(blocks.spanning().map(|(count, first)| spanning(&name, count, first)));
            // A file that ended with a full part has no rest; one without any row is an error.
            return if builder.is_rest() { Ok(()) } else { visit(builder.finish()?) };
        }
    }
}

/// What a person should know of quoted fields that span lines: a stray quote swallows rows so.
fn spanning(name: &str, count: u64, first: u64) -> String {
    let rows = if count == 1 { "1 row has".to_owned() } else { format!("{count} rows have") };
    format!(
        "{name}: {rows} a quoted field that spans lines, the first is row {first}; if its quote is a plain character, \
         write `quoting: none`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::reading::{Quoting, Reading};

    fn read(content: &[u8], request: &Request) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, content).unwrap();
        CSV.read((&path).into(), request)
    }

    fn texts(columns: &[&str]) -> Request {
        Request { columns: columns.iter().map(ToString::to_string).collect(), ..Request::default() }
    }

    #[test]
    fn quotes_line_breaks_nulls_and_a_byte_order_mark() {
        let table =
            read("\u{feff}id,text\r\n1,\"가 \"\"나\"\"\n다\"\r\n2,\r\n3,\"\"\n".as_bytes(), &texts(&["text"])).unwrap();
        let cells: Vec<_> = table.cells("text").unwrap().collect();
        assert_eq!(cells, [Some("가 \"나\"\n다"), None, Some("")]);
    }

    #[test]
    fn a_stray_quote_swallows_no_row_of_a_tsv_and_is_told_in_a_csv() {
        let rows: Vec<String> = (1..=400)
            .map(|row| match row {
                10 => "10\t\"open".to_owned(),
                60 => "60\tclosed\"".to_owned(),
                row => format!("{row}\ttext"),
            })
            .collect();
        let text = format!("id\ttext\n{}\n", rows.join("\n"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, &text).unwrap();
        let table = TSV.read((&path).into(), &texts(&["text"])).unwrap();
        assert_eq!(table.n_rows(), 400);
        assert_eq!(table.cells("text").unwrap().nth(9).unwrap(), Some("\"open"));
        assert!(table.warnings().is_empty());

        let text = text.replace('\t', ",");
        let table = read(text.as_bytes(), &texts(&["text"])).unwrap();
        assert_eq!(table.n_rows(), 350);
        let warning = &table.warnings()[0];
        assert!(warning.contains("1 row has a quoted field that spans lines, the first is row 10"), "{warning}");
        let reading = Reading { quoting: Some(Quoting::None), ..Reading::default() };
        let literal =
            CSV.read(Content::of_bytes("stdin", text.as_bytes()).read_as(reading), &texts(&["text"])).unwrap();
        assert_eq!((literal.n_rows(), literal.warnings().len()), (400, 0));
    }

    #[test]
    fn delimiters_encodings_and_numbers_of_other_places() {
        use super::super::source::VectorColumns;
        let reading = Reading {
            encoding: Some(encoding_rs::EUC_KR),
            delimiter: Some(b';'),
            decimal: Some(','),
            thousands: Some('.'),
            ..Reading::default()
        };
        let (bytes, ..) = encoding_rs::EUC_KR.encode("이름;x\n가;1.234,5\n나;0,25\n");
        let request = Request { vectors: Some(VectorColumns::Numbers(vec!["x".into()])), ..texts(&["이름"]) };
        let table = CSV.read(Content::of_bytes("stdin", &bytes).read_as(reading), &request).unwrap();
        assert_eq!(table.cells("이름").unwrap().collect::<Vec<_>>(), [Some("가"), Some("나")]);
        assert_eq!(table.vectors().unwrap().gather(&[0, 1]).into_raw_vec_and_offset().0, [1234.5, 0.25]);
        let (bytes, ..) = encoding_rs::EUC_KR.encode("이름;x\n가;1.5\n");
        let wrong = CSV.read(Content::of_bytes("stdin", &bytes).read_as(reading), &request).unwrap_err().message;
        assert!(wrong.ends_with("`1.5` is not a number as `decimal` and `thousands` say"), "{wrong}");
    }

    #[test]
    fn packed_files_and_files_that_are_something_else() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"a,b\n1,2\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let packed = zstd::encode_all(&b"a,b\n1,2\n"[..], 3).unwrap();
        for (name, bytes) in [("a.csv.gz", &gzip), ("a.csv.zst", &packed)] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert!(CSV.reads(&path) && !TSV.reads(&path));
            let table = CSV.read((&path).into(), &texts(&["b"])).unwrap();
            assert_eq!(table.cells("b").unwrap().collect::<Vec<_>>(), [Some("2")]);
        }
        let message = |content: &[u8]| read(content, &texts(&["b"])).unwrap_err().message;
        assert!(message(&gzip).ends_with("is a gzip file, not text"));
        assert!(message(b"PAR1xxxxPAR1").ends_with("is a Parquet file, not text"));
        assert!(message(b"a|b\n1|2\n").ends_with("its columns are separated by `|`"));
        assert!(message(b"a\tb\n1\t2\n").ends_with("its columns are separated by tabs"));
        assert!(message(b"a,b\r1,2\r").ends_with("with a carriage return alone (old Mac)"));
    }

    #[test]
    fn errors_name_the_row() {
        let message = |content: &[u8]| {
            let error = read(content, &texts(&["b"])).unwrap_err();
            error.message.split_once("a.csv").unwrap().1.to_owned()
        };
        assert_eq!(message(b"a,b\n1,2\n1,2,3\n"), ": row 2: expected 2 fields, got 3");
        assert_eq!(message(b"a,b\n1,\"2\"x\n"), ": row 1: text follows the closing quote of a field");
        assert_eq!(message(b"a,b\n1,\xff\n"), ": row 1: column `b` is not UTF-8 at its byte 0");
        assert_eq!(message(b"a,bb\n1,2\n"), "` has no column `b`");
        assert_eq!(message(b"a,b\n"), "` has no rows");
        assert_eq!(message(b"a,b,b\n1,2,3\n"), "`: the header is wrong: column `b` stands there twice");
    }

    #[test]
    fn numeric_columns_become_vectors() {
        use super::super::source::VectorColumns;
        let request =
            Request { vectors: Some(VectorColumns::Numbers(vec!["x".into(), "y".into()])), ..Request::default() };
        let table = read(b"y,x\n1,2\n,\n3,true\n", &request).unwrap();
        let vectors = table.vectors().unwrap();
        assert_eq!(vectors.present(), [true, false, true]);
        assert_eq!(vectors.gather(&[0, 2]).into_raw_vec_and_offset().0, [2., 1., 1., 3.]);
        let wrong = |content: &[u8]| read(content, &request).unwrap_err().message;
        assert!(wrong(b"y,x\n1,abc\n").ends_with("row 1, column `x`: expected a number, got `abc`"));
        assert!(wrong(b"y,x\n1,nan\n").ends_with("row 1, column `x`: expected a finite number, got `nan`"));
        assert!(wrong(b"y,x\n1,2\n1,\n").contains("row 2, column `x`: the value is missing"));
    }

    fn scanned(content: &[u8], asked: &[(&str, Form)]) -> Result<Vec<Chunk>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, content).unwrap();
        let asked: Vec<Ask> = asked.iter().map(|(name, form)| Ask { name: (*name).to_owned(), form: *form }).collect();
        let mut all = Vec::new();
        CSV.scan((&path).into(), &asked, None, &mut |chunks| {
            all.extend(chunks);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn columns_stream_by_as_numbers_and_words() {
        use crate::data::sources::Cells;
        let content = "\u{feff}n,other,w\r\n1,x,\"가 \"\"나\"\"\n다\"\r\n\"2.5\",,\r\n,y,\"\"\nabc,z,b".as_bytes();
        let chunks = scanned(content, &[("w", Form::Word), ("n", Form::Number)]).unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.rows).sum::<usize>(), 4);
        let words: Vec<_> = chunks[0].columns[0].words().collect();
        assert_eq!(words, [Some("가 \"나\"\n다"), None, Some(""), Some("b")]);
        let Cells::Numbers { values, wrong, example } = &chunks[0].columns[1] else { panic!("numbers") };
        assert_eq!((values[0], values[1], *wrong, example.as_deref()), (1.0, 2.5, 1, Some("abc")));
        assert!(values[2].is_nan() && values[3].is_nan());
        let message = |content: &[u8]| scanned(content, &[("a", Form::Number)]).unwrap_err().message;
        assert!(message(b"a,b\n1,2\n1\n").ends_with("row 2: expected 2 fields, got 1"));
        assert!(message(b"b\n1\n").ends_with("has no column `a`"));
    }

    #[test]
    fn chunks_follow_each_other_over_blocks() {
        let rows = 3_000_000_usize;
        let text: String = std::iter::once("x\n".to_owned()).chain((0..rows).map(|row| format!("{row}\n"))).collect();
        let chunks = scanned(text.as_bytes(), &[("x", Form::Number)]).unwrap();
        let mut next = 0;
        for chunk in &chunks {
            assert_eq!(chunk.first_row, next);
            match &chunk.columns[0] {
                super::super::chunk::Cells::Numbers { values, .. } => assert_eq!(values[0], next as f64),
                super::super::chunk::Cells::Words { .. } => panic!("words"),
            }
            next += chunk.rows as u64;
        }
        assert_eq!(next, rows as u64);
    }

    #[test]
    fn parts_of_a_table_keep_the_numbers_of_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let text: String = (0..7).map(|row| format!("{row},{}\n", row * 2)).collect();
        std::fs::write(&path, format!("a,b\n{text}")).unwrap();
        let request = texts(&["b"]);
        let mut seen = Vec::new();
        parts((&path).into(), Dialect::csv(Reading::default()), &request, 3, &mut |table| {
            let cells: Vec<String> = table.cells("b")?.flatten().map(str::to_owned).collect();
            seen.push((table.before(), table.place(0, "b").row, cells));
            Ok(())
        })
        .unwrap();
        let rows: Vec<(usize, usize, usize)> =
            seen.iter().map(|(before, row, cells)| (*before, *row, cells.len())).collect();
        assert_eq!(rows, [(0, 1, 3), (3, 4, 3), (6, 7, 1)]);
        assert_eq!(
            seen.into_iter().flat_map(|(.., cells)| cells).collect::<Vec<_>>(),
            ["0", "2", "4", "6", "8", "10", "12"]
        );
    }
}
