//! Grows one tree leaf by leaf: the split with the largest gain among all leaves comes next.
//!
//! After LightGBM 4.7.0's serial learner: of a divided leaf's two parts only the smaller one is added up, the other is
//! the parent without it; a feature that could not divide the parent is not looked at again; a leaf with less than twice
//! `min_data_in_leaf` rows is not looked at. Blocks of features are worked on in parallel, each by one thread, so no sum
//! depends on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::binned::Binned;
use super::histogram::{Bank, Block, LANES, banks, clear, subtract};
use super::partition::Partition;
use super::split::{Limits, Split, Sums};
use super::tree::{self, Node, Tree};

/// The shape that trees may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// The most leaves.
    pub num_leaves: usize,
    /// The longest path, in splits; 0 for any length.
    pub max_depth: usize,
    /// What a split must fulfil.
    pub limits: Limits,
}

/// Rows that are added to all histograms of a task before the next ones: their bytes stay in the cache.
const TILE: usize = 2048;

/// Histograms take so many bytes at most; then leaves that gain little are added up anew when their turn comes.
const MEMORY: usize = 1 << 30;

/// One bit per feature of a block.
type Mask = u16;

struct Leaf {
    range: Range<usize>,
    sums: Sums,
    depth: usize,
    value: f64,
    best: Option<Split>,
    banks: Vec<Bank>,
    /// The features that can divide it.
    useful: Vec<Mask>,
    /// The split that made it, and the side.
    parent: Option<(usize, bool)>,
}

/// Grows trees over one matrix; keeps its memory from tree to tree.
pub struct Grower<'a> {
    binned: &'a Binned,
    shape: Shape,
    /// Number of bins of each feature, by block; 0 where a block is not full.
    n_bins: Vec<[usize; LANES]>,
    partition: Partition,
    gradients: Vec<[f32; 2]>,
    pool: Vec<Vec<Bank>>,
    n_banks: usize,
    most_banks: usize,
    /// The rows of each leaf of the last tree.
    leaves: Vec<Range<usize>>,
}

impl<'a> Grower<'a> {
    /// Ready to grow.
    #[must_use]
    pub fn new(binned: &'a Binned, shape: Shape) -> Self {
        let n_bins = binned.mappers.chunks(LANES).map(|mappers| {
            let mut n_bins = [0; LANES];
            n_bins.iter_mut().zip(mappers).for_each(|(n_bins, mapper)| *n_bins = mapper.n_bins());
            n_bins
        });
        Self {
            binned,
            shape,
            n_bins: n_bins.collect(),
            partition: Partition::default(),
            gradients: Vec::new(),
            pool: Vec::new(),
            n_banks: 0,
            most_banks: (MEMORY / (binned.n_blocks * size_of::<Bank>()).max(1)).max(2),
            leaves: Vec::new(),
        }
    }

    /// Grows a tree on `rows` (all, or those of a bag, ascending) with the features in `allowed`.
    ///
    /// `gradients` are those of all rows: first and second derivative.
    pub fn grow(&mut self, gradients: &[[f32; 2]], rows: Option<&[u32]>, allowed: &[bool]) -> Tree {
        // One way into the thread pool for a tree, not one for each of its parallel steps.
        rayon::scope(|_| self.grow_inside(gradients, rows, allowed))
    }

    fn grow_inside(&mut self, gradients: &[[f32; 2]], rows: Option<&[u32]>, allowed: &[bool]) -> Tree {
        match rows {
            None => self.partition.reset(0..self.binned.n_rows as u32),
            Some(rows) => self.partition.reset(rows.iter().copied()),
        }
        let mut leaves = vec![self.root(gradients, rows.is_none(), allowed)];
        let mut tree = Tree::default();
        while leaves.len() < self.shape.num_leaves {
            let best = (0..leaves.len()).reduce(|best, leaf| match (&leaves[best].best, &leaves[leaf].best) {
                (None, Some(_)) => leaf,
                (Some(best), Some(split)) if split.beats(best) => leaf,
                _ => best,
            });
            let Some((leaf, split)) =
                best.and_then(|leaf| Some((leaf, leaves[leaf].best.filter(|split| split.gain > 0.0)?)))
            else {
                break;
            };
            self.divide(&mut leaves, leaf, &split, &mut tree, gradients);
        }
        tree.values = leaves.iter().map(|leaf| leaf.value).collect();
        self.leaves = leaves.iter().map(|leaf| leaf.range.clone()).collect();
        self.pool.extend(leaves.into_iter().map(|leaf| leaf.banks).filter(|banks| !banks.is_empty()));
        tree
    }

    /// The rows of each leaf of the last tree.
    pub fn leaves(&self) -> impl Iterator<Item = &[u32]> {
        self.leaves.iter().map(|range| self.partition.rows(range.clone()))
    }

    /// Room for the histograms of a leaf. When there is no more, the leaf that gains least gives its own up.
    fn take_banks(&mut self, leaves: &mut [Leaf]) -> Vec<Bank> {
        if let Some(banks) = self.pool.pop() {
            return banks;
        }
        let gain = |leaf: &Leaf| leaf.best.map_or(f64::NEG_INFINITY, |split| split.gain);
        let owners = leaves.iter_mut().filter(|leaf| !leaf.banks.is_empty());
        match owners.min_by(|one, other| gain(one).total_cmp(&gain(other))) {
            Some(leaf) if self.n_banks >= self.most_banks => std::mem::take(&mut leaf.banks),
            _ => {
                self.n_banks += 1;
                banks(self.binned.n_blocks)
            }
        }
    }

    fn can_divide(&self, leaf: &Leaf) -> bool {
        (self.shape.max_depth == 0 || leaf.depth < self.shape.max_depth)
            && leaf.sums.rows >= 2 * self.shape.limits.min_data_in_leaf
    }

    fn root(&mut self, gradients: &[[f32; 2]], is_whole: bool, allowed: &[bool]) -> Leaf {
        let n_rows = self.partition.len();
        let mut sums = Sums { rows: n_rows, ..Sums::default() };
        for row in self.partition.rows(0..n_rows) {
            let [gradient, hessian] = gradients[*row as usize];
            sums.gradient += f64::from(gradient);
            sums.hessian += f64::from(hessian);
        }
        let bits = |allowed: &[bool]| (0..).zip(allowed).fold(0, |mask, (bit, is)| mask | Mask::from(*is) << bit);
        let useful = allowed.chunks(LANES).map(bits).collect();
        let value = self.shape.limits.value(sums.gradient, sums.hessian);
        let mut leaf =
            Leaf { range: 0..n_rows, sums, depth: 0, value, best: None, banks: Vec::new(), useful, parent: None };
        if !self.can_divide(&leaf) || self.shape.num_leaves < 2 {
            return leaf;
        }
        leaf.banks = self.take_banks(&mut []);
        self.look_alone(&mut leaf, is_whole, gradients);
        leaf
    }

    /// Adds up a leaf and finds its best split. `is_whole`: its rows are all rows there are.
    fn look_alone(&mut self, leaf: &mut Leaf, is_whole: bool, gradients: &[[f32; 2]]) {
        let gathered = if is_whole { None } else { Some(self.gather(leaf.range.clone(), gradients)) };
        let (limits, sums) = (&self.shape.limits, leaf.sums);
        let rows = self.partition.rows(leaf.range.clone());
        let size = self.blocks_per_task();
        let tasks = leaf.banks.par_chunks_mut(size).zip(leaf.useful.par_chunks_mut(size)).enumerate();
        let found: Vec<Option<Split>> = tasks
            .with_max_len(1)
            .map(|(task, (banks, useful))| {
                let first = task * size;
                match &gathered {
                    None => self.add(banks, useful, first, None, gradients),
                    Some(gathered) => self.add(banks, useful, first, Some(rows), gathered),
                }
                let blocks = (first..).zip(banks.iter().zip(useful));
                let found = blocks.map(|(block, (bank, useful))| self.search(limits, bank, &sums, block, useful));
                found.fold(None, Split::better)
            })
            .collect();
        leaf.best = found.into_iter().fold(None, Split::better);
        self.gradients = gathered.unwrap_or_default();
    }

    /// The gradients of a leaf's rows, one behind the other.
    fn gather(&mut self, range: Range<usize>, gradients: &[[f32; 2]]) -> Vec<[f32; 2]> {
        let mut gathered = std::mem::take(&mut self.gradients);
        gathered.resize(range.len(), [0.0; 2]);
        let rows = self.partition.rows(range);
        let chunks = gathered.par_iter_mut().with_min_len(8192).zip(rows);
        chunks.for_each(|(to, row)| *to = gradients[*row as usize]);
        gathered
    }

    /// Divides a leaf: the left part keeps its place, the right part becomes the last leaf.
    fn divide(&mut self, leaves: &mut Vec<Leaf>, at: usize, split: &Split, tree: &mut Tree, gradients: &[[f32; 2]]) {
        let (block, lane, node) = (split.feature / LANES, split.feature % LANES, tree.nodes.len());
        let parent = &mut leaves[at];
        let Binned { bytes, n_blocks, .. } = self.binned;
        let is_left = |row: usize| bytes[row * n_blocks + block][lane] <= split.bin;
        let n_left = self.partition.divide(parent.range.clone(), is_left);
        let middle = parent.range.start + n_left;
        if n_left == 0 || n_left == parent.range.len() {
            // Rows were counted by second derivatives, and none is there: this leaf stays as it is.
            parent.best = None;
            return;
        }
        if let Some((of, is_right)) = parent.parent {
            let child = if is_right { &mut tree.nodes[of].right } else { &mut tree.nodes[of].left };
            *child = tree::split(node);
        }
        tree.nodes.push(Node {
            feature: self.binned.features[split.feature],
            threshold: self.binned.mappers[split.feature].limits[split.bin as usize],
            left: tree::leaf(at),
            right: tree::leaf(leaves.len()),
            gain: split.gain + self.shape.limits.min_gain_to_split,
        });
        let parent = &mut leaves[at];
        let values = self.shape.limits.values(split);
        let mut right = Leaf {
            range: middle..parent.range.end,
            sums: Sums { rows: parent.range.end - middle, ..split.right },
            depth: parent.depth + 1,
            value: values[1],
            best: None,
            banks: Vec::new(),
            useful: parent.useful.clone(),
            parent: Some((node, true)),
        };
        parent.range.end = middle;
        parent.sums = Sums { rows: n_left, ..split.left };
        parent.depth += 1;
        parent.value = values[0];
        parent.best = None;
        parent.parent = Some((node, false));
        if leaves.len() + 1 < self.shape.num_leaves && (self.can_divide(&leaves[at]) || self.can_divide(&right)) {
            let of_parent = std::mem::take(&mut leaves[at].banks);
            let spare = self.take_banks(leaves);
            let left = &mut leaves[at];
            let (smaller, larger) =
                if left.sums.rows < right.sums.rows { (left, &mut right) } else { (&mut right, left) };
            smaller.banks = spare;
            if of_parent.is_empty() {
                // They had to be given up: both parts are added up.
                self.look_alone(smaller, false, gradients);
                self.pool.push(std::mem::take(&mut smaller.banks));
                larger.banks = self.pool.pop().expect("one was put back");
                self.look_alone(larger, false, gradients);
            } else {
                larger.banks = of_parent;
                self.look(smaller, larger, gradients);
            }
            for leaf in [&mut leaves[at], &mut right] {
                if leaf.best.is_none() && !leaf.banks.is_empty() {
                    self.pool.push(std::mem::take(&mut leaf.banks));
                }
            }
        } else {
            self.pool.extend(Some(std::mem::take(&mut leaves[at].banks)).filter(|banks| !banks.is_empty()));
        }
        leaves.push(right);
    }

    /// Finds the best splits of two new leaves; `larger.banks` are those of their parent.
    fn look(&mut self, smaller: &mut Leaf, larger: &mut Leaf, gradients: &[[f32; 2]]) {
        let gathered = self.gather(smaller.range.clone(), gradients);
        let rows = self.partition.rows(smaller.range.clone());
        let (limits, sums, wanted) =
            (&self.shape.limits, [smaller.sums, larger.sums], [self.can_divide(smaller), self.can_divide(larger)]);
        let size = self.blocks_per_task();
        let parts = smaller.banks.par_chunks_mut(size).zip(smaller.useful.par_chunks_mut(size));
        let rests = larger.banks.par_chunks_mut(size).zip(larger.useful.par_chunks_mut(size));
        let found: Vec<[Option<Split>; 2]> = parts
            .zip(rests)
            .enumerate()
            .with_max_len(1)
            .map(|(task, ((parts, useful), (rests, useful_rests)))| {
                let first = task * size;
                self.add(parts, useful, first, Some(rows), &gathered);
                let mut best = [None, None];
                for (at, (part, rest)) in parts.iter().zip(rests).enumerate() {
                    if useful[at] == 0 {
                        continue;
                    }
                    subtract(rest, part, &self.n_bins[first + at]);
                    if wanted[0] {
                        best[0] =
                            Split::better(best[0], self.search(limits, part, &sums[0], first + at, &mut useful[at]));
                    }
                    if wanted[1] {
                        let found = self.search(limits, rest, &sums[1], first + at, &mut useful_rests[at]);
                        best[1] = Split::better(best[1], found);
                    }
                }
                best
            })
            .collect();
        for [part, rest] in found {
            smaller.best = Split::better(smaller.best, part);
            larger.best = Split::better(larger.best, rest);
        }
        self.gradients = gathered;
    }

    /// Neighbouring blocks of features go to one thread: a row's bytes come into its cache once.
    fn blocks_per_task(&self) -> usize {
        (self.binned.n_blocks / (2 * rayon::current_num_threads())).max(1)
    }

    /// Adds rows to the cleared histograms of the blocks from `first` on: these, or all.
    fn add(&self, banks: &mut [Bank], useful: &[Mask], first: usize, rows: Option<&[u32]>, gradients: &[[f32; 2]]) {
        for (bank, n_bins) in banks.iter_mut().zip(&self.n_bins[first..]) {
            clear(bank, n_bins);
        }
        let Binned { bytes, n_blocks, .. } = self.binned;
        for (tile, gradients) in gradients.chunks(TILE).enumerate() {
            let blocks = (first..).zip(banks.iter_mut().zip(useful)).filter(|(_, (_, useful))| **useful > 0);
            for (block, (bank, _)) in blocks {
                let block = Block { bytes, n_blocks: *n_blocks, at: block };
                match rows {
                    None => block.add_all(bank, tile * TILE, gradients),
                    Some(rows) => block.add_some(bank, &rows[tile * TILE..], gradients),
                }
            }
        }
    }

    /// The best split among the features in `useful`; strikes out those that have none.
    fn search(&self, limits: &Limits, bank: &Bank, sums: &Sums, block: usize, useful: &mut Mask) -> Option<Split> {
        let mut best = None;
        for (lane, (cells, n_bins)) in bank.iter().zip(&self.n_bins[block]).enumerate() {
            if *useful >> lane & 1 == 1 {
                let split = limits.best(&cells[..*n_bins], sums, block * LANES + lane);
                *useful &= !(Mask::from(split.is_none()) << lane);
                best = Split::better(best, split);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::bins::Binning;
    use super::*;
    use crate::data::dataset::Features;

    #[test]
    fn little_memory_grows_the_same_tree() {
        let matrix = Array2::from_shape_fn((2000, 20), |(i, j)| ((i * 37 + j * 101 + i * j * 3) % 97) as f32);
        let binned = Binned::new(&Features::Dense(matrix), &Binning::default(), 5, 1).unwrap();
        // Halves and quarters add up without rounding.
        let gradients: Vec<[f32; 2]> = (0..2000).map(|i| [((i * i + i / 7) % 13) as f32 / 4.0 - 1.5, 0.5]).collect();
        let limits = Limits { min_data_in_leaf: 5, ..Limits::default() };
        let shape = Shape { num_leaves: 60, max_depth: 0, limits };
        let mut trees = Vec::new();
        for most_banks in [1000, 4, 2] {
            let mut grower = Grower::new(&binned, shape);
            grower.most_banks = most_banks;
            let tree = grower.grow(&gradients, None, &vec![true; binned.features.len()]);
            assert!(grower.n_banks <= most_banks && grower.pool.len() == grower.n_banks);
            assert_eq!(grower.leaves().map(<[u32]>::len).sum::<usize>(), 2000);
            trees.push(tree);
        }
        assert_eq!(trees[0].values.len(), 60);
        assert!(trees.iter().all(|tree| *tree == trees[0]));
    }
}
