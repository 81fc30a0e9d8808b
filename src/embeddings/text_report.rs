//! What came of the texts of a call: how many, from where, how long they were, what the user should know.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array2, ArrayView1};
use serde::Serialize;

use super::truncation::{LISTED, Truncation};
use crate::text::CleaningCounts;

/// What an embedder has to say of the texts that it has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextReport {
    /// Texts that were asked for.
    pub texts: usize,
    /// Texts whose vectors came from the cache.
    pub cached: usize,
    /// Different texts whose vectors were computed.
    pub computed: usize,
    /// Texts that cleaning has changed.
    #[serde(skip)]
    pub cleaning: CleaningCounts,
    /// Texts that were longer than the model reads; none where the embedder has no such limit.
    pub truncation: Option<Truncation>,
    /// Words of the texts, as the tokenizer splits them, and how many of them the vocabulary lacks.
    pub tokens: usize,
    /// Tokens that the vocabulary lacks.
    pub unknown: usize,
    /// Seconds of each stage: `load`, `tokenize`, `encode`.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Mean and lowest cosine between the vectors of this dtype and those of f32, where the dtype is another.
    pub cosine_to_f32: Option<CosineToF32>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How near the vectors of a coarser dtype are to those of f32.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineToF32 {
    /// The mean over the texts that were tried.
    pub mean: f64,
    /// The lowest.
    pub min: f64,
    /// Texts that were tried.
    pub texts: usize,
}

impl TextReport {
    /// Adds what came of another call: numbers are added up, a note that is here already is not repeated.
    pub fn merge(&mut self, later: Self) {
        self.texts += later.texts;
        self.cached += later.cached;
        self.computed += later.computed;
        self.tokens += later.tokens;
        self.unknown += later.unknown;
        self.cleaning = self.cleaning + later.cleaning;
        self.truncation = match (self.truncation.take(), later.truncation) {
            (Some(before), Some(after)) => Some(merged(before, after)),
            (before, after) => before.or(after),
        };
        for (stage, seconds) in later.seconds {
            *self.seconds.entry(stage).or_default() += seconds;
        }
        self.cosine_to_f32 = later.cosine_to_f32.or(self.cosine_to_f32);
        later.notes.into_iter().for_each(|note| self.note(note));
    }

    /// Adds a note, unless it is here already.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds the time since a moment to that of a stage.
    pub(super) fn lap(&mut self, stage: &'static str, since: Instant) {
        *self.seconds.entry(stage).or_default() += since.elapsed().as_secs_f64();
    }
}

impl Truncation {
    /// In words, where a text was too long: `truncated 412/5000 texts (8.2 %), longest 611 tokens, …`.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let longest = self.longest.filter(|_| self.truncated > 0)?;
        let rows = self.worst.iter().take(3).map(|text| format!("row {} has {}", text.row, text.tokens));
        Some(format!(
            "{}/{} texts ({:.1} %) have more than the {} tokens that are read at once, the longest {}: {}",
            self.truncated,
            self.texts,
            100.0 * self.share,
            self.max_length,
            longest.tokens,
            rows.collect::<Vec<_>>().join(", ")
        ))
    }
}

/// The truncation of two calls.
fn merged(before: Truncation, after: Truncation) -> Truncation {
    let (texts, truncated) = (before.texts + after.texts, before.truncated + after.truncated);
    let mut worst = [before.worst, after.worst].concat();
    worst.sort_by_key(|text| std::cmp::Reverse(text.tokens));
    worst.truncate(LISTED);
    let longest = before.longest.into_iter().chain(after.longest).max_by_key(|text| text.tokens);
    let share = if texts == 0 { 0.0 } else { truncated as f64 / texts as f64 };
    Truncation { max_length: after.max_length, texts, truncated, share, longest, worst }
}

impl CosineToF32 {
    /// Between the rows of two matrices; a zero row is as near as can be to a zero row.
    #[must_use]
    pub fn between(exact: &Array2<f32>, coarse: &Array2<f32>) -> Self {
        let cosines: Vec<f64> = exact
            .outer_iter()
            .zip(coarse.outer_iter())
            .map(|(one, other)| {
                let dot = |left: ArrayView1<'_, f32>, right: ArrayView1<'_, f32>| {
                    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum::<f64>()
                };
                let lengths = (dot(one, one) * dot(other, other)).sqrt();
                if lengths > 0.0 { dot(one, other) / lengths } else { 1.0 }
            })
            .collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
        // As the cache keeps them, so that a second run writes the same bytes.
        let kept = |value: f64| f64::from(value as f32);
        Self { mean: kept(mean), min: kept(cosines.iter().copied().fold(1.0, f64::min)), texts: cosines.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_several_calls_add_up() {
        let report = |lengths: &[(usize, usize)], note: &str, cosine: Option<f64>| TextReport {
            texts: lengths.len(),
            cached: 1,
            computed: lengths.len() - 1,
            truncation: Some(Truncation::of(8, lengths.iter().copied())),
            tokens: lengths.iter().map(|(_, tokens)| tokens).sum(),
            unknown: 1,
            cleaning: CleaningCounts { texts: 1, ..CleaningCounts::default() },
            seconds: BTreeMap::from([("encode", 0.5)]),
            cosine_to_f32: cosine.map(|mean| CosineToF32 { mean, min: mean, texts: 1 }),
            notes: vec![note.to_owned(), "vectors are not cached: the disk is full".to_owned()],
        };
        let mut all = TextReport::default();
        all.merge(report(&[(1, 9), (2, 4)], "one", Some(0.5)));
        all.merge(report(&[(3, 12), (4, 5), (5, 6)], "other", None));
        all.merge(TextReport::default());
        assert_eq!((all.texts, all.cached, all.computed, all.tokens, all.unknown), (5, 2, 3, 36, 2));
        assert_eq!(all.cleaning.texts, 2);
        assert_eq!(all.seconds, BTreeMap::from([("encode", 1.0)]));
        assert_eq!(
            all.cosine_to_f32.map(|cosine| cosine.mean),
            Some(0.5),
            "a call that measures nothing changes nothing"
        );
        assert_eq!(all.notes, ["one", "vectors are not cached: the disk is full", "other"]);
        let truncation = all.truncation.unwrap();
        assert_eq!((truncation.texts, truncation.truncated, truncation.longest.unwrap().row), (5, 2, 3));
        assert_eq!(truncation.share, 0.4);
        assert_eq!(truncation.worst.iter().map(|text| text.row).collect::<Vec<_>>(), [3, 1]);
    }
}
