//! How often something was done on this thread. It stands in test builds only, so that a test can say that an
//! expensive step is done once, and a shipped program keeps no counts.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static COUNTS: RefCell<BTreeMap<String, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts one more.
pub fn add(what: impl Into<String>) {
    COUNTS.with_borrow_mut(|counts| *counts.entry(what.into()).or_default() += 1);
}

/// What was counted while `work` ran.
pub fn during<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, usize>) {
    COUNTS.take();
    let value = work();
    (value, COUNTS.take())
}
