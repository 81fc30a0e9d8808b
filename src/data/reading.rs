//! How the bytes of a text file become rows: its encoding, its delimiter, its quotes, how it writes numbers.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a quote means in a delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quoting {
    /// A character as any other: a field ends at the delimiter, a row at the line break.
    None,
    /// A quote at the start of a field opens it (RFC 4180): delimiters and line breaks may stand inside.
    Minimal,
}

/// How a text file is read; what is absent follows from the format and the name of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// The encoding; UTF-8 when absent.
    pub encoding: Option<&'static Encoding>,
    /// What separates fields.
    pub delimiter: Option<u8>,
    /// What a quote means.
    pub quoting: Option<Quoting>,
    /// What stands before the decimals of a number; `.` when absent.
    pub decimal: Option<char>,
    /// What stands between groups of three digits.
    pub thousands: Option<char>,
}

/// The same as a person has written it, in a config or on the command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written<'a> {
    /// `utf-8`, `cp949`, `euc-kr`, `latin1`, …
    pub encoding: Option<&'a str>,
    /// One character, or `tab`.
    pub delimiter: Option<&'a str>,
    /// `none` or `minimal`.
    pub quoting: Option<&'a str>,
    /// `.` or `,`.
    pub decimal: Option<&'a str>,
    /// One character, or `space`.
    pub thousands: Option<&'a str>,
}

fn encoding(label: &str) -> Result<&'static Encoding> {
    // The registry of the web knows code page 949 under its other names only.
    let known = match label.trim().to_ascii_lowercase().as_str() {
        "cp949" | "ms949" | "uhc" => "euc-kr",
        "cp932" => "shift_jis",
        "cp936" => "gbk",
        "cp950" => "big5",
        "latin-1" => "latin1",
        _ => label.trim(),
    };
    Encoding::for_label(known.as_bytes()).ok_or_else(|| {
        Error::invalid(format!("the encoding `{label}` is not known"))
            .hint("write a name such as utf-8, cp949, euc-kr, latin1, windows-1252, shift_jis, gbk or utf-16le")
    })
}

fn one_character(key: &str, text: &str) -> Result<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Error::invalid(format!("`{key}` is one character, got `{text}`"))),
    }
}

fn delimiter(text: &str) -> Result<u8> {
    let character = match text {
        "tab" | "\\t" => '\t',
        _ => one_character("delimiter", text).map_err(|error| error.hint("write `,`, `;`, `|` or `tab`"))?,
    };
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
        _ => Err(Error::invalid(format!("`delimiter`: `{text}` cannot separate fields"))
            .hint("write an ASCII character such as `,`, `;`, `|` or `tab`; not a quote or a line break")),
    }
}

impl Written<'_> {
    /// The options, checked.
    ///
    /// # Errors
    /// `Invalid` when one is not known, or two cannot stand together.
    pub fn reading(self) -> Result<Reading> {
        let quoting = match self.quoting {
            None => None,
            Some("none") => Some(Quoting::None),
            Some("minimal") => Some(Quoting::Minimal),
            Some(other) => {
                return Err(Error::invalid(format!("`quoting` is `none` or `minimal`, got `{other}`")));
            }
        };
        let decimal = match self.decimal {
            None => None,
            Some(".") => Some('.'),
            Some(",") => Some(','),
            Some(other) => return Err(Error::invalid(format!("`decimal` is `.` or `,`, got `{other}`"))),
        };
        let thousands = match self.thousands {
            None => None,
            Some("space") => Some(' '),
            Some(text) => Some(one_character("thousands", text)?),
        };
        if let Some(thousands) = thousands {
            if thousands.is_ascii_alphanumeric() || matches!(thousands, '+' | '-' | '"') {
                return Err(Error::invalid(format!("`{thousands}` cannot stand between thousands")));
            }
            if thousands == decimal.unwrap_or('.') {
                return Err(Error::invalid(format!(
                    "`{thousands}` cannot stand before decimals and between thousands"
                ))
                .hint("set `decimal` and `thousands` to different characters"));
            }
        }
        let encoding = self.encoding.map(encoding).transpose()?;
        Ok(Reading {
            // UTF-8 is what is read without a decoder.
            encoding: encoding.filter(|encoding| *encoding != encoding_rs::UTF_8),
            delimiter: self.delimiter.map(delimiter).transpose()?,
            quoting,
            decimal,
            thousands,
        })
    }
}

impl Reading {
    /// Whether numbers stand otherwise than `1234.5`.
    #[must_use]
    pub fn has_own_numbers(&self) -> bool {
        self.thousands.is_some() || self.decimal.is_some_and(|decimal| decimal != '.')
    }

    /// A number as it is written elsewhere: `1.234,5` becomes `1234.5`. What is no number stays as it is; none for a
    /// number that is not written by the options, such as `1.5` where decimals follow a comma.
    #[must_use]
    pub fn number<'c>(&self, cell: &'c str) -> Option<Cow<'c, str>> {
        let text = cell.trim();
        if !self.has_own_numbers() || !text.starts_with(|first: char| first.is_ascii_digit() || "+-.,".contains(first))
        {
            return Some(Cow::Borrowed(cell));
        }
        let decimal = self.decimal.unwrap_or('.');
        let (whole, rest) = match text.find([decimal, 'e', 'E']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (sign, whole) = whole.split_at(usize::from(whole.starts_with(['+', '-'])));
        let groups: Vec<&str> = match self.thousands {
            Some(thousands) => whole.split(thousands).collect(),
            None => vec![whole],
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let grouped = groups.len() == 1
            || ((1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3));
        if !grouped || !groups.iter().all(|group| is_digits(group)) {
            return None;
        }
        let rest = match rest.strip_prefix(decimal) {
            // A second mark of any kind is none of a number's.
            Some(decimals) if decimals.contains(['.', ',']) => return None,
            Some(decimals) => format!(".{decimals}"),
            None => rest.to_owned(),
        };
        Some(Cow::Owned(format!("{sign}{}{rest}", groups.concat())))
    }
}

/// A text in another encoding, read as UTF-8.
pub(super) struct Decoded<R> {
    reader: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    /// Bytes of the other encoding, and the same as UTF-8; of these the first `given` are given away.
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    /// Bytes that were decoded.
    before: u64,
    finished: bool,
}

/// Bytes that are decoded at a time.
const RAW_BYTES: usize = 1 << 16;

impl<R: Read> Decoded<R> {
    pub fn new(reader: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { reader, decoder, encoding, raw: Vec::new(), text: Vec::new(), given: 0, before: 0, finished: false }
    }

    fn decode(&mut self) -> io::Result<()> {
        self.raw.resize(RAW_BYTES, 0);
        let read = self.reader.read(&mut self.raw)?;
        self.finished = read == 0;
        let room = self.decoder.max_utf8_buffer_length_without_replacement(read).unwrap_or(4 * RAW_BYTES);
        self.text.resize(room, 0);
        self.given = 0;
        let raw = &self.raw[..read];
        let (result, taken, written) =
            self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.finished);
        self.text.truncate(written);
        self.before += taken as u64;
        if let DecoderResult::Malformed(..) = result {
            let why = format!("byte {} and what stands before it are no text in {}", self.before, self.encoding.name());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.finished {
            self.decode()?;
        }
        let count = target.len().min(self.text.len() - self.given);
        target[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_they_are_written_elsewhere() {
        let german = Written { decimal: Some(","), thousands: Some("."), ..Written::default() }.reading().unwrap();
        let number = |cell| german.number(cell).map(Cow::into_owned);
        assert_eq!(number("1.234.567,25").as_deref(), Some("1234567.25"));
        assert_eq!(number("-0,5").as_deref(), Some("-0.5"));
        assert_eq!(number("12,5e3").as_deref(), Some("12.5e3"));
        assert_eq!(number("nan").as_deref(), Some("nan"));
        assert_eq!((number("1.5"), number("1,234,567"), number("12.34")), (None, None, None));
        let english = Written { thousands: Some(","), ..Written::default() }.reading().unwrap();
        assert_eq!(english.number("4,992").as_deref(), Some("4992"));
        assert_eq!(english.number("4,99"), None);
    }

    #[test]
    fn what_is_not_known_or_cannot_stand_together_is_refused() {
        let message = |written: Written<'_>| written.reading().unwrap_err().message;
        assert_eq!(
            message(Written { encoding: Some("klingon"), ..Written::default() }),
            "the encoding `klingon` is not known"
        );
        assert!(message(Written { delimiter: Some("||"), ..Written::default() }).contains("one character"));
        assert!(message(Written { delimiter: Some("\""), ..Written::default() }).contains("cannot separate"));
        let both = Written { decimal: Some(","), thousands: Some(","), ..Written::default() };
        assert!(message(both).contains("before decimals and between thousands"));
        let tab = Written { delimiter: Some("tab"), encoding: Some("UTF-8"), ..Written::default() };
        assert_eq!(tab.reading().unwrap(), Reading { delimiter: Some(b'\t'), ..Reading::default() });
    }

    #[test]
    fn texts_in_other_encodings_and_bytes_that_are_none() {
        let decoded = |bytes: &[u8], label: &str| {
            let encoding = encoding(label).unwrap();
            io::read_to_string(Decoded::new(bytes, encoding))
        };
        // "가나" in code page 949, "é" in Latin-1, "가" in UTF-16 with its mark.
        assert_eq!(decoded(&[0xB0, 0xA1, 0xB3, 0xAA], "cp949").unwrap(), "가나");
        assert_eq!(decoded(&[0xE9], "latin1").unwrap(), "é");
        assert_eq!(decoded(&[0xFF, 0xFE, 0x00, 0xAC], "utf-16le").unwrap(), "가");
        assert!(decoded(&[0x41, 0xFF, 0xFF], "euc-kr").unwrap_err().to_string().contains("no text in EUC-KR"));
        let long = "가".repeat(100_000);
        let (bytes, ..) = encoding("cp949").unwrap().encode(&long);
        assert_eq!(decoded(&bytes, "cp949").unwrap(), long);
    }
}
