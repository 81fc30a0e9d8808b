//! What becomes of texts that are longer than a network reads, and how many they are.
//!
//! A limit of `max_length` tokens counts the special tokens around a text (`n_special`), so `room = max_length −
//! n_special` is left for the prompt and the text's own tokens. A text that fits is one sequence, whatever the policy.
//! - `warn` keeps the first `room` tokens: sentence-transformers' own behaviour.
//! - `error` refuses, naming the rows.
//! - `head-tail` keeps the prompt and then the first half (the larger, when odd) and the last half of what fits.
//! - `chunk-mean` makes ⌈n / (room − prompt)⌉ sequences of nearly equal length, each with the prompt before it; the
//!   text's vector is Σ nᵢ·vᵢ / Σ nᵢ with nᵢ the text's own tokens in sequence i, scaled to length 1 again where the
//!   model does that to every vector.

use std::ops::Range;

use ndarray::{Array2, Axis};
use serde::Serialize;

use crate::embeddings::folder::{Prompt, Tokenizer, Tokens};
use crate::error::{Error, Result};

/// The policy for texts that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Truncate {
    /// Keep the start, and say so.
    #[default]
    Warn,
    /// Refuse.
    Error,
    /// Keep start and end.
    HeadTail,
    /// The mean over pieces.
    ChunkMean,
}

impl Truncate {
    const ALL: [Self; 4] = [Self::Warn, Self::Error, Self::HeadTail, Self::ChunkMean];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Error => "error",
            Self::HeadTail => "head-tail",
            Self::ChunkMean => "chunk-mean",
        }
    }

    /// The policy without its refusal.
    #[must_use]
    pub fn lenient(self) -> Self {
        if self == Self::Error { Self::Warn } else { self }
    }

    /// The policy of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// Whether vectors that were joined are scaled to length 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// As the model does to every vector.
    Unit,
    /// The model leaves vectors as long as they are.
    AsIs,
}

/// How texts are cut.
#[derive(Clone, Copy)]
pub struct Cut<'a> {
    /// Puts special tokens around.
    pub tokenizer: &'a Tokenizer,
    /// The prompt that every body of tokens begins with.
    pub prompt: &'a Prompt,
    /// Tokens of a sequence at most, special ones included.
    pub max_length: usize,
    /// The policy.
    pub truncate: Truncate,
    /// What becomes of joined vectors.
    pub joined: Joined,
}

/// The sequences of a block of texts and how their vectors become one a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the network is given, text by text.
    pub sequences: Vec<Tokens>,
    /// Tokens of each text before it was cut, special ones and prompt included.
    pub n_tokens: Vec<usize>,
    /// How many of them the vocabulary lacks.
    pub n_unknown: Vec<usize>,
    /// The sequences of each text.
    parts: Vec<Range<usize>>,
    /// The text's own tokens in each sequence.
    weights: Vec<usize>,
    joined: Joined,
}

impl Cut<'_> {
    /// Plans the sequences of a block of texts, given their tokens without special ones (`Tokenizer::encode`). `rows`
    /// are their row numbers, for errors.
    ///
    /// # Errors
    /// `Invalid` when a text is too long and the policy is `error`, or no token of a text fits.
    pub fn plan(&self, bodies: &[Vec<u32>], rows: &[usize]) -> Result<Plan> {
        let n_special = self.tokenizer.n_special();
        let prompt = self.tokenizer.prompt_in_body(self.prompt);
        // Where a text is only cut at its end, a long prompt leaves nothing of it, as in sentence-transformers.
        let needed = n_special + 1 + if self.truncate == Truncate::Warn { 0 } else { prompt };
        if self.max_length < needed {
            return Err(Error::invalid(format!("`max_length` is {}, expected at least {needed}", self.max_length))
                .hint(format!("{n_special} tokens of each text are special ones, {prompt} are the prompt's")));
        }
        let room = self.max_length - n_special;
        if self.truncate == Truncate::Error {
            self.refuse(bodies, rows, room)?;
        }
        let n_unknown = |body: &Vec<u32>| {
            let unknown = self.tokenizer.unknown();
            unknown.map_or(0, |unknown| body.iter().filter(|id| **id == unknown).count())
        };
        let mut plan = Plan {
            sequences: Vec::with_capacity(bodies.len()),
            n_tokens: bodies.iter().map(|body| body.len() + n_special).collect(),
            n_unknown: bodies.iter().map(n_unknown).collect(),
            parts: Vec::with_capacity(bodies.len()),
            weights: Vec::with_capacity(bodies.len()),
            joined: self.joined,
        };
        for body in bodies {
            let first = plan.sequences.len();
            for (sequence, weight) in pieces(body, self.truncate, room, prompt) {
                plan.sequences.push(self.tokenizer.frame(&sequence, self.prompt));
                plan.weights.push(weight);
            }
            plan.parts.push(first..plan.sequences.len());
        }
        Ok(plan)
    }

    fn refuse(&self, bodies: &[Vec<u32>], rows: &[usize], room: usize) -> Result<()> {
        let long: Vec<(usize, usize)> = bodies
            .iter()
            .zip(rows)
            .filter(|(body, _)| body.len() > room)
            .map(|(body, row)| (*row, body.len() + self.max_length - room))
            .collect();
        let Some((row, n_tokens)) = long.first() else { return Ok(()) };
        let more = if long.len() > 1 { format!(" ({} such texts)", long.len()) } else { String::new() };
        Err(Error::invalid_rows(format!("row {row} has {n_tokens} tokens, the model reads {}{more}", self.max_length))
            .hint("`truncate` can be `warn`, `head-tail` or `chunk-mean` instead of `error`"))
    }
}

/// The bodies of a text's sequences, each with the number of the text's own tokens in it.
fn pieces(body: &[u32], truncate: Truncate, room: usize, prompt: usize) -> Vec<(Vec<u32>, usize)> {
    if body.len() <= room {
        return vec![(body.to_vec(), body.len().saturating_sub(prompt))];
    }
    let (prompt, own) = body.split_at(prompt.min(body.len()));
    let space = room.saturating_sub(prompt.len());
    let with_prompt = |parts: &[&[u32]]| [&[prompt], parts].concat().concat();
    match truncate {
        Truncate::Warn | Truncate::Error => vec![(body[..room].to_vec(), space)],
        Truncate::HeadTail => {
            let (head, tail) = (space.div_ceil(2), space / 2);
            vec![(with_prompt(&[&own[..head], &own[own.len() - tail..]]), space)]
        }
        Truncate::ChunkMean => {
            let n_chunks = own.len().div_ceil(space);
            let bound = |chunk: usize| own.len() * chunk / n_chunks;
            (0..n_chunks)
                .map(|chunk| &own[bound(chunk)..bound(chunk + 1)])
                .map(|chunk| (with_prompt(&[chunk]), chunk.len()))
                .collect()
        }
    }
}

impl Plan {
    /// Texts.
    #[must_use]
    pub fn n_texts(&self) -> usize {
        self.parts.len()
    }

    /// One vector a text (`n_texts × dimensions`) from one a sequence (`n_sequences × dimensions`).
    ///
    /// A text of one sequence keeps its vector bit for bit.
    #[must_use]
    pub fn join(&self, vectors: Array2<f32>) -> Array2<f32> {
        if self.sequences.len() == self.parts.len() {
            return vectors;
        }
        let mut joined = Array2::zeros((self.parts.len(), vectors.ncols()));
        for (part, mut into) in self.parts.iter().zip(joined.axis_iter_mut(Axis(0))) {
            if part.len() == 1 {
                into.assign(&vectors.row(part.start));
                continue;
            }
            let total: usize = self.weights[part.clone()].iter().sum();
            for sequence in part.clone() {
                into.scaled_add(self.weights[sequence] as f32 / total as f32, &vectors.row(sequence));
            }
            if self.joined == Joined::Unit {
                let length = into.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
                into.mapv_inplace(|value| (f64::from(value) / length.max(1e-12)) as f32);
            }
        }
        joined
    }
}

/// How many texts were too long, and which.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Truncation {
    /// Tokens of a text that are read, special ones included.
    pub max_length: usize,
    /// Texts that were looked at.
    pub texts: usize,
    /// Texts with more tokens than are read.
    pub truncated: usize,
    /// `truncated / texts`; 0 without texts.
    pub share: f64,
    /// The longest text of all.
    pub longest: Option<LongText>,
    /// The longest of those that were too long, longest first, `LISTED` at most.
    pub worst: Vec<LongText>,
}

/// A text by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LongText {
    /// Its row.
    pub row: usize,
    /// Its tokens, special ones and prompt included.
    pub tokens: usize,
}

/// Texts that a `Truncation` lists.
pub const LISTED: usize = 20;

impl Truncation {
    /// Counts texts, given row and number of tokens of each. Of texts of one length the first row counts as the longest.
    #[must_use]
    pub fn of(max_length: usize, lengths: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut found = Self { max_length, ..Self::default() };
        for (row, tokens) in lengths {
            let text = LongText { row, tokens };
            found.texts += 1;
            if found.longest.is_none_or(|longest| tokens > longest.tokens) {
                found.longest = Some(text);
            }
            if tokens > max_length {
                found.truncated += 1;
                let at = found.worst.partition_point(|worse| worse.tokens >= tokens);
                if at < LISTED {
                    found.worst.truncate(LISTED - 1);
                    found.worst.insert(at, text);
                }
            }
        }
        found.share = if found.texts == 0 { 0.0 } else { found.truncated as f64 / found.texts as f64 };
        found
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::embeddings::folder::fixtures::Copied;

    fn tokenizer(model: &str) -> Tokenizer {
        Tokenizer::open(&Copied::of(model).open().unwrap()).unwrap()
    }

    fn cut<'a>(tokenizer: &'a Tokenizer, prompt: &'a Prompt, max_length: usize, truncate: Truncate) -> Cut<'a> {
        Cut { tokenizer, prompt, max_length, truncate, joined: Joined::AsIs }
    }

    #[test]
    fn rows_that_are_too_long_are_refused_by_number() {
        let tokenizer = tokenizer("tiny-bert-mean");
        let prompt = tokenizer.prompt("query: ").unwrap();
        let bodies = tokenizer.encode(&["", "좋아요 좋아요", "☃"], &prompt, &[3, 5, 8]).unwrap();
        let plan = |max_length, truncate| cut(&tokenizer, &prompt, max_length, truncate).plan(&bodies, &[3, 5, 8]);
        let longest = bodies[1].len() + 2;
        let error = plan(longest - 1, Truncate::Error).unwrap_err();
        let expected = format!("row 5 has {longest} tokens, the model reads {}", longest - 1);
        assert_eq!(error.message, expected);
        let whole = plan(longest, Truncate::Error).unwrap();
        assert_eq!((whole.n_texts(), whole.sequences.len(), &whole.n_unknown[..]), (3, 3, &[0, 0, 1][..]));
        // Two special tokens, six of the prompt and one of the text at least.
        let error = plan(8, Truncate::ChunkMean).unwrap_err();
        assert_eq!(error.message, "`max_length` is 8, expected at least 9");
        let pieces = plan(9, Truncate::ChunkMean).unwrap();
        assert!(pieces.sequences.len() > 3 && pieces.sequences.iter().all(|sequence| sequence.ids.len() <= 9));
        assert_eq!(pieces.join(Array2::ones((pieces.sequences.len(), 2))).dim(), (3, 2));
        assert!(plan(2, Truncate::Warn).is_err() && plan(3, Truncate::Warn).is_ok());
    }

    fn bodies_of(body: &[u32], truncate: Truncate, room: usize, prompt: usize) -> Vec<Vec<u32>> {
        pieces(body, truncate, room, prompt).into_iter().map(|(body, _)| body).collect()
    }

    #[test]
    fn a_text_that_fits_is_left_whole() {
        for truncate in Truncate::ALL {
            assert_eq!(bodies_of(&[1, 2, 3], truncate, 3, 0), [vec![1, 2, 3]]);
            assert_eq!(bodies_of(&[], truncate, 3, 0), [Vec::<u32>::new()]);
        }
    }

    #[test]
    fn policies_keep_what_they_say() {
        let body: Vec<u32> = (0..10).collect();
        assert_eq!(bodies_of(&body, Truncate::Warn, 4, 2), [vec![0, 1, 2, 3]]);
        assert_eq!(bodies_of(&body, Truncate::HeadTail, 5, 0), [vec![0, 1, 2, 8, 9]]);
        assert_eq!(bodies_of(&body, Truncate::HeadTail, 5, 2), [vec![0, 1, 2, 3, 9]]);
        assert_eq!(bodies_of(&body, Truncate::ChunkMean, 4, 0), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8, 9]]);
        // Each piece begins with the prompt: 8 tokens of its own in pieces of at most 3.
        let pieces = pieces(&body, Truncate::ChunkMean, 5, 2);
        assert_eq!(pieces, [(vec![0, 1, 2, 3], 2), (vec![0, 1, 4, 5, 6], 3), (vec![0, 1, 7, 8, 9], 3)]);
    }

    #[test]
    fn pieces_are_joined_by_their_tokens() {
        let plan = Plan {
            sequences: vec![Tokens::default(); 3],
            n_tokens: vec![4, 9],
            n_unknown: vec![0, 0],
            parts: vec![0..1, 1..3],
            weights: vec![2, 3, 1],
            joined: Joined::AsIs,
        };
        let vectors = array![[0.1, 0.7], [4.0, 0.0], [0.0, 8.0]];
        assert_eq!(plan.join(vectors.clone()), array![[0.1, 0.7], [3.0, 2.0]]);
        let unit = Plan { joined: Joined::Unit, ..plan };
        let length = 13.0_f32.sqrt();
        assert_eq!(unit.join(vectors), array![[0.1, 0.7], [3.0 / length, 2.0 / length]]);
    }

    #[test]
    fn the_longest_texts_are_listed_first() {
        let found = Truncation::of(8, [(5, 3), (6, 9), (7, 8), (8, 30), (9, 9)]);
        assert_eq!((found.texts, found.truncated, found.share), (5, 3, 0.6));
        assert_eq!(found.longest, Some(LongText { row: 8, tokens: 30 }));
        let rows: Vec<usize> = found.worst.iter().map(|text| text.row).collect();
        assert_eq!(rows, [8, 6, 9]);
        let many = Truncation::of(8, (0..100).map(|row| (row, row + 1)));
        assert_eq!((many.truncated, many.worst.len(), many.worst[LISTED - 1].row), (92, LISTED, 80));
        assert_eq!(Truncation::of(8, []).share, 0.0);
    }

    #[test]
    fn names_are_found_again() {
        for truncate in Truncate::ALL {
            assert_eq!(Truncate::find(truncate.name()), Some(truncate));
        }
        assert_eq!(Truncate::find("head_tail"), None);
    }
}
