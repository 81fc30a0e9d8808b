//! How weights are laid out: in panels of columns, from the start of a cache line.
//!
//! A panel holds `width` output columns for all inputs: for each input the `width` weights side by side, so that a
//! kernel reads it from front to back. The last panel is filled up with zeros.
//!
//! A 64-byte vector that straddles two cache lines costs two loads. A `Vec` starts wherever the allocator puts it (16
//! bytes after a page's start, for large ones), so some more is allocated and the first few values are left out.

/// Bytes of a cache line and of the widest vector.
const LINE: usize = 64;
/// Values of a row that are moved in one go: a cache line of f32.
const BLOCK: usize = 16;

/// A fixed number of values, the first of them at a cache line.
#[derive(Debug)]
pub struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` values of zero.
    pub fn zeroed(len: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let values = vec![T::default(); len + spare];
        let start = values.as_ptr().align_offset(LINE).min(spare);
        Self { values, start, len }
    }

    /// The values.
    pub fn as_slice(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }

    /// The values, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

/// Writes up to `width` rows of `n` values, row-major, into a panel, `n × width`.
pub fn transpose<T: Copy>(rows: &[T], n: usize, panel: &mut [T], width: usize) {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        let block = &mut panel[start * width..end * width];
        for (column, row) in rows.chunks_exact(n).enumerate() {
            for (line, value) in block.chunks_exact_mut(width).zip(&row[start..end]) {
                line[column] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Aligned, transpose};

    #[test]
    fn values_start_at_a_cache_line() {
        for len in [1, 7, 64, 100_000] {
            let floats = Aligned::<f32>::zeroed(len);
            assert_eq!((floats.as_slice().as_ptr().addr() % 64, floats.as_slice().len()), (0, len));
            let mut words = Aligned::<u32>::zeroed(len);
            assert_eq!((words.as_mut_slice().as_ptr().addr() % 64, words.as_slice().len()), (0, len));
        }
    }

    #[test]
    fn a_panel_holds_columns_side_by_side() {
        let mut panel = [0; 12];
        transpose(&[1, 2, 3, 4, 5, 6], 3, &mut panel, 4);
        assert_eq!(panel, [1, 4, 0, 0, 2, 5, 0, 0, 3, 6, 0, 0]);
        let rows: Vec<usize> = (0..100).collect();
        let mut panel = vec![0; 100];
        transpose(&rows, 50, &mut panel, 2);
        assert!((0..50).all(|k| panel[2 * k..][..2] == [k, 50 + k]));
    }
}
