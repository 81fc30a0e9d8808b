//! The dialect of a delimited text, and the fields of one record of it.

use std::borrow::Cow;

use super::blocks::Records;
use crate::data::reading::{Quoting, Reading};

/// What separates fields and what a quote means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What separates fields.
    pub delimiter: u8,
    /// What a quote means.
    pub quoting: Quoting,
    /// How the text is read otherwise.
    pub reading: Reading,
}

impl Dialect {
    /// CSV, where nothing else is said.
    pub const fn csv(reading: Reading) -> Self {
        Self::of(b',', Quoting::Minimal, reading)
    }

    /// TSV, where nothing else is said.
    pub const fn tsv(reading: Reading) -> Self {
        Self::of(b'\t', Quoting::None, reading)
    }

    const fn of(delimiter: u8, quoting: Quoting, reading: Reading) -> Self {
        let delimiter = match reading.delimiter {
            Some(given) => given,
            None => delimiter,
        };
        let quoting = match reading.quoting {
            Some(given) => given,
            None => quoting,
        };
        Self { delimiter, quoting, reading }
    }

    /// How records end.
    pub fn records(self) -> Records {
        match self.quoting {
            Quoting::None => Records::Lines,
            Quoting::Minimal => Records::Quoted(self.delimiter),
        }
    }

    /// The fields of a record.
    pub fn fields(self, record: &[u8]) -> Fields<'_> {
        Fields { rest: Some(record), dialect: self }
    }

    /// What to do about a row with too few or too many fields.
    pub fn hint(self) -> &'static str {
        match self.quoting {
            Quoting::None => "a field cannot hold the delimiter; where quotes enclose fields, write `quoting: minimal`",
            Quoting::Minimal => {
                "a field that holds the delimiter must be quoted; where quotes are characters, write `quoting: none`"
            }
        }
    }
}

/// One field: its text (doubled quotes still doubled) and whether it was quoted.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it was quoted.
    pub quoted: bool,
}

/// The fields of one record.
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
    dialect: Dialect,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let delimiter = self.dialect.delimiter;
        let quoted = if self.dialect.quoting == Quoting::Minimal { rest.strip_prefix(b"\"") } else { None };
        let Some(inner) = quoted else {
            let end = memchr::memchr(delimiter, rest);
            self.rest = end.map(|end| &rest[end + 1..]);
            return Some(Ok(Field { bytes: &rest[..end.unwrap_or(rest.len())], quoted: false }));
        };
        let mut from = 0;
        loop {
            let Some(at) = memchr::memchr(b'"', &inner[from..]).map(|at| from + at) else {
                self.rest = None;
                return Some(Err("a quoted field has no closing quote"));
            };
            match inner.get(at + 1) {
                Some(b'"') => from = at + 2,
                None => self.rest = None,
                Some(next) if *next == delimiter => self.rest = Some(&inner[at + 2..]),
                Some(_) => {
                    self.rest = None;
                    return Some(Err("text follows the closing quote of a field"));
                }
            }
            if inner.get(at + 1) != Some(&b'"') {
                return Some(Ok(Field { bytes: &inner[..at], quoted: true }));
            }
        }
    }
}

/// The text of a field; where it is not UTF-8, its first wrong byte.
pub fn text(field: Field<'_>) -> Result<Cow<'_, str>, usize> {
    let text = std::str::from_utf8(field.bytes).map_err(|cause| cause.valid_up_to())?;
    let doubled = field.quoted && memchr::memchr(b'"', field.bytes).is_some();
    Ok(if doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
}
