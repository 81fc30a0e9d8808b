//! Histograms: the sums of gradients and second derivatives of a leaf's rows, by feature and bin.
//!
//! The sums are f64 over f32 gradients, added in row order, as in LightGBM. A leaf that has been divided keeps the
//! histogram of its larger part by subtraction of the smaller one.

/// Features that stand together.
pub const LANES: usize = 16;

/// Places of one feature: a byte's 256 values, and 4 more, so that equal bins of neighbouring features do not fall into
/// the same lines of the cache.
const PLACES: usize = 260;

/// Sum of gradients, sum of second derivatives.
pub type Cell = [f64; 2];

/// The histograms of `LANES` features.
pub type Bank = [[Cell; PLACES]; LANES];

/// Empty histograms for so many blocks of features.
#[must_use]
#[expect(clippy::large_stack_arrays, reason = "zeroed memory is asked for, no array is on the stack")]
pub fn banks(n_blocks: usize) -> Vec<Bank> {
    vec![[[[0.0; 2]; PLACES]; LANES]; n_blocks]
}

/// Sets the first bins of every feature to zero.
pub fn clear(bank: &mut Bank, n_bins: &[usize]) {
    for (cells, n_bins) in bank.iter_mut().zip(n_bins) {
        cells[..*n_bins].fill([0.0; 2]);
    }
}

#[inline]
fn add_row(bank: &mut Bank, bins: &[u8; LANES], [gradient, hessian]: [f32; 2]) {
    let (gradient, hessian) = (f64::from(gradient), f64::from(hessian));
    for (cells, bin) in bank.iter_mut().zip(bins) {
        let cell = &mut cells[*bin as usize];
        cell[0] += gradient;
        cell[1] += hessian;
    }
}

/// The bytes of a block of features: those of row r are at `r · n_blocks + at`.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The bytes of all rows and blocks.
    pub bytes: &'a [[u8; LANES]],
    /// Number of blocks.
    pub n_blocks: usize,
    /// Which one this is.
    pub at: usize,
}

impl Block<'_> {
    /// Adds consecutive rows from `first` on.
    pub fn add_all(&self, bank: &mut Bank, first: usize, gradients: &[[f32; 2]]) {
        let bytes = self.bytes[first * self.n_blocks + self.at..].iter().step_by(self.n_blocks);
        for (bins, gradient) in bytes.zip(gradients) {
            add_row(bank, bins, *gradient);
        }
    }

    /// Adds these rows; `gradients[i]` is that of row `rows[i]`.
    pub fn add_some(&self, bank: &mut Bank, rows: &[u32], gradients: &[[f32; 2]]) {
        for (row, gradient) in rows.iter().zip(gradients) {
            add_row(bank, &self.bytes[*row as usize * self.n_blocks + self.at], *gradient);
        }
    }
}

/// `from −= part`, in the first bins of every feature.
pub fn subtract(from: &mut Bank, part: &Bank, n_bins: &[usize]) {
    for ((from, part), n_bins) in from.iter_mut().zip(part).zip(n_bins) {
        for (from, part) in from[..*n_bins].iter_mut().zip(part) {
            from[0] -= part[0];
            from[1] -= part[1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_remainder_make_the_whole() {
        let bins: Vec<[u8; LANES]> =
            (0..100_usize).map(|row| std::array::from_fn(|lane| ((row * 7 + lane) % 5) as u8)).collect();
        let gradients: Vec<[f32; 2]> = (0..100).map(|row| [row as f32 - 50.0, 1.0]).collect();
        let n_bins = [5; LANES];
        let (mut whole, mut part) = (banks(1).remove(0), banks(1).remove(0));
        let block = Block { bytes: &bins, n_blocks: 1, at: 0 };
        block.add_all(&mut whole, 0, &gradients[..40]);
        block.add_all(&mut whole, 40, &gradients[40..]);
        let rows: Vec<u32> = (0..100).step_by(3).collect();
        let of_rows: Vec<[f32; 2]> = rows.iter().map(|row| gradients[*row as usize]).collect();
        block.add_some(&mut part, &rows, &of_rows);
        for cells in &whole {
            assert_eq!(cells.iter().map(|cell| cell[1]).sum::<f64>(), 100.0);
            assert_eq!(cells.iter().map(|cell| cell[0]).sum::<f64>(), -50.0);
        }
        subtract(&mut whole, &part, &n_bins);
        assert_eq!(whole[3].iter().map(|cell| cell[1]).sum::<f64>(), 66.0);
        clear(&mut whole, &n_bins);
        assert!(whole.iter().flatten().all(|cell| *cell == [0.0; 2]));
    }
}
