//! Values that are computed at most once, by something that may fail.

use std::sync::OnceLock;

use crate::error::Result;

/// The value of a cell, computed when it is first asked for; of a failure nothing is kept. Where several threads ask first
/// at the same time, each computes it and the first result stays.
///
/// # Errors
/// What `compute` says.
pub fn get_or_try_init<T>(cell: &OnceLock<T>, compute: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let computed = compute()?;
    Ok(cell.get_or_init(|| computed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_failure_is_tried_again_and_a_value_is_not() {
        let cell = OnceLock::new();
        assert!(get_or_try_init(&cell, || Err::<u8, _>(Error::failed("not yet"))).is_err());
        assert_eq!(get_or_try_init(&cell, || Ok(1)).ok(), Some(&1));
        assert_eq!(get_or_try_init(&cell, || Ok(2)).ok(), Some(&1));
    }
}
