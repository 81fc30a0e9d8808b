//! Rows in memory, such as what came over standard input or with a request.

use std::io::Read;

use super::source::Source;
use super::{csv, json, letor};
use crate::data::content::Content;
use crate::error::{Context, Error, Result};

/// Rows in memory; their format is told from their first characters.
#[derive(Clone)]
pub struct Memory {
    name: String,
    bytes: Vec<u8>,
    source: &'static dyn Source,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rows themselves may be large, and are nobody's business.
        write!(formatter, "Memory({}, {} bytes of {})", self.name, self.bytes.len(), self.source.name())
    }
}

impl Memory {
    /// Rows from bytes; messages call them `name`.
    ///
    /// # Errors
    /// `Invalid` when there are none.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(byte));
        let source: &'static dyn Source = match first {
            None => return Err(Error::invalid(format!("{name} is empty"))),
            Some(b'{') => &json::Ndjson,
            Some(b'[') => &json::JsonArray,
            Some(_) if is_letor(&bytes) => &letor::Letor,
            Some(_) => &csv::CSV,
        };
        Ok(Self { name: name.to_owned(), bytes, source })
    }

    /// Reads a stream to its end.
    ///
    /// # Errors
    /// `Failed` when it cannot be read, `Invalid` when it is empty.
    pub fn read(name: &str, mut stream: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).context(|| format!("cannot read {name}"))?;
        Self::new(name, bytes)
    }

    /// What messages call the rows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the format.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.source.name()
    }

    /// The source that reads this format.
    pub(super) fn source(&self) -> &'static dyn Source {
        self.source
    }

    /// What the source reads.
    pub(super) fn content(&self) -> Content<'_> {
        Content::of_bytes(&self.name, &self.bytes)
    }
}

/// Whether the second word of the first line that is no comment is a query: `2 qid:10 1:0.03`.
fn is_letor(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(1)
        .is_some_and(|word| word.starts_with(b"qid:"))
}

#[cfg(test)]
mod tests {
    use super::super::{Request, column_names, read};
    use super::*;

    #[test]
    fn formats_are_told_from_the_content_and_are_read_like_files() {
        let request = |name: &str| Request { columns: vec![name.to_owned()], ..Request::default() };
        for (content, format, column) in [
            ("{\"a\": 1}\n{\"a\": 2}\n", "ndjson", "a"),
            (" [{\"a\": 1}, {\"a\": 2}]", "json", "a"),
            ("\u{feff}a,b\n1,x\n2,y\n", "csv", "a"),
            ("# note\n1 qid:7 1:1\n0 qid:7 1:2\n", "letor", "1"),
        ] {
            let memory = Memory::read("stdin", content.as_bytes()).unwrap();
            assert_eq!(memory.format(), format);
            let root = std::path::Path::new("/nowhere");
            assert!(column_names(&memory, None, root).unwrap().iter().any(|name| name == column), "{format}");
            let table = read(&memory, &request(column), root).unwrap();
            let cells: Vec<_> = table.cells(column).unwrap().map(|cell| cell.unwrap().to_owned()).collect();
            assert_eq!(cells, ["1", "2"], "{format}");
            let missing = read(&memory, &request("zz"), root).unwrap_err();
            assert!(missing.message.contains("stdin"), "{}", missing.message);
        }
        assert_eq!(Memory::new("stdin", b" \n".to_vec()).unwrap_err().message, "stdin is empty");
    }
}
