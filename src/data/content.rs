//! What a source reads: a file, or bytes that lie in memory, unpacked and decoded to UTF-8.

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::reading::{Decoded, Reading};
use crate::error::{Context, Error, Result};

/// Where the bytes are.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    File(&'a Path),
    Bytes { name: &'a str, bytes: &'a [u8] },
}

/// A file, or bytes in memory with the name that messages give them, and how they are read.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    origin: Origin<'a>,
    reading: Reading,
}

impl<'a> From<&'a Path> for Content<'a> {
    fn from(path: &'a Path) -> Self {
        Self { origin: Origin::File(path), reading: Reading::default() }
    }
}

impl<'a> From<&'a PathBuf> for Content<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl fmt::Display for Content<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::File(path) => path.display().fmt(formatter),
            Origin::Bytes { name, .. } => formatter.write_str(name),
        }
    }
}

/// How a content is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstandard,
}

/// The packing of a file by its ending.
fn packing(path: &Path) -> Option<Packing> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "gz" => Some(Packing::Gzip),
        "zst" => Some(Packing::Zstandard),
        _ => None,
    }
}

/// The name of a file without the ending of its packing: `rows.csv` for `rows.csv.gz`.
#[must_use]
pub fn unpacked_name(path: &Path) -> PathBuf {
    if packing(path).is_some() { path.with_extension("") } else { path.to_owned() }
}

/// What a file is by its first bytes, where it is no text, and what to write.
fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    match start {
        [0x1F, 0x8B, ..] => Some(("a gzip file", "name it with the ending `.gz`, such as `rows.csv.gz`")),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(("a Zstandard file", "name it with the ending `.zst`")),
        [b'P', b'A', b'R', b'1', ..] => Some(("a Parquet file", "name it .parquet, or write `parquet:PATH`")),
        [b'S', b'Q', b'L', b'i', ..] => Some(("a SQLite database", "name it .sqlite, or write `sqlite:PATH`")),
        [b'P', b'K', 3, 4, ..] => {
            Some(("a ZIP file (an Excel workbook is one too)", "unpack it, or save the sheet as CSV in UTF-8"))
        }
        _ => None,
    }
}

/// Fills the buffer as far as the reader goes.
fn start_of(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

impl<'a> Content<'a> {
    /// Bytes in memory, with what a person knows them by, such as `stdin`.
    #[must_use]
    pub fn of_bytes(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { origin: Origin::Bytes { name, bytes }, reading: Reading::default() }
    }

    /// The same content, read so.
    #[must_use]
    pub fn read_as(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// How it is read.
    #[must_use]
    pub fn reading(self) -> Reading {
        self.reading
    }

    /// The path, of a file.
    #[must_use]
    pub fn path(self) -> Option<&'a Path> {
        match self.origin {
            Origin::File(path) => Some(path),
            Origin::Bytes { .. } => None,
        }
    }

    /// Opens the content for one pass: unpacked, as UTF-8.
    ///
    /// # Errors
    /// `Failed` when the file cannot be read, `Invalid` when it is no text.
    pub fn open(self) -> Result<Box<dyn Read + Send + 'a>> {
        let cannot = || format!("cannot read `{self}`");
        let (raw, packed): (Box<dyn Read + Send + 'a>, Option<Packing>) = match self.origin {
            Origin::File(path) => (Box::new(File::open(path).context(cannot)?), packing(path)),
            Origin::Bytes { bytes, .. } => (Box::new(bytes), None),
        };
        let mut text: Box<dyn Read + Send + 'a> = match packed {
            None => raw,
            Some(Packing::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Some(Packing::Zstandard) => Box::new(zstd::Decoder::new(raw).context(cannot)?),
        };
        let mut start = [0; 4];
        let filled = start_of(&mut text, &mut start).context(cannot)?;
        if let Some((what, hint)) = foreign(&start[..filled]) {
            return Err(Error::invalid(format!("`{self}` is {what}, not text")).hint(hint));
        }
        let text: Box<dyn Read + Send + 'a> = Box::new(Cursor::new(start).take(filled as u64).chain(text));
        Ok(match self.reading.encoding {
            None => text,
            Some(encoding) => Box::new(Decoded::new(text, encoding)),
        })
    }

    /// The size in bytes; 0 where it is not known, as for a pipe or a packed file.
    #[must_use]
    pub fn size(self) -> u64 {
        match self.origin {
            Origin::File(path) if packing(path).is_some() => 0,
            Origin::File(path) => std::fs::metadata(path).map_or(0, |facts| facts.len()),
            Origin::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The whole content as text.
    ///
    /// # Errors
    /// `Invalid` when it is not UTF-8, `NotFound` or `Failed` when the file cannot be read.
    pub fn text(self) -> Result<String> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes).context(|| format!("cannot read `{self}`"))?;
        String::from_utf8(bytes).map_err(|cause| {
            let byte = cause.utf8_error().valid_up_to();
            Error::invalid(format!("`{self}` is not UTF-8 text: byte {byte}"))
                .hint("write its encoding, such as `encoding: cp949`")
        })
    }

    /// The file, for formats that are read from files only.
    ///
    /// # Errors
    /// `Invalid` for bytes in memory.
    pub fn file(self) -> Result<&'a Path> {
        match self.origin {
            Origin::File(path) => Ok(path),
            Origin::Bytes { .. } => {
                Err(Error::invalid(format!("`{self}` is of a format that is read from files only")))
            }
        }
    }
}
