//! Which bins moved: the shares of both sides, and what each bin adds to the divergence.
//!
//! The contribution of a bin to KL is p ln(p/q) with the current share p and the reference share q, both smoothed; a bin
//! that lost weight adds a negative number. Bins are ordered by |p − q|, the largest move first.

use serde::Serialize;

use super::pair::Pair;

/// A bin that moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// What lies in it.
    pub bin: String,
    /// Its share in the reference.
    pub reference: f64,
    /// Its share now.
    pub current: f64,
    /// What it adds to the Kullback–Leibler divergence.
    pub contribution: f64,
}

/// All bins of a pair, the largest move first.
#[must_use]
pub fn moved(pair: &Pair<'_>) -> Vec<Moved> {
    let (n, m) = pair.counts.sizes();
    let (q, p) = pair.counts.shares();
    let mut bins: Vec<Moved> = pair
        .names
        .iter()
        .enumerate()
        .map(|(at, name)| Moved {
            bin: name.clone(),
            reference: pair.counts.reference[at] as f64 / n.max(1.0),
            current: pair.counts.current[at] as f64 / m.max(1.0),
            contribution: p[at] * (p[at] / q[at]).ln(),
        })
        .collect();
    let size = |bin: &Moved| (bin.current - bin.reference).abs();
    bins.sort_by(|left, right| size(right).total_cmp(&size(left)));
    bins
}

#[cfg(test)]
mod tests {
    use super::super::current::Seen;
    use super::super::kl::divergence;
    use super::super::profile::{Column, Room};
    use super::*;

    #[test]
    fn contributions_add_up_to_the_divergence() {
        let cells: Vec<Option<String>> = [("a", 500), ("b", 300), ("c", 200)]
            .iter()
            .flat_map(|(word, n)| vec![Some((*word).to_owned()); *n])
            .collect();
        let column = Column::of_cells("c", "train", &cells, Room::ALL);
        let mut seen = Seen::new(&column, 0);
        seen.add_words((0..100).map(|row| Some(if row < 50 { "a" } else { "c" })));
        let pair = Pair::new(&column, &seen);
        let bins = moved(&pair);
        assert_eq!(bins.iter().map(|bin| bin.bin.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!((bins[0].reference, bins[0].current), (0.3, 0.0));
        let sum: f64 = bins.iter().map(|bin| bin.contribution).sum();
        assert!((sum - divergence(&pair.counts)).abs() < 1e-12);
    }
}
