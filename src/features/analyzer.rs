//! From texts to packed n-grams: the counting half of tf-idf.
//!
//! A text is a sequence of symbols (characters, or words for `word`). The distinct symbols, sorted, are numbered from
//! 1: the alphabet. An n-gram is then a few small numbers, packed left-aligned into one integer `Key` (12 bits each
//! for the 2,369 characters of 50,000 film reviews), so that keys sort as their terms do by code points: 0 pads at the
//! end, and a space, which joins words, sorts before every word character. n-grams that fit no integer become slices.
//!
//! Counting (`count`) never shares a table between threads and needs no lock. Texts are cut into chunks; a chunk writes
//! each n-gram occurrence into one of 256 buckets by its hash; then each bucket, small enough for the cache, is tallied
//! alone over the chunks in order. A bucket answers with one stream of term numbers per chunk, in the order in which
//! the chunk had written them, so the chunk reads its occurrences back sequentially. Terms are numbered by sorted order
//! at the end; nothing depends on the number of threads.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash};

use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::text;

/// What an n-gram is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Characters within white-space separated words, each padded with a space on both sides.
    CharWb,
    /// Characters of the whole text, white space included.
    Char,
    /// Words of two and more letters, digits or `_`.
    Word,
}

/// How a text becomes n-grams; the meaning is that of scikit-learn's `CountVectorizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analyzer {
    /// What an n-gram is made of.
    pub unit: Unit,
    /// Shortest and longest n-gram, in units.
    pub ngram: (usize, usize),
    /// Whether upper case is folded first.
    pub lowercase: bool,
}

/// A number above every column: the mark of a term that was dropped.
const DROPPED: u32 = u32::MAX;
const BUCKETS: usize = 256;
/// Texts of about this many bytes are one task, 16 tasks one batch; a batch bounds the memory that counting needs.
const CHUNK_BYTES: usize = 1 << 18;
const CHUNKS_PER_BATCH: usize = 16;

impl Analyzer {
    /// The texts, cleaned and in lower case where asked for.
    #[must_use]
    pub fn prepare<'a>(&self, texts: &'a [String]) -> Vec<Cow<'a, str>> {
        let one = |text: &'a String| {
            let clean = text::clean(text);
            if self.lowercase { text::lowercase(clean) } else { clean }
        };
        texts.par_iter().with_min_len(256).map(one).collect()
    }

    /// Calls `each` with every n-gram of a prepared text as symbols; symbol 0 is one that the alphabet does not have.
    fn each_ngram(&self, alphabet: &Alphabet, text: &str, buffer: &mut Vec<u32>, mut each: impl FnMut(&[u32])) {
        match &alphabet.codes {
            Codes::Chars(table) => {
                let code = |letter| table.get(letter as usize).copied().unwrap_or(0);
                if self.unit == Unit::CharWb {
                    text::padded_words(text, code, buffer, |word| text::word_ngrams(word, self.ngram, &mut each));
                } else {
                    text::squeezed(text, code, buffer);
                    text::ngrams(buffer, self.ngram, each);
                }
            }
            Codes::Words(table) => {
                buffer.clear();
                buffer.extend(text::words(text).map(|word| table.get(word).copied().unwrap_or(0)));
                text::ngrams(buffer, self.ngram, each);
            }
        }
    }
}

/// The numbered symbols, from 1 in the order of their code points.
#[derive(Debug)]
pub struct Alphabet {
    codes: Codes,
    spellings: Vec<Box<str>>,
}

#[derive(Debug)]
enum Codes {
    /// Symbol of each code point.
    Chars(Vec<u32>),
    /// Symbol of each word.
    Words(FxHashMap<Box<str>, u32>),
}

impl Alphabet {
    /// Numbers the symbols of prepared texts (or of terms).
    #[must_use]
    pub fn learn<T: AsRef<str> + Sync>(unit: Unit, texts: &[T]) -> Self {
        let texts = texts.par_iter().with_min_len(4096);
        if unit == Unit::Word {
            let seen = texts.fold(FxHashSet::default, |mut seen: FxHashSet<&str>, text| {
                seen.extend(text::words(text.as_ref()));
                seen
            });
            let seen = seen.reduce(FxHashSet::default, |left, right| &left | &right);
            let mut spellings: Vec<Box<str>> = seen.into_iter().map(Box::from).collect();
            spellings.par_sort_unstable();
            let codes = spellings.iter().zip(1..).map(|(word, symbol)| (word.clone(), symbol)).collect();
            return Self { codes: Codes::Words(codes), spellings };
        }
        let nothing = || vec![false; char::MAX as usize + 1];
        let seen = texts.fold(nothing, |mut seen, text| {
            text.as_ref().chars().for_each(|letter| seen[letter as usize] = true);
            seen
        });
        let mut seen = seen.reduce(nothing, |mut left, right| {
            left.iter_mut().zip(right).for_each(|(left, right)| *left |= right);
            left
        });
        // Padding and squeezed white space bring a space into texts that have none.
        seen[usize::from(b' ')] = true;
        let letters: Vec<char> = ('\0'..=char::MAX).filter(|letter| seen[*letter as usize]).collect();
        let mut table = vec![0; letters.last().map_or(0, |last| *last as usize + 1)];
        letters.iter().zip(1..).for_each(|(letter, symbol)| table[*letter as usize] = symbol);
        Self { codes: Codes::Chars(table), spellings: letters.iter().map(|letter| letter.to_string().into()).collect() }
    }

    /// Bits that one symbol needs; 0 stays free.
    #[must_use]
    pub fn bits(&self) -> u32 {
        usize::BITS - self.spellings.len().leading_zeros()
    }

    /// Appends an n-gram as text.
    fn spell(&self, symbols: &[u32], out: &mut String) {
        for (index, symbol) in symbols.iter().enumerate() {
            if index > 0 && matches!(self.codes, Codes::Words(_)) {
                out.push(' ');
            }
            out.push_str(&self.spellings[*symbol as usize - 1]);
        }
    }
}

/// An n-gram in a form that compares and hashes fast, and sorts as its term does.
pub trait Key: Clone + Ord + Hash + Send + Sync + 'static {
    /// Packs symbols of `bits` bits, for n-grams of at most `high` of them.
    fn pack(symbols: &[u32], bits: u32, high: usize) -> Self;
    /// The symbols again.
    fn unpack(&self, bits: u32, high: usize) -> Vec<u32>;
}

macro_rules! integer_key {
    ($($type:ty),*) => {$(
        impl Key for $type {
            #[inline]
            fn pack(symbols: &[u32], bits: u32, high: usize) -> Self {
                let packed = symbols.iter().fold(0, |packed: $type, symbol| packed << bits | <$type>::from(*symbol));
                packed << (bits * (high - symbols.len()) as u32)
            }

            fn unpack(&self, bits: u32, high: usize) -> Vec<u32> {
                let symbols = (1..=high).map(|at| (self >> (bits * (high - at) as u32)) as u32 & ((1 << bits) - 1));
                symbols.take_while(|symbol| *symbol != 0).collect()
            }
        }
    )*};
}
integer_key!(u64, u128);

impl Key for Box<[u32]> {
    fn pack(symbols: &[u32], _bits: u32, _high: usize) -> Self {
        symbols.into()
    }

    fn unpack(&self, _bits: u32, _high: usize) -> Vec<u32> {
        self.to_vec()
    }
}

/// Terms in sorted order, in one string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    text: String,
    ends: Vec<usize>,
}

impl Terms {
    /// Appends a term that `write` adds to the string.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// The terms in column order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut start, *end)..*end])
    }

    /// Number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Which terms become columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    /// The fewest texts that a term must be in.
    pub min_df: f64,
    /// The most texts that a term may be in.
    pub max_df: f64,
    /// At most this many terms: the most frequent ones, the earlier in sorted order where two are equal.
    pub max_features: Option<usize>,
}

/// The columns each text hits, ascending, with the number of occurrences; chunk after chunk.
pub struct Hits {
    /// Number of distinct columns of each text.
    pub lengths: Vec<usize>,
    /// Column and number of occurrences.
    pub hits: Vec<(u32, u32)>,
}

/// What counting gives.
pub struct Counted {
    /// The terms that were kept.
    pub terms: Terms,
    /// Number of texts that hold each term.
    pub df: Vec<u32>,
    /// The counts, in chunks of texts.
    pub chunks: Vec<Hits>,
}

/// One chunk's occurrences: how many each text has, and the bucket of each.
struct Walk {
    lengths: Vec<usize>,
    buckets: Vec<u8>,
}

/// One bucket's terms, and for each chunk the term of each occurrence.
struct Bucket<K> {
    numbers: FxHashMap<K, u32>,
    tallies: Vec<Tally>,
    streams: Vec<Vec<u32>>,
}

struct Tally {
    last_text: u32,
    df: u32,
    total: u64,
}

/// Cuts texts into chunks of about `CHUNK_BYTES`.
fn chunks<'a, 'b>(mut texts: &'a [Cow<'b, str>]) -> Vec<&'a [Cow<'b, str>]> {
    let mut chunks = Vec::new();
    while !texts.is_empty() {
        let mut bytes = 0;
        let full = texts.iter().position(|text| {
            bytes += text.len() + 64;
            bytes > CHUNK_BYTES
        });
        let (chunk, rest) = texts.split_at(full.map_or(texts.len(), |last| last + 1));
        chunks.push(chunk);
        texts = rest;
    }
    chunks
}

/// Counts the n-grams of prepared texts and keeps the terms that `keep` wants.
#[must_use]
pub fn count(analyzer: &Analyzer, texts: &[Cow<'_, str>], keep: &Keep) -> Counted {
    let alphabet = Alphabet::learn(analyzer.unit, texts);
    match alphabet.bits() as usize * analyzer.ngram.1 {
        0..=64 => count_as::<u64>(analyzer, &alphabet, texts, keep),
        65..=128 => count_as::<u128>(analyzer, &alphabet, texts, keep),
        _ => count_as::<Box<[u32]>>(analyzer, &alphabet, texts, keep),
    }
}

fn count_as<K: Key>(analyzer: &Analyzer, alphabet: &Alphabet, texts: &[Cow<'_, str>], keep: &Keep) -> Counted {
    let fresh = || Bucket { numbers: FxHashMap::default(), tallies: Vec::new(), streams: Vec::new() };
    let mut buckets: Vec<Bucket<K>> = (0..BUCKETS).map(|_| fresh()).collect();
    let (mut walks, mut first_text) = (Vec::new(), 0);
    for batch in chunks(texts).chunks(CHUNKS_PER_BATCH) {
        let numbered: Vec<_> = batch
            .iter()
            .map(|chunk| {
                let first = first_text;
                first_text += chunk.len() as u32;
                (first, *chunk)
            })
            .collect();
        let scattered = numbered.par_iter().map(|(first, chunk)| scatter::<K>(analyzer, alphabet, *first, chunk));
        let (batch_walks, lists): (Vec<_>, Vec<_>) = scattered.unzip();
        walks.extend(batch_walks);
        buckets.par_iter_mut().enumerate().for_each(|(at, bucket)| {
            for list in &lists {
                bucket.tally(&list[at]);
            }
        });
    }
    let (terms, df) = number(alphabet, analyzer.ngram.1, &mut buckets, keep);
    let gathered = walks.into_par_iter().enumerate().map(|(at, walk)| gather(&walk, at, &buckets));
    Counted { terms, df, chunks: gathered.collect() }
}

/// Writes every occurrence of a chunk, with its text's number, into the bucket of its hash.
fn scatter<K: Key>(
    analyzer: &Analyzer,
    alphabet: &Alphabet,
    first_text: u32,
    chunk: &[Cow<'_, str>],
) -> (Walk, Vec<Vec<(K, u32)>>) {
    let mut lists: Vec<Vec<(K, u32)>> = (0..BUCKETS).map(|_| Vec::new()).collect();
    let mut walk = Walk { lengths: Vec::with_capacity(chunk.len()), buckets: Vec::new() };
    let (bits, high, mut buffer) = (alphabet.bits(), analyzer.ngram.1, Vec::new());
    for (text, number) in chunk.iter().zip(first_text..) {
        let before = walk.buckets.len();
        analyzer.each_ngram(alphabet, text, &mut buffer, |symbols| {
            let key = K::pack(symbols, bits, high);
            // Multiplied once more, so that the bucket's own table still sees all bits of the hash vary.
            let bucket = (FxBuildHasher.hash_one(&key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            walk.buckets.push(bucket);
            lists[usize::from(bucket)].push((key, number));
        });
        walk.lengths.push(walk.buckets.len() - before);
    }
    (walk, lists)
}

impl<K: Key> Bucket<K> {
    /// Counts one chunk's occurrences; texts come in ascending order.
    fn tally(&mut self, list: &[(K, u32)]) {
        let stream = list.iter().map(|(key, text)| {
            let fresh = self.tallies.len() as u32;
            let number = *self.numbers.entry(key.clone()).or_insert(fresh);
            if number == fresh {
                self.tallies.push(Tally { last_text: *text, df: 1, total: 1 });
            } else {
                let tally = &mut self.tallies[number as usize];
                tally.df += u32::from(tally.last_text != *text);
                tally.last_text = *text;
                tally.total += 1;
            }
            number
        });
        let stream = stream.collect();
        self.streams.push(stream);
    }
}

/// Chooses and sorts the terms, and turns the buckets' own numbers into columns.
fn number<K: Key>(alphabet: &Alphabet, high: usize, buckets: &mut [Bucket<K>], keep: &Keep) -> (Terms, Vec<u32>) {
    let wanted = buckets.par_iter().enumerate().flat_map_iter(|(bucket, content)| {
        content.numbers.iter().filter_map(move |(key, number)| {
            let tally = &content.tallies[*number as usize];
            let df = f64::from(tally.df);
            (keep.min_df <= df && df <= keep.max_df).then(|| (key.clone(), bucket, *number))
        })
    });
    let mut wanted: Vec<(K, usize, u32)> = wanted.collect();
    wanted.par_sort_unstable();
    if let Some(most) = keep.max_features.filter(|most| *most < wanted.len()) {
        let total = |(_, bucket, number): &(K, usize, u32)| buckets[*bucket].tallies[*number as usize].total;
        wanted.sort_by_key(|term| std::cmp::Reverse(total(term)));
        wanted.truncate(most);
        wanted.par_sort_unstable();
    }
    let mut columns: Vec<Vec<u32>> = buckets.iter().map(|bucket| vec![DROPPED; bucket.tallies.len()]).collect();
    let (mut terms, mut df) = (Terms::default(), Vec::with_capacity(wanted.len()));
    for ((key, bucket, number), column) in wanted.iter().zip(0..) {
        columns[*bucket][*number as usize] = column;
        df.push(buckets[*bucket].tallies[*number as usize].df);
        terms.push_with(|text| alphabet.spell(&key.unpack(alphabet.bits(), high), text));
    }
    buckets.par_iter_mut().zip(columns).for_each(|(bucket, columns)| {
        bucket.numbers = FxHashMap::default();
        for number in bucket.streams.iter_mut().flatten() {
            *number = columns[*number as usize];
        }
    });
    (terms, df)
}

/// Reads a chunk's occurrences back in the order in which they were scattered.
fn gather<K>(walk: &Walk, chunk: usize, buckets: &[Bucket<K>]) -> Hits {
    let mut streams: Vec<_> = buckets.iter().map(|bucket| bucket.streams[chunk].iter()).collect();
    let mut order = walk.buckets.iter();
    let (mut found, mut gathered) =
        (Vec::new(), Hits { lengths: Vec::with_capacity(walk.lengths.len()), hits: Vec::new() });
    for length in &walk.lengths {
        found.clear();
        let columns = order.by_ref().take(*length).filter_map(|bucket| streams[usize::from(*bucket)].next());
        found.extend(columns.filter(|column| **column != DROPPED));
        gathered.push(&mut found);
    }
    gathered
}

impl Hits {
    /// Adds a text that hits these columns, each as often as it stands there.
    fn push(&mut self, found: &mut [u32]) {
        found.sort_unstable();
        let before = self.hits.len();
        self.hits.extend(found.chunk_by(|left, right| left == right).map(|run| (run[0], run.len() as u32)));
        self.lengths.push(self.hits.len() - before);
    }
}

/// Finds known terms in new texts.
pub struct Finder {
    analyzer: Analyzer,
    alphabet: Alphabet,
    columns: Columns,
}

enum Columns {
    Narrow(FxHashMap<u64, u32>),
    Wide(FxHashMap<u128, u32>),
    Long(FxHashMap<Box<[u32]>, u32>),
}

impl Finder {
    /// Prepares the search; `None` when a term cannot have come from this analyzer.
    #[must_use]
    pub fn new(analyzer: Analyzer, terms: &Terms) -> Option<Self> {
        let alphabet = Alphabet::learn(analyzer.unit, &terms.iter().collect::<Vec<_>>());
        let columns = match alphabet.bits() as usize * analyzer.ngram.1 {
            0..=64 => Columns::Narrow(index(&analyzer, &alphabet, terms)?),
            65..=128 => Columns::Wide(index(&analyzer, &alphabet, terms)?),
            _ => Columns::Long(index(&analyzer, &alphabet, terms)?),
        };
        Some(Self { analyzer, alphabet, columns })
    }

    /// Counts the known terms of prepared texts, chunk after chunk.
    #[must_use]
    pub fn find(&self, texts: &[Cow<'_, str>]) -> Vec<Hits> {
        chunks(texts)
            .into_par_iter()
            .map(|chunk| match &self.columns {
                Columns::Narrow(columns) => self.find_in(chunk, columns),
                Columns::Wide(columns) => self.find_in(chunk, columns),
                Columns::Long(columns) => self.find_in(chunk, columns),
            })
            .collect()
    }

    fn find_in<K: Key>(&self, chunk: &[Cow<'_, str>], columns: &FxHashMap<K, u32>) -> Hits {
        let (bits, high) = (self.alphabet.bits(), self.analyzer.ngram.1);
        let mut gathered = Hits { lengths: Vec::with_capacity(chunk.len()), hits: Vec::new() };
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        for text in chunk {
            found.clear();
            self.analyzer.each_ngram(&self.alphabet, text, &mut buffer, |symbols| {
                if !symbols.contains(&0) {
                    found.extend(columns.get(&K::pack(symbols, bits, high)));
                }
            });
            gathered.push(&mut found);
        }
        gathered
    }
}

/// The column of each term's key.
fn index<K: Key>(analyzer: &Analyzer, alphabet: &Alphabet, terms: &Terms) -> Option<FxHashMap<K, u32>> {
    let (bits, high) = (alphabet.bits(), analyzer.ngram.1);
    let mut columns = FxHashMap::with_capacity_and_hasher(terms.len(), FxBuildHasher);
    let mut symbols: Vec<u32> = Vec::new();
    for (term, column) in terms.iter().zip(0..) {
        symbols.clear();
        match &alphabet.codes {
            Codes::Chars(table) => symbols.extend(term.chars().map(|letter| table[letter as usize])),
            Codes::Words(table) => {
                symbols.extend(term.split(' ').map(|word| table.get(word).copied().unwrap_or(0)));
            }
        }
        if symbols.is_empty() || symbols.len() > high || symbols.contains(&0) {
            return None;
        }
        columns.insert(K::pack(&symbols, bits, high), column);
    }
    (columns.len() == terms.len()).then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_terms() {
        let alphabet = Alphabet::learn(Unit::Char, &["b", "한a글"]);
        assert_eq!(alphabet.bits(), 3);
        let mut grams: Vec<Vec<u32>> = (1..6).flat_map(|a| [vec![a], vec![a, 1], vec![a, 5, 2]]).collect();
        let spelled = |symbols: &[u32]| {
            let mut text = String::new();
            alphabet.spell(symbols, &mut text);
            text
        };
        grams.sort_by_key(|gram| spelled(gram));
        assert!(grams.is_sorted_by_key(|gram| u64::pack(gram, 3, 4)));
        assert!(grams.is_sorted_by_key(|gram| u128::pack(gram, 3, 4)));
        assert!(grams.is_sorted_by_key(|gram| Box::<[u32]>::pack(gram, 3, 4)));
        assert!(grams.iter().all(|gram| u64::pack(gram, 3, 4).unpack(3, 4) == *gram));
        assert_eq!(spelled(&[1, 5, 2]), " 한a");
    }

    #[test]
    fn a_term_of_another_analyzer_is_not_taken() {
        let analyzer = Analyzer { unit: Unit::Word, ngram: (1, 2), lowercase: true };
        let terms = |words: &[&str]| {
            let mut terms = Terms::default();
            for word in words {
                terms.push_with(|text| text.push_str(word));
            }
            terms
        };
        assert!(Finder::new(analyzer, &terms(&["ab", "ab cd"])).is_some());
        for wrong in [&["ab cd ef"][..], &["a"], &[""], &["ab", "ab"]] {
            assert!(Finder::new(analyzer, &terms(wrong)).is_none(), "{wrong:?}");
        }
    }
}
