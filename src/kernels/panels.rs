//! How the right side of a product is laid out: in panels of columns.
//!
//! A panel holds `width` columns for all k: for each k the `width` numbers side by side, so that a kernel reads it from
//! front to back.

/// Values of a row that are moved in one go: a cache line of f32.
const BLOCK: usize = 16;

/// Where the panels start and how wide they are: `widest` columns each, the last as narrow as whole vectors allow.
pub fn panels(n_columns: usize, widest: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = move |column: usize| (n_columns - column).min(widest).next_multiple_of(lanes);
    (0..n_columns).step_by(widest).map(move |column| (column, width(column)))
}

/// Writes up to `width` rows of `n` values, row-major, as the columns of a panel, `n × width`.
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
    use super::{panels, transpose};

    #[test]
    fn the_last_panel_is_as_narrow_as_whole_vectors_allow() {
        assert_eq!(panels(384, 64, 16).last(), Some((320, 64)));
        assert_eq!(panels(100, 64, 16).collect::<Vec<_>>(), [(0, 64), (64, 48)]);
        assert_eq!(panels(3, 16, 8).collect::<Vec<_>>(), [(0, 8)]);
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
