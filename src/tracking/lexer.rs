//! The words of the filter language, and errors that show the place with carets.

use super::filter::Operator;
use crate::error::{Error, Result};

/// Longer filters would meet `SQLite`'s limits, with worse messages.
const LENGTH_LIMIT: usize = 10_000;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word(String),
    /// `entity.` and a quoted key.
    Quoted(String, String),
    Number(f64),
    Text(String),
    Operator(Operator),
    Open,
    Close,
    Comma,
    End,
}

/// A token and its place, in characters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: usize,
    pub length: usize,
}

/// A text to be read.
pub(super) struct Source {
    what: &'static str,
    text: Vec<char>,
}

impl Source {
    /// Takes a text; `what` names it in errors.
    pub(super) fn new(what: &'static str, text: &str) -> Result<Self> {
        let text: Vec<char> = text.chars().collect();
        if text.len() > LENGTH_LIMIT {
            let text = format!("the {what} has {} characters, {LENGTH_LIMIT} at most are allowed", text.len());
            return Err(Error::invalid(text));
        }
        Ok(Self { what, text })
    }

    /// A part of the text.
    pub(super) fn text(&self, at: usize, length: usize) -> String {
        self.text[at..at + length].iter().collect()
    }

    /// All tokens; the last one is `End`.
    pub(super) fn tokens(&self) -> Result<Vec<Token>> {
        let (mut tokens, mut at) = (Vec::new(), 0);
        loop {
            at += self.text[at..].iter().take_while(|letter| letter.is_whitespace()).count();
            let (kind, end) = self.lex(at)?;
            let done = kind == Kind::End;
            tokens.push(Token { kind, at, length: end - at });
            if done {
                return Ok(tokens);
            }
            at = end;
        }
    }

    /// The token that begins at `at`, and where it ends.
    fn lex(&self, at: usize) -> Result<(Kind, usize)> {
        let letter = |offset: usize| self.text.get(at + offset).copied().unwrap_or('\0');
        let operator = |operator, length| Ok((Kind::Operator(operator), at + length));
        match (letter(0), letter(1)) {
            _ if at >= self.text.len() => Ok((Kind::End, at)),
            ('(', _) => Ok((Kind::Open, at + 1)),
            (')', _) => Ok((Kind::Close, at + 1)),
            (',', _) => Ok((Kind::Comma, at + 1)),
            ('=', '=') => operator(Operator::Equal, 2),
            ('=', _) => operator(Operator::Equal, 1),
            ('!', '=') | ('<', '>') => operator(Operator::NotEqual, 2),
            ('<', '=') => operator(Operator::LessEqual, 2),
            ('>', '=') => operator(Operator::GreaterEqual, 2),
            ('<', _) => operator(Operator::Less, 1),
            ('>', _) => operator(Operator::Greater, 1),
            (quote @ ('\'' | '"'), _) => {
                let (text, end) = self.quoted(at, quote)?;
                Ok((Kind::Text(text), end))
            }
            (first, _) if first.is_ascii_digit() || "+-.".contains(first) => self.number(at),
            (first, _) if first.is_alphabetic() || first == '_' => {
                let part = |letter: &char| letter.is_alphanumeric() || "_-./@:[]".contains(*letter);
                let end = at + self.text[at..].iter().take_while(|letter| part(letter)).count();
                let word: String = self.text[at..end].iter().collect();
                match (word.strip_suffix('.'), self.text.get(end)) {
                    (Some(entity), Some(quote @ ('`' | '"'))) => {
                        let (key, end) = self.quoted(end, *quote)?;
                        Ok((Kind::Quoted(entity.to_owned(), key), end))
                    }
                    _ => Ok((Kind::Word(word), end)),
                }
            }
            (first, _) => Err(self.wrong(at, 1, &format!("the character {first:?} has no meaning here"))),
        }
    }

    /// The text between quotes; a doubled quote is one.
    fn quoted(&self, start: usize, quote: char) -> Result<(String, usize)> {
        let (mut text, mut at) = (String::new(), start + 1);
        loop {
            match (self.text.get(at), self.text.get(at + 1)) {
                (Some(first), Some(second)) if *first == quote && *second == quote => {
                    text.push(quote);
                    at += 2;
                }
                (Some(first), _) if *first == quote => return Ok((text, at + 1)),
                (Some(first), _) => {
                    text.push(*first);
                    at += 1;
                }
                (None, _) => return Err(self.wrong(start, 1, &format!("the quote {quote} is not closed"))),
            }
        }
    }

    fn number(&self, at: usize) -> Result<(Kind, usize)> {
        let mut end = at + 1;
        while let Some(letter) = self.text.get(end) {
            let exponent_sign = matches!(letter, '+' | '-') && matches!(self.text[end - 1], 'e' | 'E');
            if !(letter.is_alphanumeric() || matches!(letter, '.' | '_') || exponent_sign) {
                break;
            }
            end += 1;
        }
        let text: String = self.text[at..end].iter().collect();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((Kind::Number(number), end)),
            _ => Err(self.wrong(at, end - at, &format!("`{text}` is not a number"))),
        }
    }

    /// An error that shows the place: the text around it, and carets below.
    pub(super) fn wrong(&self, at: usize, length: usize, message: &str) -> Error {
        let start = at.saturating_sub(60);
        let shown = self.text[start..].iter().take(100);
        let line: String = shown.map(|letter| if letter.is_control() { ' ' } else { *letter }).collect();
        let (what, column) = (self.what, at + 1);
        let (margin, carets) = (" ".repeat(at - start), "^".repeat(length.clamp(1, 100 - (at - start))));
        Error::invalid(format!("{what}, column {column}: {message}\n  {line}\n  {margin}{carets}"))
    }
}
