//! The random draws of LightGBM 4.7.0: with the same `seed`, the same rows and features are drawn.
//!
//! The generator is Microsoft's linear congruential one, x ← 214013 x + 2531011 (mod 2^32); 15 bits of it make a number.
//! Three seeds are drawn from the one that the user gives, as LightGBM's config does.

/// Rows that share a generator when a bag is drawn.
const BAG_BLOCK: usize = 1024;

/// A generator.
#[derive(Debug, Clone)]
struct Random(u32);

impl Random {
    fn step(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(214_013).wrapping_add(2_531_011);
        self.0
    }

    fn short(&mut self) -> u32 {
        (self.step() >> 16) & 0x7FFF
    }

    /// In [0, 1).
    fn part(&mut self) -> f32 {
        self.short() as f32 / 32_768.0
    }

    /// `count` of `0..n`, ascending.
    fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        if count >= n {
            return (0..n).collect();
        }
        if count > 1 && count as f64 > n as f64 / (count as f64).log2() {
            let mut chosen = Vec::with_capacity(count);
            for at in 0..n {
                let chance = (count - chosen.len()) as f64 / (n - at) as f64;
                if f64::from(self.part()) < chance {
                    chosen.push(at);
                }
            }
            return chosen;
        }
        let mut chosen = std::collections::BTreeSet::new();
        for most in n - count..n {
            let at = (self.step() & 0x7FFF_FFFF) as usize % (most + 1);
            if !chosen.insert(at) {
                chosen.insert(most);
            }
        }
        chosen.into_iter().collect()
    }
}

/// LightGBM's seeds for rows on which bins are found, bags, and features.
fn seeds(seed: u64) -> [u32; 3] {
    let mut random = Random(seed as u32);
    let mut next = || random.short() % 32_767;
    let (rows, bags, _drop, features) = (next(), next(), next(), next());
    [rows, bags, features]
}

/// The rows on which bins are found, ascending; none means all.
#[must_use]
pub fn rows_for_bins(n_rows: usize, most: usize, seed: u64) -> Option<Vec<u32>> {
    (n_rows > most).then(|| {
        let rows = Random(seeds(seed)[0]).sample(n_rows, most);
        rows.into_iter().map(|row| row as u32).collect()
    })
}

/// The rows that trees learn from, and the others; both ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bag {
    /// In the bag.
    pub inside: Vec<u32>,
    /// Not in it.
    pub outside: Vec<u32>,
}

/// Draws bags of rows.
#[derive(Debug)]
pub struct Bags {
    n_rows: usize,
    fraction: f64,
    randoms: Vec<Random>,
}

impl Bags {
    /// Each row is in a bag with this probability.
    #[must_use]
    pub fn new(n_rows: usize, fraction: f64, seed: u64) -> Self {
        let first = seeds(seed)[1];
        let randoms = (0..n_rows.div_ceil(BAG_BLOCK) as u32).map(|block| Random(first + block)).collect();
        Self { n_rows, fraction, randoms }
    }

    /// The next bag; at least one row is in it.
    pub fn draw(&mut self) -> Bag {
        let (randoms, fraction) = (&mut self.randoms, self.fraction);
        let is_inside = |row: &u32| f64::from(randoms[*row as usize / BAG_BLOCK].part()) < fraction;
        let (mut inside, outside): (Vec<u32>, Vec<u32>) = (0..self.n_rows as u32).partition(is_inside);
        if inside.is_empty() {
            inside.push(0);
        }
        Bag { inside, outside }
    }
}

/// Draws the features that a tree may use.
#[derive(Debug)]
pub struct Choices {
    n_features: usize,
    count: usize,
    random: Random,
}

impl Choices {
    /// This part of the features, rounded, and at least one.
    #[must_use]
    pub fn new(n_features: usize, fraction: f64, seed: u64) -> Self {
        let count = ((n_features as f64 * fraction + 0.5) as usize).clamp(1.min(n_features), n_features);
        let mut random = Random(seeds(seed)[2]);
        if fraction < 1.0 {
            // LightGBM's learner draws once before the first tree.
            random.sample(n_features, count);
        }
        Self { n_features, count, random }
    }

    /// Which features the next tree may use.
    pub fn draw(&mut self) -> Vec<bool> {
        let mut allowed = vec![self.count == self.n_features; self.n_features];
        if self.count < self.n_features {
            self.random.sample(self.n_features, self.count).into_iter().for_each(|feature| allowed[feature] = true);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_that_of_microsoft_c() {
        // rand() of msvcrt after srand(1): 41, 18467, 6334, 26500, 19169.
        let mut random = Random(1);
        assert_eq!([(); 5].map(|()| random.short()), [41, 18_467, 6334, 26_500, 19_169]);
    }

    #[test]
    fn samples_have_their_size() {
        for (n, count) in [(10, 7), (10, 2), (10, 1), (1000, 500), (1000, 3), (5, 5), (1, 1)] {
            for seed in 0..20 {
                let sample = Random(seed).sample(n, count);
                assert_eq!(sample.len(), count, "{n} {count}");
                assert!(sample.is_sorted() && sample.iter().all(|at| *at < n));
            }
        }
        assert_eq!(rows_for_bins(100, 100, 1), None);
        assert_eq!(rows_for_bins(1000, 100, 1).unwrap().len(), 100);
    }

    #[test]
    fn bags_and_choices_have_about_their_part() {
        let mut bags = Bags::new(5000, 0.3, 4);
        let (one, other) = (bags.draw(), bags.draw());
        assert_ne!(one, other);
        assert!(one.inside.len().abs_diff(1500) < 150 && one.inside.len() + one.outside.len() == 5000);
        assert_eq!(Bags::new(5000, 0.3, 4).draw(), one);
        assert_eq!(Bags::new(3, 1e-9, 4).draw().inside, [0]);
        let mut choices = Choices::new(10, 0.25, 1);
        assert_eq!(choices.draw().iter().filter(|is| **is).count(), 3);
        assert!(Choices::new(10, 1.0, 1).draw().iter().all(|is| *is));
        assert_eq!(Choices::new(3, 0.01, 1).draw().iter().filter(|is| **is).count(), 1);
    }
}
