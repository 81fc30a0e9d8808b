//! Values that start at a cache line.
//!
//! A 64-byte vector that straddles two cache lines costs two loads. A `Vec` starts wherever the allocator puts it (16
//! bytes after a page's start, for large ones), so some more is allocated and the first few values are left out.

/// Bytes of a cache line and of the widest vector.
const LINE: usize = 64;

/// A fixed number of values, the first of them at a cache line.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` values of zero.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let values = vec![T::default(); len + spare];
        let start = values.as_ptr().align_offset(LINE).min(spare);
        Self { values, start, len }
    }

    /// A copy of these values.
    #[must_use]
    pub fn of(values: &[T]) -> Self {
        let mut copy = Self::zeroed(values.len());
        copy.as_mut_slice().copy_from_slice(values);
        copy
    }

    /// Room for at least `len` values; what was in it is lost when it grows.
    pub fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeroed(len);
        }
    }

    /// The values.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }

    /// The values, to be written.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Self::of(self.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    #[test]
    fn values_start_at_a_cache_line() {
        for len in [1, 7, 64, 100_000] {
            let floats = Aligned::<f32>::zeroed(len);
            assert_eq!((floats.as_slice().as_ptr().addr() % 64, floats.as_slice().len()), (0, len));
            let mut words = Aligned::<u32>::zeroed(len);
            assert_eq!((words.as_mut_slice().as_ptr().addr() % 64, words.as_slice().len()), (0, len));
            assert_eq!(Aligned::<f64>::zeroed(len).clone().as_slice().as_ptr().addr() % 64, 0);
        }
    }
}
