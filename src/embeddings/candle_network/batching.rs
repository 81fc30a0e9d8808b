//! Which sequences go to the device together, and how they are padded.
//!
//! A batch is n × `width` tokens, `width` being its longest sequence. Sequences are sorted by length, longest first, so
//! little is padded; a batch ends when the next sequence would make it larger than the device wants, its attention
//! scores larger than [`MOST_SCORES`], or, once it is worth a trip, its padding more than an eighth of it.

use crate::embeddings::folder::Tokens;

/// Attention scores of a batch and head, at most: 16,384 tokens of sequences of 512. With 16 heads of f32 they take half
/// a gigabyte.
const MOST_SCORES: usize = 1 << 23;
/// The share of padding at which a batch ends is one in so many.
const PADDING: usize = 8;
/// A batch is worth a trip when it has one in so many of the tokens that the device wants.
const WORTHWHILE: usize = 4;

/// The batches, as indices into `lengths`, in the order in which they should be run.
#[must_use]
pub fn batches(lengths: &[usize], most_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<_> = (0..lengths.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(lengths[*at]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut width, mut n_tokens) = (0, 0);
    for at in order {
        match batches.last_mut() {
            Some(batch) if fits(batch.len() + 1, width, n_tokens + lengths[at], most_tokens) => {
                batch.push(at);
                n_tokens += lengths[at];
            }
            _ => {
                batches.push(vec![at]);
                (width, n_tokens) = (lengths[at], lengths[at]);
            }
        }
    }
    batches
}

/// Whether n sequences with `n_tokens` real tokens belong into one batch of this width.
fn fits(n: usize, width: usize, n_tokens: usize, most_tokens: usize) -> bool {
    let size = n * width;
    let sparse = n_tokens >= most_tokens / WORTHWHILE && size - n_tokens > size / PADDING;
    size <= most_tokens && size * width <= MOST_SCORES && !sparse
}

/// A batch as the device takes it: rows of `width` tokens, sequence by sequence.
#[derive(Debug, PartialEq)]
pub struct Padded {
    /// Sequences.
    pub n: usize,
    /// Tokens of the longest sequence.
    pub width: usize,
    /// n × width token ids, 0 where there is padding.
    pub ids: Vec<u32>,
    /// n × width rows of the position table, 0 where there is padding.
    pub positions: Vec<u32>,
    /// n × width numbers to add to the attention's scores: 0, and −∞ where there is padding; none without any.
    pub mask: Option<Vec<f32>>,
}

impl Padded {
    /// Pads sequences, none of which is empty.
    #[must_use]
    pub fn new(sequences: &[&Tokens], positions: impl Fn(&[u32]) -> Vec<u32>) -> Self {
        let n = sequences.len();
        let width = sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
        let (mut ids, mut places) = (vec![0; n * width], vec![0; n * width]);
        let mut mask = vec![f32::NEG_INFINITY; n * width];
        for (row, sequence) in sequences.iter().enumerate() {
            let start = row * width;
            ids[start..start + sequence.ids.len()].copy_from_slice(&sequence.ids);
            mask[start..start + sequence.ids.len()].fill(0.0);
            places[start..start + sequence.ids.len()].copy_from_slice(&positions(&sequence.ids));
        }
        let mask = mask.contains(&f32::NEG_INFINITY).then_some(mask);
        Self { n, width, ids, positions: places, mask }
    }
}

#[cfg(test)]
mod tests {
    use super::{Padded, batches};
    use crate::embeddings::folder::Tokens;

    #[test]
    fn every_sequence_is_in_one_batch_none_of_which_is_too_large() {
        let lengths: Vec<usize> = (0..500).map(|at| 1 + at * 7919 % 200).collect();
        let batches = batches(&lengths, 1024);
        for batch in &batches {
            assert!(batch.len() * lengths[batch[0]] <= 1024);
            assert!(batch.iter().all(|at| lengths[*at] <= lengths[batch[0]]));
        }
        let mut order = batches.concat();
        order.sort_unstable();
        assert_eq!(order, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn padding_ends_a_batch_that_is_worth_a_trip_and_no_other() {
        // 3 × 100 tokens are worth a trip of 1,024; a fourth sequence of 20 would be padded with 80 of 400.
        assert_eq!(batches(&[20, 100, 100, 100, 20], 1024), [vec![1, 2, 3], vec![0, 4]]);
        assert_eq!(batches(&[20, 100, 20], 1024), [vec![1, 0, 2]]);
    }

    #[test]
    fn scores_are_bounded_and_a_long_sequence_goes_alone() {
        assert_eq!(batches(&[4096; 3], 16_384).len(), 3);
        assert_eq!(batches(&[2048; 3], 16_384).len(), 2);
        assert_eq!(batches(&[9000], 16_384), [vec![0]]);
        assert!(batches(&[], 16_384).is_empty());
    }

    #[test]
    fn short_sequences_are_padded_and_masked() {
        let tokens = |ids: &[u32]| Tokens { ids: ids.to_vec(), prompt: 0 };
        let (long, short) = (tokens(&[7, 8, 9]), tokens(&[5]));
        let padded = Padded::new(&[&long, &short], |ids| (2..).take(ids.len()).collect());
        assert_eq!((padded.n, padded.width), (2, 3));
        assert_eq!(padded.ids, [7, 8, 9, 5, 0, 0]);
        assert_eq!(padded.positions, [2, 3, 4, 2, 0, 0]);
        assert_eq!(padded.mask, Some(vec![0.0, 0.0, 0.0, 0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]));
        assert_eq!(Padded::new(&[&long], |ids| vec![0; ids.len()]).mask, None);
    }
}
