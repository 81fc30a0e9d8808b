//! The seeds of a run: each purpose has its own, drawn from the seed of the config.

/// A seed of its own for each purpose, so that more randomness in one place moves nothing in another.
#[must_use]
pub fn stream(seed: u64, purpose: &str) -> u64 {
    let digest = crate::fs::sha256(format!("{seed}:{purpose}").as_bytes());
    u64::from_str_radix(&digest[..16], 16).expect("16 hexadecimal digits")
}
