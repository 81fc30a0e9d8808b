//! Very long texts are tokenised in pieces, where that provably gives the same tokens: the tokenizer library needs about
//! 400 bytes of memory for each byte of a text, which for a text of 10 MB is more than many machines have.
//!
//! - BERT (`BertNormalizer`, `BertPreTokenizer`) may be cut behind white space and `. , ! ? 。 ，`. Its normaliser works
//!   character by character, but for putting marks in order, and marks never cross these characters; its pre-tokeniser
//!   ends a word at each of them and makes no word of white space; its model looks at one word at a time.
//! - Byte-level BPE with GPT-2's pattern may be cut before a space between two characters that are none. A match can hold
//!   a space at its start alone, so one ends before that space and the next begins with it, and a piece that begins with
//!   a space gets no other one put before it.
//!
//! Tokens that were added are looked for in the text itself: if one holds a character to cut at, or takes the space
//! behind it along, nothing is cut. Other tokenizers get the text whole.

use tokenizers::Tokenizer;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

/// Bytes of a piece, but for the way to the next place to cut.
const PIECE: usize = 1 << 14;

/// Where a tokenizer's texts may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    Never,
    /// Behind white space and some punctuation.
    BehindBreaks,
    /// Before single spaces.
    BeforeSpaces,
}

impl Cuts {
    /// Where texts of this tokenizer may be cut.
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let lowers = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Lowercase(_));
        let is_bert = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::BertNormalizer(_)) || lowers(step);
        let every = |known: &dyn Fn(&NormalizerWrapper) -> bool| match tokenizer.get_normalizer() {
            None => true,
            Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().iter().all(known),
            Some(step) => known(step),
        };
        let added = tokenizer.get_added_tokens_decoder();
        let no_added = |breaks: fn(char) -> bool| {
            added.values().all(|token| {
                !token.content.contains(breaks) && !token.rstrip && (!token.normalized || token.content.is_ascii())
            })
        };
        match tokenizer.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::BertPreTokenizer(_)) if every(&is_bert) && no_added(is_break) => {
                Self::BehindBreaks
            }
            Some(PreTokenizerWrapper::ByteLevel(level))
                if level.use_regex && every(&lowers) && no_added(char::is_whitespace) =>
            {
                Self::BeforeSpaces
            }
            _ => Self::Never,
        }
    }

    /// The pieces of a text, in order; one for texts of ordinary length.
    pub(super) fn pieces(self, text: &str) -> Vec<&str> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while rest.len() > 2 * PIECE {
            let Some(at) = self.place(rest) else { break };
            let (piece, behind) = rest.split_at(at);
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        pieces
    }

    /// The first place to cut behind `PIECE` bytes.
    fn place(self, text: &str) -> Option<usize> {
        let from = text.ceil_char_boundary(PIECE);
        match self {
            Self::Never => None,
            Self::BehindBreaks => {
                let (at, found) = text[from..].char_indices().find(|(_, letter)| is_break(*letter))?;
                Some(from + at + found.len_utf8())
            }
            Self::BeforeSpaces => {
                let mut before = text[..from].chars().next_back()?;
                let mut letters = text[from..].char_indices().peekable();
                while let Some((at, letter)) = letters.next() {
                    let behind = letters.peek()?.1;
                    if letter == ' ' && !before.is_whitespace() && !behind.is_whitespace() {
                        return Some(from + at);
                    }
                    before = letter;
                }
                None
            }
        }
    }
}

fn is_break(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '.' | ',' | '!' | '?' | '。' | '，')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_may_be() {
        let word = "가".repeat(PIECE / 3);
        let text = format!("{word} {word}.{word}  {word} {word}\n{word}");
        for cuts in [Cuts::Never, Cuts::BehindBreaks, Cuts::BeforeSpaces] {
            assert_eq!(cuts.pieces(&text).concat(), text);
        }
        assert_eq!(Cuts::Never.pieces(&text).len(), 1);
        let ends: Vec<Option<char>> =
            Cuts::BehindBreaks.pieces(&text).iter().map(|piece| piece.chars().next_back()).collect();
        assert_eq!(ends, [Some('.'), Some(' '), Some('\n'), Some('가')]);
        let pieces = Cuts::BeforeSpaces.pieces(&text);
        assert_eq!(pieces.len(), 2);
        assert!(pieces[1].starts_with(" 가") && pieces[0].ends_with('가'));
        assert_eq!(Cuts::BehindBreaks.pieces("짧은 글"), ["짧은 글"]);
        assert_eq!(Cuts::BehindBreaks.pieces(""), [""]);
        let unbroken = "x".repeat(10 * PIECE);
        assert_eq!((Cuts::BehindBreaks.pieces(&unbroken).len(), Cuts::BeforeSpaces.pieces(&unbroken).len()), (1, 1));
    }
}
