//! Two models on the same rows: is one better, by how much, how sure is that, and may it be promoted?
//!
//! `paired` holds the rows and checks them, `test_kind` names the tests, `options` say how, `compare` picks and runs one, `resampling` is
//! the bootstrap behind it, `difference` is what comes out, `many` corrects for several candidates, `gate` decides.

pub mod compare;
pub mod difference;
pub mod gate;
pub mod many;
pub mod options;
pub mod paired;
mod resampling;
pub mod test_kind;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod timing;

pub use compare::{compare, compare_values};
pub use difference::{Difference, Unit, Verdict};
pub use gate::{Decision, Outcome, Rule, decide};
pub use many::correct_for_many;
pub use options::Options;
pub use paired::{Answers, Pair};
pub use test_kind::TestKind;
