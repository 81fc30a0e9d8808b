//! Text on the ground floor: cleaning, lower case, and how a text falls apart into words and n-grams.
//!
//! White space and word characters mean what they mean to Python's `str.isspace` and `re`'s `\w`, because n-grams here
//! promise scikit-learn's meaning: `\x1c`..`\x1f` are white space, combining marks and circled letters are not part of
//! a word. Checked for every code
//! point against Python 3.11: they differ only where Unicode has grown since its version 14.

use std::borrow::Cow;

use rayon::prelude::*;
use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfc, is_nfc_quick};

/// Characters below U+0300, Hangul, kana, CJK ideographs and common punctuation: in NFC whatever stands beside them.
fn settled(letter: char) -> bool {
    matches!(letter, '\u{0}'..='\u{c}' | '\u{e}'..='\u{2ff}' | '가'..='힣' | '\u{3131}'..='\u{318e}'
        | '\u{3000}'..='\u{3029}' | '\u{3400}'..='\u{9fff}' | '\u{2010}'..='\u{2027}')
}

/// The byte order mark and invisible characters without a meaning of their own: they split words and n-grams that look
/// the same. U+200C and U+200D stay: they spell words of Persian and of Indic scripts, and join emoji.
fn invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// What `clean` does, in order, for other systems that must do the same.
pub const CLEANING: &[&str] =
    &["CR LF and CR become LF", "U+200B, U+2060 and U+FEFF are removed", "Unicode normalisation form NFC"];

/// Cleans a text: no byte order mark or zero-width spaces, line ends as LF, Unicode NFC.
///
/// A text that is clean already is borrowed. Zero-width spaces go before NFC, so that a letter and its mark meet.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(settled) {
        return Cow::Borrowed(text);
    }
    if !text.chars().any(|letter| letter == '\r' || invisible(letter)) {
        return match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => Cow::Borrowed(text),
            _ => Cow::Owned(text.nfc().collect()),
        };
    }
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(lines.chars().filter(|letter| !invisible(*letter)).nfc().collect())
}

/// How many texts `clean` changes, in all and by each of its rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleaningCounts {
    /// Texts that are changed.
    pub texts: usize,
    /// Texts with line ends that become LF.
    pub line_ends: usize,
    /// Texts with characters that are removed.
    pub invisible: usize,
    /// Texts that are not in Unicode NFC.
    pub decomposed: usize,
}

impl CleaningCounts {
    /// Counts over these texts.
    #[must_use]
    pub fn of(texts: &[String]) -> Self {
        texts.par_iter().with_min_len(256).map(|text| Self::of_text(text)).reduce(Self::default, std::ops::Add::add)
    }

    fn of_text(text: &str) -> Self {
        if text.chars().all(settled) {
            return Self::default();
        }
        let line_ends = text.contains('\r');
        let invisible = text.chars().any(invisible);
        let decomposed = !is_nfc(text);
        let [line_ends, invisible, decomposed] = [line_ends, invisible, decomposed].map(usize::from);
        Self { texts: line_ends | invisible | decomposed, line_ends, invisible, decomposed }
    }

    /// In words, where any text is changed.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let reasons = [
            (self.invisible, "invisible characters were removed (U+200B, U+2060, U+FEFF)"),
            (self.decomposed, "letters were composed (Unicode NFC)"),
            (self.line_ends, "line ends became LF"),
        ];
        let reasons = reasons.iter().filter(|(texts, _)| *texts > 0);
        let reasons: Vec<String> = reasons.map(|(texts, what)| format!("in {texts} {what}")).collect();
        let noun = if self.texts == 1 { "text was" } else { "texts were" };
        (self.texts > 0).then(|| format!("{} {noun} changed by cleaning: {}", self.texts, reasons.join(", ")))
    }
}

impl std::ops::Add for CleaningCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            texts: self.texts + other.texts,
            line_ends: self.line_ends + other.line_ends,
            invisible: self.invisible + other.invisible,
            decomposed: self.decomposed + other.decomposed,
        }
    }
}

/// Lower case as Python's `str.lower`; borrowed where no letter can change.
#[must_use]
pub fn lowercase(text: Cow<'_, str>) -> Cow<'_, str> {
    let caseless = |letter| matches!(letter, '\u{0}'..='@' | '['..='\u{7f}' | '가'..='힣' | '\u{2e80}'..='\u{9fff}');
    if text.chars().all(|letter| caseless(letter) || letter.is_ascii_lowercase()) {
        return text;
    }
    Cow::Owned(text.to_lowercase())
}

/// White space as Python's `str.isspace` sees it.
#[must_use]
pub fn is_space(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\x1c'..='\x1f')
}

/// A character of a word as `\w` of Python's `re` sees it: a letter, a number or `_`.
#[must_use]
pub fn is_word_char(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_alphanumeric() || letter == '_';
    }
    // `Alphabetic` also holds vowel signs (marks) and circled letters (symbols), which are not letters to Python.
    let circled = matches!(letter, 'Ⓐ'..='ⓩ' | '\u{1f130}'..='\u{1f189}') && !letter.is_numeric();
    letter.is_alphanumeric() && !circled && !is_combining_mark(letter)
}

/// The words of two and more word characters, in order: the token pattern `(?u)\b\w\w+\b`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_word_char(letter)).filter(|word| word.chars().nth(1).is_some())
}

/// Calls `each` with every white-space separated word, coded character by character, with a space at both ends.
pub fn padded_words(text: &str, code: impl Fn(char) -> u32, buffer: &mut Vec<u32>, mut each: impl FnMut(&[u32])) {
    let space = code(' ');
    buffer.clear();
    buffer.push(space);
    for letter in text.chars() {
        if !is_space(letter) {
            buffer.push(code(letter));
        } else if buffer.len() > 1 {
            buffer.push(space);
            each(buffer);
            buffer.truncate(1);
        }
    }
    if buffer.len() > 1 {
        buffer.push(space);
        each(buffer);
    }
}

/// The coded characters of the whole text, each run of two and more white-space characters as one space.
pub fn squeezed(text: &str, code: impl Fn(char) -> u32, buffer: &mut Vec<u32>) {
    buffer.clear();
    let (mut run, space) = (0, code(' '));
    for letter in text.chars() {
        run = if is_space(letter) { run + 1 } else { 0 };
        match run {
            0 | 1 => buffer.push(code(letter)),
            2 => {
                buffer.pop();
                buffer.push(space);
            }
            _ => {}
        }
    }
}

/// Calls `each` with every run of `low..=high` neighbours, shorter runs first.
pub fn ngrams<T>(units: &[T], (low, high): (usize, usize), mut each: impl FnMut(&[T])) {
    for length in low..=high.min(units.len()) {
        units.windows(length).for_each(&mut each);
    }
}

/// As `ngrams`, for a padded word: a word shorter than `low` counts once, whole.
pub fn word_ngrams<T>(word: &[T], (low, high): (usize, usize), mut each: impl FnMut(&[T])) {
    if word.len() < low {
        return each(word);
    }
    ngrams(word, (low, high), each);
}

/// The same text with every address shortened to `scheme://host/…`: what follows the host may be a secret (a webhook's
/// path), and so is what stands before an `@`. An address ends at white space or a quote.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("://") {
        shown += before;
        shown += "://";
        let ends = |letter: char| letter.is_whitespace() || "\"'`<>".contains(letter);
        let (address, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let (authority, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        shown += authority.rsplit('@').next().unwrap_or_default();
        shown += if path.len() > 1 { "/…" } else { path };
        rest = behind;
    }
    shown + rest
}

/// At most `most` characters of a text; the last one is `…` when there were more.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A text that somebody else wrote, on one line and harmless on a terminal: control characters and those that turn the
/// direction of writing are shown, not obeyed.
#[must_use]
pub fn plain(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => shown.push(' '),
            letter if letter.is_control() || turns(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// A number of things: `1 query`, `1,043 queries`.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number as u64), if number == 1 { one } else { many })
}

/// A number with a comma after every three digits: `10,000`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

/// A day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// A hundred years: more is a slip of the finger.
const LONGEST_MS: i64 = 36_500 * DAY_MS;

/// A whole number with one of these units, in milliseconds.
fn with_unit(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let last = text.chars().next_back()?.to_ascii_lowercase();
    let (_, unit) = units.iter().find(|(name, _)| *name == last)?;
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<i64>().ok().and_then(|number| number.checked_mul(*unit)).unwrap_or(i64::MAX))
}

/// An age in milliseconds: a whole number of days, weeks or hours.
///
/// # Errors
/// What is wrong, as the command line tells it.
pub fn age(text: &str) -> Result<i64, String> {
    let units = [('d', DAY_MS), ('w', 7 * DAY_MS), ('h', DAY_MS / 24)];
    let wrong = || format!("`{text}` is no age: write days, weeks or hours, such as 180d, 26w, 36h");
    let found = with_unit(text, &units).ok_or_else(wrong)?;
    if found > LONGEST_MS { Err(format!("`{text}` is more than a hundred years")) } else { Ok(found) }
}

/// A time to wait in milliseconds: a whole number of seconds, minutes or hours, a week at most.
///
/// # Errors
/// What is wrong, as the command line tells it.
pub fn wait(text: &str) -> Result<i64, String> {
    let units = [('s', 1000), ('m', 60_000), ('h', DAY_MS / 24)];
    let found = with_unit(text, &units).filter(|ms| *ms <= 7 * DAY_MS);
    found.ok_or_else(|| format!("`{text}` is no time to wait: write seconds, minutes or hours, such as 30s, 10m, 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_shown_and_not_obeyed() {
        assert_eq!(plain("합격 – ok"), "합격 – ok");
        assert_eq!(plain("a\nb\u{1b}[31m\u{202e}c\u{9b}"), "a b\\u{1b}[31m\\u{202e}c\\u{9b}");
    }

    #[test]
    fn cleaning_composes_and_strips() {
        assert_eq!(clean("\u{feff}cafe\u{200b}\u{301}\r\na\rb"), "café\na\nb");
        // The jamo of 한, as macOS file names have them.
        assert_eq!(clean("\u{1112}\u{1161}\u{11ab}글"), "한글");
        // U+200C spells Persian words, U+200C and U+200D choose letter forms of Indic scripts, U+200D joins emoji.
        for same in [
            "plain ascii\n",
            "한글 ㅋㅋ",
            "👍🏽 ok",
            "漢字、かな",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}👩\u{200d}👧",
        ] {
            assert!(matches!(clean(same), Cow::Borrowed(text) if text == same), "{same}");
        }
    }

    #[test]
    fn what_cleaning_changes_is_counted() {
        let texts =
            ["same", "می\u{200c}خواهم", "\u{feff}a", "cafe\u{301}", "a\r\nb\u{200b}", "한글"].map(str::to_owned);
        let counts = CleaningCounts::of(&texts);
        assert_eq!(counts, CleaningCounts { texts: 3, line_ends: 1, invisible: 2, decomposed: 1 });
        let changed = texts.iter().filter(|text| clean(text) != text.as_str()).count();
        assert_eq!(changed, counts.texts);
        assert_eq!(
            counts.describe().as_deref(),
            Some(
                "3 texts were changed by cleaning: in 2 invisible characters were removed (U+200B, U+2060, U+FEFF), in 1 \
                 letters were composed (Unicode NFC), in 1 line ends became LF"
            )
        );
        assert_eq!(CleaningCounts::of(&texts[..2]).describe(), None);
    }

    #[test]
    fn every_settled_character_is_its_own_nfc_beside_any_neighbour() {
        for letter in (0..0x11_0000).filter_map(char::from_u32).filter(|letter| settled(*letter)) {
            assert_eq!(is_nfc_quick([letter].into_iter()), IsNormalized::Yes, "{letter:?}");
            assert!(!is_combining_mark(letter) && !invisible(letter) && letter != '\r');
        }
    }

    #[test]
    fn lower_case_changes_only_what_has_case() {
        assert_eq!(lowercase("ABC Éİ 한글 ΑΣ".into()), "abc éi\u{307} 한글 ας");
        let caseless = |letter: &char| matches!(lowercase(letter.to_string().into()), Cow::Owned(_));
        let letters = (0..0x11_0000).filter_map(char::from_u32);
        assert!(
            letters
                .filter(|letter| !caseless(letter))
                .all(|letter| letter.to_lowercase().eq([letter]) && !letter.is_ascii_uppercase())
        );
    }

    #[test]
    fn classes_agree_with_python() {
        // Python 3.11 (Unicode 14), number of code points that `\w` and `str.isspace` accept.
        let count = |range: std::ops::Range<u32>, accepts: fn(char) -> bool| {
            range.filter_map(char::from_u32).filter(|letter| accepts(*letter)).count()
        };
        assert_eq!(count(0..0x800, is_word_char), 1479);
        assert_eq!(count(0..0x3001, is_space), 29);
        assert_eq!(count(0x1100..0x1c89, is_word_char) + count(0x1c8b..0x3001, is_word_char), 3708);
        assert_eq!(words("a bc d_e हिन्दी 가나다 x").collect::<Vec<_>>(), ["bc", "d_e", "가나다"]);
    }

    #[test]
    fn pieces_of_a_text() {
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        let text = |units: &[u32]| units.iter().filter_map(|unit| char::from_u32(*unit)).collect::<String>();
        padded_words("\tab  c\n", u32::from, &mut buffer, |word| {
            word_ngrams(word, (3, 4), |gram| seen.push(text(gram)));
        });
        assert_eq!(seen, [" ab", "ab ", " ab ", " c "]);
        seen.clear();
        padded_words("a", u32::from, &mut buffer, |word| word_ngrams(word, (5, 6), |gram| seen.push(text(gram))));
        assert_eq!(seen, [" a "]);
        squeezed("a\tb \n\t c ", u32::from, &mut buffer);
        assert_eq!(text(&buffer), "a\tb c ");
    }

    #[test]
    fn an_address_keeps_its_host_only() {
        for (text, shown) in [
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/…"),
            ("at \"https://u:pw@a.b:8443?sig=x\" and http://c", "at \"https://a.b:8443/…\" and http://c"),
            ("- slack: https://a/b  # c", "- slack: https://a/…  # c"),
            ("https://a/ ftp://p@h/f", "https://a/ ftp://h/…"),
            ("https://a/한글 다음", "https://a/… 다음"),
            ("none: // :// a", "none: // :// a"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
        assert_eq!((cut("한글글", 3).as_str(), cut("한글글자", 3).as_str()), ("한글글", "한글…"));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn ages_need_a_unit() {
        for (text, days) in [("180d", 180), ("26w", 182), ("0d", 0), ("48h", 2), ("2W", 14)] {
            assert_eq!(age(text), Ok(days * DAY_MS), "{text}");
        }
        for bad in ["", "d", "180", "-3d", "1.5d", "6mo", "6m", "１d", "99999999d", "9223372036854775807w", "日"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_to_wait_need_a_unit() {
        assert_eq!(["30s", "10m", "2H", "0s"].map(wait), [Ok(30_000), Ok(600_000), Ok(7_200_000), Ok(0)]);
        for bad in ["", "m", "10", "-1s", "1.5h", "8d", "999h", "10 m", "9223372036854775807h", "분"] {
            assert!(wait(bad).is_err(), "{bad}");
        }
    }
}
