//! `evaluation.ranking:`, what must be said before a ranking number means anything (`metrics::ranking::convention`).

use serde::{Deserialize, Serialize};

use super::decode::{At, Fields};
use crate::catalog::known_hint;
use crate::metrics::ranking::{Convention, Discount, Divisor, Empty, Gain, HIGHEST_GRADE, Ties};

/// `evaluation.ranking:`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankingSection {
    /// What a query without a relevant document counts.
    pub empty: Empty,
    /// What a grade is worth in NDCG.
    pub gain: Gain,
    /// What becomes of equal scores.
    pub ties: Ties,
    /// The divisor of AP.
    pub map_divisor: Divisor,
    /// The lowest grade that is relevant.
    pub relevant_from: u8,
    /// The highest grade that ERR reckons with; that of the training labels when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_grade: Option<u8>,
}

/// The words of each choice, the default first.
pub(super) const EMPTY: [&str; 3] = ["zero", "skip", "one"];
pub(super) const GAIN: [&str; 2] = ["exponential", "linear"];
pub(super) const TIES: [&str; 2] = ["stable", "average"];
pub(super) const DIVISOR: [&str; 2] = ["relevant", "at_most_k"];

impl RankingSection {
    /// The usual conventions.
    #[must_use]
    pub fn usual() -> Self {
        Self { relevant_from: 1, ..Self::default() }
    }

    /// The conventions by which a model whose training labels go up to `highest` is judged.
    #[must_use]
    pub fn convention(&self, highest: u8) -> Convention {
        Convention {
            gain: self.gain,
            discount: Discount::Log2,
            empty: self.empty,
            ties: self.ties,
            divisor: self.map_divisor,
            relevant_from: self.relevant_from,
            highest_grade: self.highest_grade.unwrap_or(highest),
        }
    }
}

/// One of a few words, by its place among them.
fn choice<T: Copy, const N: usize>(fields: &mut Fields<'_, '_>, key: &'static str, words: [&str; N], of: [T; N]) -> T {
    let at = fields.get(key);
    let word = at.text().unwrap_or_else(|| words[0].to_owned());
    let place = words.iter().position(|known| *known == word);
    if place.is_none() {
        at.problem(format!("`{word}` is not known here"), Some(known_hint(&word, words)));
    }
    of[place.unwrap_or_default()]
}

fn grade(at: &At<'_, '_>, least: u8) -> Option<u8> {
    let grade = at.whole()?;
    let allowed = u64::from(least)..=u64::from(HIGHEST_GRADE);
    if !allowed.contains(&grade) {
        at.problem(format!("a grade lies between {least} and {HIGHEST_GRADE} here, got {grade}"), None);
    }
    u8::try_from(grade).ok()
}

/// Reads the section; every problem is noted with the decoder.
pub(super) fn decode_ranking(at: &At<'_, '_>) -> RankingSection {
    let mut fields = at.fields();
    let section = RankingSection {
        empty: choice(&mut fields, "empty", EMPTY, [Empty::Zero, Empty::Skip, Empty::One]),
        gain: choice(&mut fields, "gain", GAIN, [Gain::Exponential, Gain::Linear]),
        ties: choice(&mut fields, "ties", TIES, [Ties::Stable, Ties::Average]),
        map_divisor: choice(&mut fields, "map_divisor", DIVISOR, [Divisor::Relevant, Divisor::AtMostK]),
        relevant_from: grade(&fields.get("relevant_from"), 1).unwrap_or(1),
        highest_grade: grade(&fields.get("highest_grade"), 1),
    };
    fields.finish();
    section
}
