//! One line: `label qid:ID index:value … # comment`.
//!
//! The parts are separated by blanks or tabs. `NULL` stands for a missing value, and is kept as NaN; NaN and infinity
//! as such are refused. Indices that do not ascend are sorted, an index that stands twice is refused.

use super::documents::id_in;
use super::number::{any, decimal};
use crate::data::labels::HIGHEST_GRADE;

/// What was found in a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'a> {
    /// Label.
    pub label: u8,
    /// Query id.
    pub query: &'a str,
    /// Document id; empty when there is none.
    pub document: &'a str,
    /// Whether the indices ascended.
    pub is_sorted: bool,
}

/// The features of a line: index as written, value; zeros may be missing.
pub type Pairs = Vec<(u32, f32)>;

/// What is wrong with a line: message and remedy.
pub type Wrong = (String, Option<&'static str>);

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The rest after blanks.
fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_blank(**byte)).count()..]
}

/// The bytes up to a blank or a comment, and the rest.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| is_blank(*byte) || *byte == b'#').unwrap_or(text.len()))
}

/// Bytes for a message: at most 40 characters.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(40).collect()
}

/// Reads a line without its line break; none for a blank line or a comment. `pairs` gets the features.
///
/// # Errors
/// What is wrong.
pub fn parse<'a>(text: &'a [u8], pairs: &mut Pairs) -> Result<Option<Line<'a>>, Wrong> {
    pairs.clear();
    let text = skip_blanks(text.trim_ascii_end());
    if text.is_empty() || text[0] == b'#' {
        return Ok(None);
    }
    let (label, rest) = word(text);
    let label = parse_label(label)?;
    let (query, mut rest) = word(skip_blanks(rest));
    let query = query.strip_prefix(b"qid:").ok_or_else(|| {
        let message = format!("expected `qid:` behind the label, found `{}`", shown(query));
        (message, Some("every line names its query: `2 qid:10 1:0.03`"))
    })?;
    let query = std::str::from_utf8(query).ok().filter(|query| !query.is_empty());
    let query = query.ok_or_else(|| ("the id behind `qid:` is empty or not UTF-8".to_owned(), None))?;
    let (mut document, mut is_sorted, mut before) = ("", true, None);
    loop {
        rest = skip_blanks(rest);
        match rest.first() {
            None => break,
            Some(b'#') => {
                let comment = std::str::from_utf8(&rest[1..]);
                document = id_in(comment.map_err(|_| ("the comment is not UTF-8".to_owned(), None))?);
                break;
            }
            Some(_) => {}
        }
        let (pair, after) = parse_pair(rest)?;
        is_sorted &= before.is_none_or(|before| before < pair.0);
        before = Some(pair.0);
        pairs.push(pair);
        rest = after;
    }
    if !is_sorted {
        pairs.sort_by_key(|pair| pair.0);
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err((format!("feature {} stands twice", twice[0].0), None));
        }
    }
    Ok(Some(Line { label, query, document, is_sorted }))
}

fn parse_label(text: &[u8]) -> Result<u8, Wrong> {
    if let [digit @ b'0'..=b'9'] = text {
        return Ok(digit - b'0');
    }
    let number = fast_float2::parse::<f64, _>(text).ok();
    let label = number.filter(|number| number.fract() == 0.0 && (0.0..=f64::from(HIGHEST_GRADE)).contains(number));
    label.map(|label| label as u8).ok_or_else(|| {
        let message = format!("expected a label, a whole number of 0 to {HIGHEST_GRADE}, found `{}`", shown(text));
        (message, Some("labels are grades of relevance"))
    })
}

/// Reads `index:value`, and gives the rest.
fn parse_pair(text: &[u8]) -> Result<((u32, f32), &[u8]), Wrong> {
    let malformed = || (format!("expected `index:value`, found `{}`", shown(word(text).0)), None);
    let mut index = 0_u64;
    let mut at = 0;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        index = index * 10 + u64::from(digit);
        at += 1;
        if at > 10 {
            break;
        }
    }
    if at == 0 || text.get(at) != Some(&b':') {
        return Err(malformed());
    }
    let index = u32::try_from(index).ok().filter(|index| *index < u32::MAX);
    let index = index.ok_or_else(|| (format!("feature index `{}` is too large", shown(&text[..at])), None))?;
    let rest = &text[at + 1..];
    if let Some((value, length)) = decimal(rest) {
        return Ok(((index, value), &rest[length..]));
    }
    let (value, rest) = word(rest);
    if value.eq_ignore_ascii_case(b"null") {
        return Ok(((index, f32::NAN), rest));
    }
    match any(value) {
        Some(number) if number.is_finite() => Ok(((index, number), rest)),
        Some(_) => {
            let message = format!("feature {index} is `{}`: NaN, infinite, or too large for f32", shown(value));
            Err((message, Some("fill or drop such values; a missing one is left out, or `NULL`")))
        }
        None => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<(Line<'_>, Pairs)>, Wrong> {
        let mut pairs = Vec::new();
        Ok(parse(text.as_bytes(), &mut pairs)?.map(|line| (line, pairs)))
    }

    #[test]
    fn lines_are_read() {
        let (line, pairs) = parsed("2 qid:10 1:0.03 7:-5e-1\t9:1 #docid = GX1 inc = 1\r").unwrap().unwrap();
        assert_eq!(line, Line { label: 2, query: "10", document: "GX1", is_sorted: true });
        assert_eq!(pairs, [(1, 0.03), (7, -0.5), (9, 1.0)]);
        let (line, pairs) = parsed("  31.0   qid:web:한글  0:1#x").unwrap().unwrap();
        assert_eq!(line, Line { label: 31, query: "web:한글", document: "x", is_sorted: true });
        assert_eq!(pairs, [(0, 1.0)]);
        let (line, pairs) = parsed("0 qid:a 5:1 2:NULL 4:3").unwrap().unwrap();
        assert!(!line.is_sorted && pairs[0].1.is_nan());
        assert_eq!(pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), [2, 4, 5]);
        assert!(parsed("1 qid:a").unwrap().unwrap().1.is_empty());
        for nothing in ["", "   ", "\r", "# a comment", "\t#"] {
            assert_eq!(parsed(nothing).unwrap(), None);
        }
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        let cases = [
            ("1.5 qid:1 1:1", "expected a label, a whole number of 0 to 31, found `1.5`"),
            ("-1 qid:1 1:1", "expected a label, a whole number of 0 to 31, found `-1`"),
            ("32 qid:1", "expected a label, a whole number of 0 to 31, found `32`"),
            ("x qid:1", "expected a label, a whole number of 0 to 31, found `x`"),
            ("1 1:0.5", "expected `qid:` behind the label, found `1:0.5`"),
            ("1", "expected `qid:` behind the label, found ``"),
            ("1 qid: 1:1", "the id behind `qid:` is empty or not UTF-8"),
            ("1 qid:1 1:1 1:2", "feature 1 stands twice"),
            ("1 qid:1 3:1 1:2 3:4", "feature 3 stands twice"),
            ("1 qid:1 1:nan", "feature 1 is `nan`: NaN, infinite, or too large for f32"),
            ("1 qid:1 2:-inf", "feature 2 is `-inf`: NaN, infinite, or too large for f32"),
            ("1 qid:1 2:1e99", "feature 2 is `1e99`: NaN, infinite, or too large for f32"),
            ("1 qid:1 a:1", "expected `index:value`, found `a:1`"),
            ("1 qid:1 1", "expected `index:value`, found `1`"),
            ("1 qid:1 1:", "expected `index:value`, found `1:`"),
            ("1 qid:1 1:0.5x", "expected `index:value`, found `1:0.5x`"),
            ("1 qid:1 -1:0.5", "expected `index:value`, found `-1:0.5`"),
            ("1 qid:1 4294967295:0.5", "feature index `4294967295` is too large"),
            ("1 qid:1 99999999999999999999:0.5", "expected `index:value`, found `99999999999999999999:0.5`"),
        ];
        for (line, message) in cases {
            assert_eq!(parsed(line).unwrap_err().0, message, "{line}");
        }
    }
}
