//! Fetching a cache line before it is needed.

/// Values of a cache line of f32.
pub const LINE: usize = 16;

/// Asks for the cache line of the first value, which is to be written soon; where there is no such instruction, nothing.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "an instruction that takes an address"))]
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: the instruction is part of every x86-64, reads nothing that the program sees and never fails.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(values.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
