//! Trees as they are asked: eight rows walk down a tree together, so that no step waits for the memory of another.
//!
//! Splits come first, then the leaves; a leaf leads to itself, so that rows that have arrived may walk on.

use super::tree::Tree;

/// Rows that walk together.
const TOGETHER: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Step {
    threshold: f32,
    feature: u32,
    /// Where to go: when the value is above the threshold, the second.
    next: [u16; 2],
}

/// One tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// As many as there are splits and leaves, filled up to a size of `SIZES` where there is one.
    steps: Vec<Step>,
    values: Vec<f64>,
    n_splits: usize,
}

impl Packed {
    /// Puts a sound tree into this form.
    #[must_use]
    pub fn new(tree: &Tree) -> Self {
        let n_splits = tree.nodes.len();
        let place = |child: i32| if child < 0 { n_splits + !child as usize } else { child as usize } as u16;
        let splits = tree.nodes.iter().map(|node| Step {
            threshold: node.threshold,
            feature: node.feature,
            next: [place(node.left), place(node.right)],
        });
        let leaf = |leaf: usize| Step { threshold: 0.0, feature: 0, next: [(n_splits + leaf) as u16; 2] };
        let mut steps: Vec<Step> = splits.chain((0..tree.values.len()).map(leaf)).collect();
        if let Some(size) = [64, 256, 1024].into_iter().find(|size| *size >= steps.len()) {
            steps.resize(size, Step::default());
        }
        Self { steps, values: tree.values.clone(), n_splits }
    }

    /// Adds the tree's values to the sums of dense rows.
    pub fn add(&self, rows: &[f32], width: usize, sums: &mut [f64]) {
        match self.steps.len() {
            64 => self.walk(self.steps.first_chunk::<64>().expect("64 steps"), rows, width, sums),
            256 => self.walk(self.steps.first_chunk::<256>().expect("256 steps"), rows, width, sums),
            1024 => self.walk(self.steps.first_chunk::<1024>().expect("1024 steps"), rows, width, sums),
            _ => {
                for (row, sum) in rows.chunks_exact(width).zip(sums) {
                    let mut at = 0;
                    while at < self.n_splits {
                        at = next(&self.steps[at], row);
                    }
                    *sum += self.values[at - self.n_splits];
                }
            }
        }
    }

    fn walk<const N: usize>(&self, steps: &[Step; N], rows: &[f32], width: usize, sums: &mut [f64]) {
        for (rows, sums) in rows.chunks(TOGETHER * width).zip(sums.chunks_mut(TOGETHER)) {
            // The last row stands in for those that are missing.
            let row = |lane: usize| {
                let lane = lane.min(sums.len() - 1);
                &rows[lane * width..(lane + 1) * width]
            };
            let of_lane: [&[f32]; TOGETHER] = std::array::from_fn(row);
            let mut at = [0_usize; TOGETHER];
            while at.iter().any(|at| *at < self.n_splits) {
                for (at, row) in at.iter_mut().zip(of_lane) {
                    *at = next(&steps[*at & (N - 1)], row);
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += self.values[at - self.n_splits];
            }
        }
    }
}

#[inline]
fn next(step: &Step, row: &[f32]) -> usize {
    step.next[usize::from(row[step.feature as usize] > step.threshold)] as usize
}

#[cfg(test)]
mod tests {
    use super::super::tree::Node;
    use super::*;

    /// A chain of splits: row value v falls into leaf ⌈v⌉, at most `n_splits`.
    fn chain(n_splits: i32) -> Tree {
        let node = |at: i32| Node {
            feature: 1,
            threshold: at as f32,
            left: !at,
            right: if at + 1 == n_splits { !n_splits } else { at + 1 },
            gain: 1.0,
        };
        Tree { nodes: (0..n_splits).map(node).collect(), values: (0..=n_splits).map(f64::from).collect() }
    }

    #[test]
    fn all_sizes_agree_with_the_tree() {
        for n_splits in [0, 1, 30, 31, 32, 100, 400, 700] {
            let tree = chain(n_splits);
            for n_rows in [1, 7, 8, 21] {
                let rows: Vec<f32> = (0..n_rows).flat_map(|row| [0.0, row as f32 * 37.5 - 3.0]).collect();
                let mut sums = vec![0.5; n_rows];
                Packed::new(&tree).add(&rows, 2, &mut sums);
                for (row, sum) in rows.chunks(2).zip(sums) {
                    assert_eq!(sum, 0.5 + tree.values[tree.leaf(|feature| row[feature])]);
                }
            }
        }
    }
}
