//! Multi-head self-attention over one sequence: softmax(Q·Kᵀ / √d)·V for each head, d = hidden / heads.
//!
//! A tile of a few queries is taken through all of it before the next: its scores against all keys (tile × n, a few KiB
//! that stay in the first-level cache), their exponentials, and the product with the values; the n × n matrix never
//! exists. Both products are tiles of rows times panels of columns: the keys are packed
//! transposed into panels, the values as they are, once for each head.
//!
//! softmax is taken to the base 2: exp(s) = 2^(s·log₂e). The factor log₂e / √d belongs into the query's weights and bias
//! ([`query_scale`]), so nothing is left to multiply here. Sums are divided out at the end.
//!
//! What is compiled for the processor must not lie in closures: they would not be inlined into it.
//!
//! A query's result depends on its own sequence alone, bit for bit, wherever it lies in a tile.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::exp::exp2;
use super::tile::rows_by_panel;

/// Vectors of a panel of keys, and queries of a tile, with 32 vector registers and with fewer.
const WIDE: (usize, usize) = (3, 8);
const NARROW: (usize, usize) = (2, 6);
/// Vectors of a panel of values: head dimensions are mostly 32 and 64.
const VALUE_VECTORS: usize = 2;
/// Keys and numbers of a block that is transposed in registers.
const BLOCK: usize = 4;
/// Numbers of a cache line, which is also the widest vector.
const LINE: usize = 16;

/// Self-attention with a number of heads.
#[derive(Debug)]
pub struct Attention {
    arch: Arch,
    n_heads: usize,
    head_dim: usize,
}

/// Buffers that a thread keeps between calls.
#[derive(Debug, Default)]
pub struct Buffers {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

/// What the query's weights and bias must be multiplied by.
#[must_use]
pub fn query_scale(head_dim: usize) -> f32 {
    (std::f64::consts::LOG2_E / (head_dim as f64).sqrt()) as f32
}

impl Attention {
    /// Attention with `n_heads` heads of `head_dim` numbers each.
    #[must_use]
    pub fn new(n_heads: usize, head_dim: usize) -> Self {
        Self { arch: Arch::new(), n_heads, head_dim }
    }

    /// Attends from some tokens of a sequence to all of it.
    ///
    /// `projected` holds, for each token of the sequence, its query (scaled by [`query_scale`]), key and value:
    /// n × 3·hidden. `into` receives `queries.len()` × hidden.
    pub fn apply(&self, projected: &[f32], queries: Range<usize>, into: &mut [f32], buffers: &mut Buffers) {
        let Self { arch, n_heads, head_dim } = *self;
        let hidden = n_heads * head_dim;
        let sequence = Sequence { projected, n_tokens: projected.len() / (3 * hidden), queries, hidden, head_dim };
        arch.dispatch(Heads { sequence, into, buffers });
    }
}

#[derive(Clone)]
struct Sequence<'a> {
    projected: &'a [f32],
    n_tokens: usize,
    queries: Range<usize>,
    hidden: usize,
    head_dim: usize,
}

impl<'a> Sequence<'a> {
    /// Query (0), key (1) or value (2) of one token and head.
    #[inline(always)]
    fn part(&self, token: usize, part: usize, head: usize) -> &'a [f32] {
        &self.projected[(3 * token + part) * self.hidden + head * self.head_dim..][..self.head_dim]
    }
}

struct Heads<'a> {
    sequence: Sequence<'a>,
    into: &'a mut [f32],
    buffers: &'a mut Buffers,
}

impl WithSimd for Heads<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run::<S, { WIDE.0 }, { WIDE.1 }>(simd);
        } else {
            self.run::<S, { NARROW.0 }, { NARROW.1 }>(simd);
        }
    }
}

impl Heads<'_> {
    /// `V` vectors of keys and `M` queries at a time.
    #[inline(always)]
    fn run<S: Simd, const V: usize, const M: usize>(self, simd: S) {
        let Self { sequence, into, buffers } = self;
        let Sequence { n_tokens, hidden, head_dim, .. } = sequence;
        let padded = n_tokens.next_multiple_of(S::F32_LANES);
        let keys = aligned(&mut buffers.keys, padded * head_dim);
        let values = aligned(&mut buffers.values, n_tokens * head_dim.next_multiple_of(S::F32_LANES));
        let scores = aligned(&mut buffers.scores, M * padded);
        for head in 0..hidden / head_dim {
            pack_keys(&sequence, head, keys, S::F32_LANES, V * S::F32_LANES);
            pack_values(&sequence, head, values, S::F32_LANES);
            for (tile, rows) in into.chunks_mut(M * hidden).enumerate() {
                let first = sequence.queries.start + tile * M;
                // The last tile may be short: its last query is then taken again.
                let queries =
                    std::array::from_fn(|at| sequence.part((first + at).min(sequence.queries.end - 1), 0, head));
                score::<S, V, M>(simd, queries, keys, scores);
                for row in scores.chunks_exact_mut(padded) {
                    row[n_tokens..].fill(f32::NEG_INFINITY);
                }
                let sums = exponentials::<S, M>(simd, scores);
                let target = Target { rows, width: hidden, start: head * head_dim, end: (head + 1) * head_dim };
                weigh::<S, M>(simd, (scores, sums), values, n_tokens, target);
            }
        }
    }
}

/// The first `len` numbers of the buffer from a cache line on.
fn aligned(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len + LINE {
        buffer.resize(len + LINE, 0.0);
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    &mut buffer[start..start + len]
}

/// Panels of `width` keys (the last as narrow as whole vectors allow, filled up with the last key); within a panel, the
/// keys' first numbers, then their second ones …
#[inline(always)]
fn pack_keys(sequence: &Sequence<'_>, head: usize, keys: &mut [f32], lanes: usize, width: usize) {
    let padded = sequence.n_tokens.next_multiple_of(lanes);
    for (panel, first) in keys.chunks_mut(width * sequence.head_dim).zip((0..).step_by(width)) {
        let width = width.min(padded - first);
        let key = |column: usize| sequence.part((first + column).min(sequence.n_tokens - 1), 1, head);
        if width.is_multiple_of(BLOCK) && sequence.head_dim.is_multiple_of(BLOCK) {
            for column in (0..width).step_by(BLOCK) {
                let keys: [&[f32]; BLOCK] = std::array::from_fn(|at| key(column + at));
                transpose(keys, panel, width, column);
            }
        } else {
            for column in 0..width {
                panel.chunks_exact_mut(width).zip(key(column)).for_each(|(line, number)| line[column] = *number);
            }
        }
    }
}

/// Writes some keys as columns of a panel, block by block: the compiler keeps a block in registers.
#[inline(always)]
fn transpose(keys: [&[f32]; BLOCK], panel: &mut [f32], width: usize, column: usize) {
    let keys = keys.map(|key| key.as_chunks::<BLOCK>().0);
    for (block, lines) in panel.chunks_exact_mut(width * BLOCK).enumerate() {
        for (k, line) in lines.chunks_exact_mut(width).enumerate() {
            let target = &mut line[column..column + BLOCK];
            for at in 0..BLOCK {
                target[at] = keys[at][block][k];
            }
        }
    }
}

/// Panels of [`VALUE_VECTORS`] vectors of each token's value, the last as narrow as whole vectors allow.
#[inline(always)]
fn pack_values(sequence: &Sequence<'_>, head: usize, values: &mut [f32], lanes: usize) {
    let (n_tokens, width) = (sequence.n_tokens, VALUE_VECTORS * lanes);
    for (panel, start) in values.chunks_mut(n_tokens * width).zip((0..).step_by(width)) {
        let width = panel.len() / n_tokens;
        for (token, line) in panel.chunks_exact_mut(width).enumerate() {
            let value = &sequence.part(token, 2, head)[start..];
            let width = width.min(value.len());
            line[..width].copy_from_slice(&value[..width]);
        }
    }
}

/// The scores of a tile of queries against all keys, `M` × padded.
#[inline(always)]
fn score<S: Simd, const V: usize, const M: usize>(simd: S, queries: [&[f32]; M], keys: &[f32], scores: &mut [f32]) {
    let (head_dim, padded) = (queries[0].len(), scores.len() / M);
    let width = V * S::F32_LANES;
    for (panel, column) in keys.chunks(width * head_dim).zip((0..).step_by(width)) {
        let target = &mut scores[column..];
        match panel.len() / (head_dim * S::F32_LANES) {
            1 => score_panel::<S, 1, M>(simd, queries, panel, target, padded),
            2 => score_panel::<S, 2, M>(simd, queries, panel, target, padded),
            _ => score_panel::<S, V, M>(simd, queries, panel, target, padded),
        }
    }
}

#[inline(always)]
fn score_panel<S: Simd, const V: usize, const M: usize>(
    simd: S,
    queries: [&[f32]; M],
    panel: &[f32],
    target: &mut [f32],
    stride: usize,
) {
    let sums = rows_by_panel::<f32, S, V, M>(simd, |at| queries[at], S::as_simd_f32s(panel).0.as_chunks::<V>().0);
    for (at, sums) in sums.iter().enumerate() {
        let target = S::as_mut_simd_f32s(&mut target[at * stride..][..V * S::F32_LANES]).0;
        target.copy_from_slice(sums);
    }
}

/// Replaces the scores of `M` queries (whole vectors) by 2^(score − largest); returns the sum for each.
#[inline(always)]
fn exponentials<S: Simd, const M: usize>(simd: S, scores: &mut [f32]) -> [f32; M] {
    let scores = S::as_mut_simd_f32s(scores).0;
    let stride = scores.len() / M;
    // All queries side by side: reducing a vector to a number takes long, and nothing waits for it this way.
    let mut most = [simd.splat_f32s(f32::NEG_INFINITY); M];
    for column in 0..stride {
        for at in 0..M {
            most[at] = simd.max_f32s(most[at], scores[at * stride + column]);
        }
    }
    for most in &mut most {
        *most = simd.splat_f32s(simd.reduce_max_f32s(*most));
    }
    let mut sums = [simd.splat_f32s(0.0); M];
    for column in 0..stride {
        for at in 0..M {
            let score = &mut scores[at * stride + column];
            *score = exp2(simd, simd.sub_f32s(*score, most[at]));
            sums[at] = simd.add_f32s(sums[at], *score);
        }
    }
    let mut totals = [0.0; M];
    for at in 0..M {
        totals[at] = simd.reduce_sum_f32s(sums[at]);
    }
    totals
}

/// Where a tile's results go: some columns of rows.
struct Target<'a> {
    rows: &'a mut [f32],
    width: usize,
    start: usize,
    end: usize,
}

/// The values' mean, weighted by the exponentials (`M` × padded, with their sums).
#[inline(always)]
fn weigh<S: Simd, const M: usize>(
    simd: S,
    (weights, sums): (&[f32], [f32; M]),
    values: &[f32],
    n_tokens: usize,
    mut target: Target<'_>,
) {
    let stride = weights.len() / M;
    let weights = std::array::from_fn(|at| &weights[at * stride..][..n_tokens]);
    let scales = sums.map(|sum| 1.0 / sum);
    let width = VALUE_VECTORS * S::F32_LANES;
    for (panel, column) in values.chunks(n_tokens * width).zip((0..).step_by(width)) {
        match panel.len() / (n_tokens * S::F32_LANES) {
            1 => weigh_panel::<S, 1, M>(simd, (weights, scales), panel, column, &mut target),
            _ => weigh_panel::<S, VALUE_VECTORS, M>(simd, (weights, scales), panel, column, &mut target),
        }
    }
}

#[inline(always)]
fn weigh_panel<S: Simd, const V: usize, const M: usize>(
    simd: S,
    (weights, scales): ([&[f32]; M], [f32; M]),
    panel: &[f32],
    column: usize,
    target: &mut Target<'_>,
) {
    let sums = rows_by_panel::<f32, S, V, M>(simd, |at| weights[at], S::as_simd_f32s(panel).0.as_chunks::<V>().0);
    let (start, end) = (target.start + column, target.end.min(target.start + column + V * S::F32_LANES));
    for (at, row) in target.rows.chunks_exact_mut(target.width).enumerate() {
        let scale = simd.splat_f32s(scales[at]);
        let (full, rest) = S::as_mut_simd_f32s(&mut row[start..end]);
        // No index but constants: the sums shall stay in registers.
        for (v, sum) in sums[at].iter().enumerate() {
            if let Some(target) = full.get_mut(v) {
                *target = simd.mul_f32s(*sum, scale);
            } else if v == full.len() && !rest.is_empty() {
                simd.partial_store_f32s(rest, simd.mul_f32s(*sum, scale));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::{Attention, Buffers, query_scale};

    /// This processor, and as if it had narrower vectors, or none.
    fn processors() -> Vec<Arch> {
        #[cfg(target_arch = "x86_64")]
        let narrower = pulp::x86::V3::try_new().map(Arch::V3);
        #[cfg(not(target_arch = "x86_64"))]
        let narrower = None;
        [Arch::new(), Arch::Scalar].into_iter().chain(narrower).collect()
    }

    /// Numbers between -1 and 1 that look random.
    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    /// The definition in f64, from unscaled queries.
    fn definition(projected: &[f32], n_heads: usize, head_dim: usize) -> Vec<f64> {
        let hidden = n_heads * head_dim;
        let n = projected.len() / (3 * hidden);
        let number = |token: usize, part: usize, at: usize| f64::from(projected[(3 * token + part) * hidden + at]);
        let mut out = vec![0.0; n * hidden];
        for query in 0..n {
            for head in 0..n_heads {
                let columns = head * head_dim..(head + 1) * head_dim;
                let score = |key| columns.clone().map(|at| number(query, 0, at) * number(key, 1, at)).sum::<f64>();
                let weights: Vec<f64> = (0..n).map(|key| (score(key) / (head_dim as f64).sqrt()).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for at in columns {
                    let weighted = weights.iter().enumerate().map(|(key, weight)| weight * number(key, 2, at));
                    out[query * hidden + at] = weighted.sum::<f64>() / sum;
                }
            }
        }
        out
    }

    fn scaled(projected: &[f32], hidden: usize, head_dim: usize) -> Vec<f32> {
        let scale = |(at, number): (usize, &f32)| {
            if at % (3 * hidden) < hidden { number * query_scale(head_dim) } else { *number }
        };
        projected.iter().enumerate().map(scale).collect()
    }

    #[test]
    fn equals_the_definition_for_all_shapes() {
        let mut buffers = Buffers::default();
        for (n_heads, head_dim) in [(3, 32), (2, 64), (4, 8), (1, 20), (2, 80), (1, 1)] {
            for n in [1, 2, 7, 8, 9, 15, 16, 17, 47, 48, 49, 64, 100] {
                let hidden = n_heads * head_dim;
                let projected: Vec<f32> = noise(n * 3 * hidden).iter().map(|number| number * 1.5).collect();
                let (scaled, expected) =
                    (scaled(&projected, hidden, head_dim), definition(&projected, n_heads, head_dim));
                for arch in processors() {
                    let mut found = vec![0.0; n * hidden];
                    Attention { arch, n_heads, head_dim }.apply(&scaled, 0..n, &mut found, &mut buffers);
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!((f64::from(*found) - expected).abs() < 3e-6, "{found} {expected}, {n} × {head_dim}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_query_gets_the_same_bits_in_any_tile() {
        let (n, hidden) = (53, 64);
        let projected = noise(n * 3 * hidden);
        let attention = Attention::new(2, 32);
        let mut whole = vec![0.0; n * hidden];
        attention.apply(&projected, 0..n, &mut whole, &mut Buffers::default());
        for queries in [0..1, 3..20, 52..53] {
            let mut part = vec![0.0; queries.len() * hidden];
            attention.apply(&projected, queries.clone(), &mut part, &mut Buffers::default());
            assert_eq!(part, whole[queries.start * hidden..queries.end * hidden]);
        }
    }

    #[test]
    fn far_scores_neither_overflow_nor_vanish() {
        // Two tokens, one head of one number: scores ±10,000 pick one value each.
        let projected = [100.0, 100.0, 1.0, -100.0, -100.0, 2.0];
        let mut found = [0.0; 2];
        Attention::new(1, 1).apply(&projected, 0..2, &mut found, &mut Buffers::default());
        assert_eq!(found, [1.0, 2.0]);
    }
}
