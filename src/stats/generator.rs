//! Generators of random numbers for work that runs in parallel: one for each (purpose, seed, index).
//!
//! A replicate that draws from its own generator is the same whatever the number of threads, and replicate 7 is the
//! same among 10 as among 1,000. PCG's streams are alike when their states are, so the state is a hash as well.

use rand_pcg::Pcg64;

/// The generator of one piece of work. `purpose` keeps draws for different ends apart.
#[must_use]
pub fn generator(purpose: [u8; 8], seed: u64, index: u64) -> Pcg64 {
    let high = mixed(mixed(seed ^ u64::from_le_bytes(purpose)) ^ index);
    Pcg64::new(u128::from(high) << 64 | u128::from(mixed(high)), u128::from(index))
}

/// One step of Steele, Lea and Flood's `SplitMix64`.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    #[test]
    fn purpose_seed_and_index_each_make_another_stream() {
        let first = |purpose: &[u8; 8], seed, index| generator(*purpose, seed, index).next_u64();
        let start = first(b"purpose1", 1, 1);
        assert_eq!(start, first(b"purpose1", 1, 1));
        assert!(
            [first(b"purpose2", 1, 1), first(b"purpose1", 2, 1), first(b"purpose1", 1, 2)]
                .iter()
                .all(|other| *other != start)
        );
    }

    #[test]
    fn mixes_as_the_reference_does() {
        // The first output of SplitMix64 from state 0 in Vigna's splitmix64.c.
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
    }
}
