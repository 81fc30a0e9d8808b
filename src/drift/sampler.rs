//! A bounded sample of a stream that does not depend on how the stream was cut into pieces.
//!
//! A row is kept while the hash of its number ends with at least `level` zero bits; when more than `most` are kept the
//! level rises by one and half of them go. Pieces that were sampled by different threads join to the same sample as one
//! pass would have given. While no more than `most` rows have come, all are kept.

/// Values of a bounded sample, in the order of their rows.
#[derive(Debug, Clone)]
pub struct Sampler<T = f64> {
    most: usize,
    level: u32,
    zeros: Vec<u8>,
    values: Vec<T>,
}

/// One step of Steele, Lea and Flood's `SplitMix64`: neighbouring rows have unrelated hashes.
pub(super) fn zeros(row: u64) -> u32 {
    let word = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31)).trailing_zeros()
}

impl<T> Sampler<T> {
    /// An empty sample of at most so many values.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, level: 0, zeros: Vec::new(), values: Vec::new() }
    }

    /// Offers the value of a row.
    pub fn add(&mut self, row: u64, value: T) {
        let zeros = zeros(row);
        if self.most > 0 && zeros >= self.level {
            self.zeros.push(zeros as u8);
            self.values.push(value);
            self.shrink();
        }
    }

    /// Joins the sample of later rows.
    pub fn join(&mut self, later: Self) {
        self.level = self.level.max(later.level);
        self.zeros.extend(later.zeros);
        self.values.extend(later.values);
        self.thin_out();
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.values.len() > self.most {
            self.level += 1;
            self.thin_out();
        }
    }

    fn thin_out(&mut self) {
        let (level, zeros) = (self.level, &self.zeros);
        if level == 0 {
            return;
        }
        let mut at = 0;
        self.values.retain(|_| {
            at += 1;
            u32::from(zeros[at - 1]) >= level
        });
        self.zeros.retain(|zeros| u32::from(*zeros) >= level);
    }

    /// True when every value that was offered is still there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.level == 0
    }

    /// The values.
    #[must_use]
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
}

impl Sampler<f64> {
    /// The values in ascending order; NaN must not be among them.
    #[must_use]
    pub fn sorted(&self) -> Vec<f64> {
        use rayon::prelude::*;
        let mut values = self.values.clone();
        values.par_sort_unstable_by(f64::total_cmp);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_same_sample() {
        let whole = |from: u64, to: u64| {
            let mut sampler = Sampler::new(100);
            (from..to).for_each(|row| sampler.add(row, row as f64));
            sampler
        };
        let once = whole(0, 10_000);
        assert!(once.values.len() > 40 && once.values.len() <= 100 && !once.is_whole());
        for cuts in [vec![5], vec![50, 7000], vec![1, 2, 3, 9999]] {
            let mut joined = Sampler::new(100);
            let mut from = 0;
            for to in cuts.into_iter().chain([10_000]) {
                joined.join(whole(from, to));
                from = to;
            }
            assert_eq!(joined.values, once.values);
        }
        let mean = once.values.iter().sum::<f64>() / once.values.len() as f64;
        assert!((mean - 5000.0).abs() < 1200.0, "{mean}");
        assert!(whole(0, 100).is_whole() && whole(0, 100).into_values().len() == 100);
        assert_eq!(Sampler::<f64>::new(0).into_values(), [0.0; 0]);
    }
}
