//! A look at texts before any vector is made: how long they are in tokens, what is cut off, what the vocabulary lacks and
//! what looks wrong in them. Needs the tokenizer, no weights.
//!
//! Texts come block by block; what is kept is one number a text, counts and the first rows of each finding. Quantiles are
//! nearest-rank ones, lengths of texts that are there: p90 is the ⌈0.9·n⌉-th shortest.
//!
//! Mojibake is text whose bytes were read in the wrong encoding. Two kinds show their origin and are looked for: UTF-8
//! read as Windows-1252 (`안` becomes `ì•ˆ`, `é` becomes `Ã©`): characters that, as bytes of Windows-1252, are a character
//! of UTF-8 beyond U+0080 (one of two bytes counts only from `Â` or `Ã`, as `É»` may stand in a text); and EUC-KR read as
//! Latin-1 (`안녕` becomes `¾È³ç`): two or more pairs from the range of Hangul with at least one sign among the letters.

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::embeddings::folder::Tokenizer;
use crate::embeddings::truncation::Truncation;
use crate::error::Result;

/// Rows that are named for each finding, the first ones.
pub const ROWS: usize = 10;
/// Unknown words and characters that are listed, the most frequent ones.
pub const LISTED: usize = 20;
/// Different unknown words that are counted; beyond, those seen once are forgotten now and then.
const COUNTED: usize = 1 << 16;

/// What was found in texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Texts.
    pub texts: usize,
    /// Tokens of all texts, special ones and prompt included.
    pub tokens: usize,
    /// Lengths in tokens.
    pub lengths: Lengths,
    /// What is longer than the model reads.
    pub truncation: Truncation,
    /// What the vocabulary lacks.
    pub unknown: Unknown,
    /// Texts without a character that is no white space.
    pub empty: Finding,
    /// Texts with characters of which the tokenizer keeps none.
    pub without_tokens: Finding,
    /// What looks wrong, the most frequent first; without those that no text has.
    pub findings: Vec<Finding>,
}

/// Lengths of texts in tokens, special ones and prompt included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// Half the texts are as long or shorter.
    pub p50: usize,
    /// Nine in ten.
    pub p90: usize,
    /// Ninety-nine in a hundred.
    pub p99: usize,
    /// The longest.
    pub max: usize,
    /// Texts by length, in doubling steps.
    pub histogram: Vec<Bin>,
}

/// Texts of some lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bin {
    /// Tokens at least.
    pub from: usize,
    /// Tokens at most.
    pub to: usize,
    /// How many texts.
    pub texts: usize,
}

/// What the vocabulary lacks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Unknown {
    /// Unknown tokens.
    pub tokens: usize,
    /// Unknown tokens of all tokens but the special ones; 0 without tokens.
    pub rate: f64,
    /// Texts with an unknown token.
    pub texts: usize,
    /// The first of their rows.
    pub rows: Vec<usize>,
    /// The most frequent unknown words.
    pub words: Vec<Counted>,
    /// The characters that make words unknown, by the words they stand in.
    pub characters: Vec<Counted>,
}

/// A piece of text with how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The piece.
    pub text: String,
    /// How often.
    pub count: usize,
}

/// Something found in texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name for scripts: `replacement_character`.
    pub kind: &'static str,
    /// What it means, for people.
    pub about: &'static str,
    /// How many texts have it.
    pub texts: usize,
    /// The first of their rows.
    pub rows: Vec<usize>,
    /// A piece of the first one.
    pub example: String,
}

impl Finding {
    fn new(kind: &'static str, about: &'static str) -> Self {
        Self { kind, about, texts: 0, rows: Vec::new(), example: String::new() }
    }

    fn add(&mut self, row: usize, example: impl FnOnce() -> String) {
        if self.texts == 0 {
            self.example = example();
        }
        self.texts += 1;
        if self.rows.len() < ROWS {
            self.rows.push(row);
        }
    }
}

/// What a text may have, and how it is told.
const KINDS: [(&str, &str); 9] = [
    ("replacement_character", "U+FFFD: characters were lost when the text was decoded"),
    ("mojibake", "text that was read in the wrong encoding"),
    ("nul", "NUL characters"),
    ("control_characters", "control characters other than tab and line ends"),
    ("byte_order_mark", "a byte order mark (U+FEFF)"),
    ("zero_width", "zero-width characters, which split words that look whole"),
    ("decomposed_hangul", "Hangul in single jamo (NFD): most vocabularies know only whole syllables"),
    ("not_nfc", "characters that are not in Unicode NFC"),
    ("private_use", "private-use characters, which mean something only to one font"),
];

/// Looks at texts block by block.
pub struct Auditor<'a> {
    tokenizer: &'a Tokenizer,
    max_length: usize,
    /// Row and tokens of every text.
    lengths: Vec<(usize, usize)>,
    unknown: Unknown,
    words: FxHashMap<String, usize>,
    empty: Finding,
    without_tokens: Finding,
    findings: Vec<Finding>,
}

impl<'a> Auditor<'a> {
    /// Nothing seen yet. `max_length` is what the model reads of a text.
    #[must_use]
    pub fn new(tokenizer: &'a Tokenizer, max_length: usize) -> Self {
        Self {
            tokenizer,
            max_length,
            lengths: Vec::new(),
            unknown: Unknown::default(),
            words: FxHashMap::default(),
            empty: Finding::new("empty", "texts of white space alone"),
            without_tokens: Finding::new("without_tokens", "texts of which the tokenizer keeps nothing"),
            findings: KINDS.iter().map(|(kind, about)| Finding::new(kind, about)).collect(),
        }
    }

    /// Looks at a block: texts as they are (what is wrong in them is seen there), as they go into the tokenizer, their
    /// tokens without special ones (`Tokenizer::encode`) and their rows.
    ///
    /// # Errors
    /// `Failed` when a text cannot be tokenised.
    pub fn add<S: AsRef<str> + Sync, C: AsRef<str> + Sync>(
        &mut self,
        texts: &[S],
        cleaned: &[C],
        bodies: &[Vec<u32>],
        rows: &[usize],
    ) -> Result<()> {
        let seen = |((text, clean), body): ((&S, &C), &Vec<u32>)| {
            let text = text.as_ref();
            let n_unknown = body.iter().filter(|id| Some(**id) == self.tokenizer.unknown()).count();
            let words =
                if n_unknown == 0 { FxHashMap::default() } else { self.tokenizer.unknown_words(clean.as_ref())? };
            Ok((look(text), n_unknown, words))
        };
        let seen: Vec<_> = texts.par_iter().zip(cleaned).zip(bodies).map(seen).collect::<Result<_>>()?;
        for (((text, body), row), (found, n_unknown, words)) in texts.iter().zip(bodies).zip(rows).zip(seen) {
            let (text, row) = (text.as_ref(), *row);
            self.lengths.push((row, body.len() + self.tokenizer.n_special()));
            if text.trim().is_empty() {
                self.empty.add(row, String::new);
            } else if body.is_empty() {
                self.without_tokens.add(row, || shown(text, 0));
            }
            for (finding, at) in self.findings.iter_mut().zip(found) {
                if let Some(at) = at {
                    finding.add(row, || shown(text, at));
                }
            }
            self.count_unknown(row, n_unknown, words);
        }
        Ok(())
    }

    fn count_unknown(&mut self, row: usize, n_unknown: usize, words: FxHashMap<String, usize>) {
        if n_unknown == 0 {
            return;
        }
        self.unknown.tokens += n_unknown;
        self.unknown.texts += 1;
        if self.unknown.rows.len() < ROWS {
            self.unknown.rows.push(row);
        }
        for (word, count) in words {
            *self.words.entry(word).or_default() += count;
        }
        if self.words.len() > COUNTED {
            self.words.retain(|_, count| *count > 1);
        }
    }

    /// What was found.
    ///
    /// # Errors
    /// `Failed` when an unknown character cannot be tokenised.
    pub fn finish(mut self) -> Result<Audit> {
        let n_special = self.tokenizer.n_special();
        let tokens: usize = self.lengths.iter().map(|(_, tokens)| tokens).sum();
        let own = tokens - n_special * self.lengths.len();
        self.unknown.rate = if own == 0 { 0.0 } else { self.unknown.tokens as f64 / own as f64 };
        self.unknown.characters = most_frequent(self.unknown_characters()?);
        self.unknown.words = most_frequent(std::mem::take(&mut self.words));
        let truncation = Truncation::of(self.max_length, self.lengths.iter().copied());
        self.findings.retain(|finding| finding.texts > 0);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.texts));
        Ok(Audit {
            texts: self.lengths.len(),
            tokens,
            lengths: Lengths::of(self.lengths.into_iter().map(|(_, tokens)| tokens).collect()),
            truncation,
            unknown: self.unknown,
            empty: self.empty,
            without_tokens: self.without_tokens,
            findings: self.findings,
        })
    }

    /// The characters of unknown words that are unknown alone, too.
    fn unknown_characters(&self) -> Result<FxHashMap<String, usize>> {
        let mut alone: FxHashMap<char, bool> = FxHashMap::default();
        let mut counts = FxHashMap::default();
        for (word, count) in &self.words {
            let mut letters: Vec<char> = word.chars().collect();
            letters.sort_unstable();
            letters.dedup();
            for letter in letters {
                let unknown = match alone.get(&letter) {
                    Some(unknown) => *unknown,
                    None => !self.tokenizer.unknown_words(letter.encode_utf8(&mut [0; 4]))?.is_empty(),
                };
                alone.insert(letter, unknown);
                if unknown {
                    *counts.entry(letter.to_string()).or_default() += count;
                }
            }
        }
        Ok(counts)
    }
}

fn most_frequent(counts: FxHashMap<String, usize>) -> Vec<Counted> {
    let mut counted: Vec<Counted> = counts.into_iter().map(|(text, count)| Counted { text, count }).collect();
    counted.sort_unstable_by(|one, other| other.count.cmp(&one.count).then_with(|| one.text.cmp(&other.text)));
    counted.truncate(LISTED);
    counted
}

impl Lengths {
    fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let rank = |share: f64| lengths.get(((share * lengths.len() as f64).ceil() as usize).max(1) - 1).copied();
        let max = lengths.last().copied().unwrap_or(0);
        let (mut histogram, mut from, mut to) = (Vec::new(), 0, 8);
        while from <= max && !lengths.is_empty() {
            let upto = |length: usize| lengths.partition_point(|one| *one <= length);
            let below = if from == 0 { 0 } else { upto(from - 1) };
            histogram.push(Bin { from, to, texts: upto(to) - below });
            (from, to) = (to + 1, to * 2);
        }
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| rank(share).unwrap_or(0));
        Self { p50, p90, p99, max, histogram }
    }
}

/// Where each of `KINDS` begins in a text.
fn look(text: &str) -> [Option<usize>; KINDS.len()] {
    let mut found = [None; KINDS.len()];
    // Most texts have none of this: what is settled is passed over quickly.
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) || matches!(byte, b'\t' | b'\n' | b'\r')) {
        return found;
    }
    let [replacement, mojibake, nul, control, mark, zero_width, hangul, nfc, private] = &mut found;
    for (at, letter) in text.char_indices() {
        let slot = match letter {
            '\u{fffd}' => &mut *replacement,
            '\0' => &mut *nul,
            '\t' | '\n' | '\r' => continue,
            '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => &mut *control,
            '\u{feff}' => &mut *mark,
            '\u{200b}' | '\u{2060}' => &mut *zero_width,
            '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}' => &mut *hangul,
            '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10fffd}' => &mut *private,
            _ => continue,
        };
        slot.get_or_insert(at);
    }
    *nfc = not_nfc(text);
    *mojibake = mojibake_at(text);
    found
}

/// Where a text stops being in NFC.
fn not_nfc(text: &str) -> Option<usize> {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes || text.nfc().eq(text.chars()) {
        return None;
    }
    let differs = text.char_indices().zip(text.nfc()).find(|((_, letter), normal)| letter != normal);
    Some(differs.map_or(0, |((at, _), _)| at))
}

/// Where text that was read in the wrong encoding begins.
fn mojibake_at(text: &str) -> Option<usize> {
    let mut letters: Vec<(usize, u8)> = Vec::new();
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        if let Some(byte) = byte_of(letter) {
            letters.push((at, byte));
        } else {
            if let Some(at) = utf8_run(&letters).or_else(|| korean_run(&letters)) {
                return Some(at);
            }
            letters.clear();
        }
    }
    None
}

/// The byte of a character beyond ASCII in Windows-1252, or in Latin-1 where that has none.
fn byte_of(letter: char) -> Option<u8> {
    /// The characters of the bytes 0x80 to 0x9f that are others than in Latin-1.
    const OTHERS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match letter {
        '\u{80}'..='\u{ff}' => Some(letter as u8),
        '\u{152}'..='\u{2122}' => OTHERS.chars().position(|other| other == letter).map(|at| 0x80 + at as u8),
        _ => None,
    }
}

fn utf8_run(letters: &[(usize, u8)]) -> Option<usize> {
    letters.iter().enumerate().find_map(|(start, (at, lead))| {
        let length = match lead {
            0xc2 | 0xc3 => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let bytes: Vec<u8> = letters.get(start..start + length)?.iter().map(|(_, byte)| *byte).collect();
        std::str::from_utf8(&bytes).is_ok().then_some(*at)
    })
}

fn korean_run(letters: &[(usize, u8)]) -> Option<usize> {
    let pairs = |from: usize| {
        let pair = |pair: &&[(usize, u8); 2]| matches!(pair[0].1, 0xb0..=0xc8) && pair[1].1 >= 0xa1;
        // Eight pairs say enough, and a long run is not looked at again from each of its places.
        letters[from..].as_chunks::<2>().0.iter().take(8).take_while(pair).count()
    };
    (0..letters.len()).find_map(|from| {
        let run = &letters[from..from + 2 * pairs(from)];
        let is_sign = |(_, byte): &(usize, u8)| *byte < 0xc0 || matches!(byte, 0xd7 | 0xf7);
        (run.len() >= 4 && run.iter().any(is_sign)).then(|| letters[from].0)
    })
}

/// A piece of a text around a place, with invisible characters made visible.
fn shown(text: &str, at: usize) -> String {
    let before: Vec<char> = text[..at].chars().rev().take(10).collect();
    let piece = before.into_iter().rev().chain(text[at..].chars().take(20));
    let mut shown = String::new();
    for letter in piece {
        let hidden = letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
        if hidden {
            shown.push_str(&format!("<U+{:04X}>", letter as u32));
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::folder::Prompt;
    use crate::embeddings::folder::fixtures::Copied;

    #[test]
    fn texts_are_audited_block_by_block_without_weights() {
        let copied = Copied::of("tiny-bert-mean");
        copied.remove("model.safetensors");
        let tokenizer = Tokenizer::open(&copied.open().unwrap()).unwrap();
        let texts = ["좋아요", "", " \t", "☃ 좋아요 ☃", "\0", "𓀀☃", "\u{fffd}좋"];
        let mut auditor = Auditor::new(&tokenizer, 5);
        for (block, rows) in [(&texts[..4], &[1, 2, 3, 4][..]), (&texts[4..], &[7, 8, 9])] {
            let bodies = tokenizer.encode(block, &Prompt::default(), rows).unwrap();
            auditor.add(block, block, &bodies, rows).unwrap();
        }
        let audit = auditor.finish().unwrap();
        let lengths: Vec<usize> =
            tokenizer.encode(&texts, &Prompt::default(), &[0; 7]).unwrap().iter().map(|body| body.len() + 2).collect();
        assert_eq!((audit.texts, audit.tokens), (7, lengths.iter().sum()));
        assert_eq!(audit.lengths.max, *lengths.iter().max().unwrap());
        assert_eq!(
            (audit.truncation.max_length, audit.truncation.truncated),
            (5, lengths.iter().filter(|n| **n > 5).count())
        );
        assert_eq!((audit.empty.texts, &audit.empty.rows[..]), (2, &[2, 3][..]));
        assert_eq!((audit.without_tokens.texts, &audit.without_tokens.rows[..]), (1, &[7][..]));
        let kinds: Vec<(&str, &[usize])> = audit.findings.iter().map(|one| (one.kind, &one.rows[..])).collect();
        assert_eq!(kinds, [("replacement_character", &[9][..]), ("nul", &[7])]);
        let unknown = &audit.unknown;
        assert_eq!((unknown.texts, &unknown.rows[..], unknown.tokens), (2, &[4, 8][..], 3));
        let words: Vec<(&str, usize)> = unknown.words.iter().map(|one| (one.text.as_str(), one.count)).collect();
        assert_eq!(words, [("☃", 2), ("𓀀☃", 1)]);
        let letters: Vec<(&str, usize)> = unknown.characters.iter().map(|one| (one.text.as_str(), one.count)).collect();
        assert_eq!(letters, [("☃", 3), ("𓀀", 1)]);
        let own = audit.tokens - 2 * audit.texts;
        assert_eq!(unknown.rate, 3.0 / own as f64);
        assert!(serde_json::to_string(&audit).unwrap().contains("\"kind\":\"nul\""));
        let nothing = Auditor::new(&tokenizer, 5).finish().unwrap();
        assert_eq!((nothing.texts, nothing.unknown.rate, nothing.lengths), (0, 0.0, Lengths::default()));
    }

    fn kinds(text: &str) -> Vec<&'static str> {
        look(text).iter().zip(KINDS).filter(|(at, _)| at.is_some()).map(|(_, (kind, _))| kind).collect()
    }

    #[test]
    fn clean_texts_are_clean() {
        let clean = [
            "",
            "plain text\r\n\twith lines",
            "저는 성실합니다. 漢字、かな",
            "Crème brûlée — “déjà vu”, où? «À Noël» 5 € © ® ½ × 3",
            "ÄÖÜ äöü ß ÆØÅ æøå ÑÕÃ ÇÊÎ",
            "naïve Straße, ÀÉÎÕÜ; ŠŽ šž œŒ …",
            "👨‍👩‍👧 family",
        ];
        for text in clean {
            assert_eq!(kinds(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn wrong_encodings_are_recognised() {
        // Python 3.11: "안녕 é 좋아요".encode().decode("cp1252", "replace"), and "안녕하세요".encode("euc-kr").decode("latin-1").
        for text in [
            "ì•ˆë…•",
            "caf\u{c3}\u{a9}",
            "it\u{e2}\u{20ac}\u{2122}s",
            "¾È³çÇÏ¼¼¿ä",
            "영화 ¾È³ç 좋아",
            "10\u{c2}\u{b0}C",
        ] {
            assert!(kinds(text).contains(&"mojibake"), "{text}");
        }
        assert_eq!(mojibake_at("영화 caf\u{c3}\u{a9}"), Some("영화 caf".len()));
    }

    #[test]
    fn odd_characters_are_named() {
        for (text, kind) in [
            ("깨진 \u{fffd} 글자", "replacement_character"),
            ("a\0b", "nul"),
            ("a\u{1b}[0m", "control_characters"),
            ("\u{feff}처음", "byte_order_mark"),
            ("a\u{200b}b", "zero_width"),
            ("cafe\u{301}", "not_nfc"),
            ("\u{e000}", "private_use"),
        ] {
            assert_eq!(kinds(text), [kind], "{text:?}");
        }
        assert_eq!(kinds("\u{1112}\u{1161}\u{11ab}글"), ["decomposed_hangul", "not_nfc"]);
        assert_eq!(look("깨진 \u{fffd}")[0], Some("깨진 ".len()));
        assert_eq!(shown("a\0b\u{feff}", 1), "a<U+0000>b<U+FEFF>");
    }

    #[test]
    fn quantiles_are_lengths_that_are_there() {
        let lengths = Lengths::of((1..=100).collect());
        assert_eq!((lengths.p50, lengths.p90, lengths.p99, lengths.max), (50, 90, 99, 100));
        let bins: Vec<(usize, usize, usize)> =
            lengths.histogram.iter().map(|bin| (bin.from, bin.to, bin.texts)).collect();
        assert_eq!(bins, [(0, 8, 8), (9, 16, 8), (17, 32, 16), (33, 64, 32), (65, 128, 36)]);
        assert_eq!(Lengths::of(vec![]), Lengths::default());
        assert_eq!(Lengths::of(vec![7]).p99, 7);
    }

    #[test]
    fn the_most_frequent_come_first() {
        let counts = [("나", 2), ("가", 2), ("다", 5)].map(|(text, count)| (text.to_owned(), count));
        let listed: Vec<String> = most_frequent(counts.into_iter().collect()).into_iter().map(|one| one.text).collect();
        assert_eq!(listed, ["다", "가", "나"]);
    }
}
