//! Grows one tree: depth first, the best split of every node found exactly.
//!
//! The meaning is that of scikit-learn 1.9.1 (`splitter="best"`): features are drawn without replacement until
//! `max_features` of them, and at least one that is not constant in the node, were seen; features known to be constant
//! are not looked at again further down; neighbouring values at most 1e-7 apart are one; thresholds are midpoints;
//! `min_samples_*` count the distinct rows of the sample; the first of equally good splits in drawing order wins.
//!
//! A node is sorted along a feature through the codes of `columns`: its rows mark a bitmap, which is then read from
//! left to right, n + N/64 steps in place of n·log n comparisons. In a small node every row counts the codes below
//! its own: n² comparisons, but without a branch that could be mispredicted, and several at a time.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::columns::{Code, Columns, same};
use super::impurity::{BinaryGini, Criterion, Entropy, Gini, Impurity};
use super::tree::{Node, Tree};
use crate::error::Result;

/// Nodes of at most so many rows are sorted by counting.
const SMALL: usize = 64;

/// In `Sample::kinds_of_rows`: the row is not in the sample.
pub const ABSENT: u32 = u32::MAX;

/// When a node becomes a leaf, and how many features it may look at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Impurity.
    pub criterion: Criterion,
    /// The longest path, in splits.
    pub max_depth: usize,
    /// A node with fewer rows is a leaf.
    pub min_samples_split: usize,
    /// Every child has at least so many rows.
    pub min_samples_leaf: usize,
    /// Features to look at per node.
    pub max_features: usize,
}

/// What rows of one kind share: their class, and their weight (multiplicity × class weight).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// The class.
    pub class: u32,
    /// The weight.
    pub weight: f64,
}

/// The rows that a tree learns from. There are few kinds: they stay in the nearest cache.
#[derive(Debug)]
pub struct Sample {
    /// Index into `kinds` for each row, or `ABSENT`.
    pub kinds_of_rows: Vec<u32>,
    /// The kinds.
    pub kinds: Vec<Kind>,
    /// Number of classes.
    pub n_classes: usize,
}

/// A tree, and the decrease of impurity that each feature brought (adds up to 1; all 0 for a single leaf).
pub type Grown = (Tree, Vec<f64>);

/// Grows a tree. `check` is asked at every node whether to go on.
///
/// # Errors
/// What `check` says.
pub fn grow<C: Code>(
    columns: &Columns<C>,
    sample: &Sample,
    limits: &Limits,
    random: Pcg64,
    check: &dyn Fn() -> Result<()>,
) -> Result<Grown> {
    match limits.criterion {
        Criterion::Gini if sample.n_classes == 2 => {
            Grower::<C, BinaryGini>::new(columns, sample, limits, random).run(check)
        }
        Criterion::Gini => Grower::<C, Gini>::new(columns, sample, limits, random).run(check),
        Criterion::Entropy => Grower::<C, Entropy>::new(columns, sample, limits, random).run(check),
    }
}

/// A node that waits for its turn: rows `start..end`.
struct Waiting {
    start: usize,
    end: usize,
    depth: usize,
    n_constant: usize,
    right_of: Option<usize>,
}

/// The best split found so far.
struct Split {
    gain: f64,
    feature: u32,
    /// Rows up to this code go left.
    code: u32,
    n_left: usize,
    threshold: f32,
}

/// A row in a sorted node.
#[derive(Clone, Copy, Default)]
struct Key {
    code: u32,
    kind: u32,
}

impl Key {
    fn rank(self) -> usize {
        (self.code >> 1) as usize
    }

    /// True when the row before it in the column, in the node or not, may have an equal value.
    fn is_close(self) -> bool {
        self.code & 1 == 1
    }
}

struct Grower<'a, C, I> {
    columns: &'a Columns<C>,
    sample: &'a Sample,
    limits: &'a Limits,
    random: Pcg64,
    /// The rows of the sample; every node owns a range, ascending within it.
    rows: Vec<u32>,
    spare: Vec<u32>,
    /// All features; the first ones are known to be constant on the way to the present node.
    features: Vec<u32>,
    /// Code and kind of the node's rows, sorted along the feature in hand.
    keys: Vec<Key>,
    /// One bit per rank; all 0 between uses.
    marks: Vec<u64>,
    key_at_rank: Vec<Key>,
    /// The codes of a small node.
    small: Vec<i32>,
    totals: Vec<f64>,
    state: I,
}

impl<'a, C: Code, I: Impurity> Grower<'a, C, I> {
    fn new(columns: &'a Columns<C>, sample: &'a Sample, limits: &'a Limits, random: Pcg64) -> Self {
        let present = sample.kinds_of_rows.iter().enumerate().filter(|(_, kind)| **kind != ABSENT);
        let rows: Vec<u32> = present.map(|(row, _)| row as u32).collect();
        Self {
            columns,
            sample,
            limits,
            random,
            spare: Vec::with_capacity(rows.len()),
            keys: Vec::with_capacity(rows.len()),
            rows,
            features: (0..columns.n_features as u32).collect(),
            marks: vec![0; columns.n_rows.div_ceil(64)],
            key_at_rank: vec![Key::default(); columns.n_rows],
            small: Vec::with_capacity(SMALL),
            totals: vec![0.0; sample.n_classes],
            state: I::new(sample.n_classes),
        }
    }

    fn run(mut self, check: &dyn Fn() -> Result<()>) -> Result<Grown> {
        let mut tree = Tree::default();
        // Weight × impurity of each node: what the importances are made of.
        let mut masses = Vec::new();
        let mut waiting = vec![Waiting { start: 0, end: self.rows.len(), depth: 0, n_constant: 0, right_of: None }];
        while let Some(mut node) = waiting.pop() {
            check()?;
            let at = tree.nodes.len();
            if let Some(parent) = node.right_of {
                tree.nodes[parent].next = at as u32;
            }
            self.total(node.start..node.end);
            let (weight, impurity) = (self.totals.iter().sum::<f64>(), I::of(&self.totals));
            masses.push(weight * impurity);
            let n_rows = node.end - node.start;
            let is_leaf = node.depth >= self.limits.max_depth
                || n_rows < self.limits.min_samples_split
                || n_rows < 2 * self.limits.min_samples_leaf
                || impurity <= f64::EPSILON;
            let Some(split) = (if is_leaf { None } else { self.best_split(&mut node) }) else {
                tree.nodes.push(Node::leaf(tree.values.len() / self.sample.n_classes));
                tree.values.extend(self.totals.iter().map(|total| total / weight));
                continue;
            };
            tree.nodes.push(Node { feature: split.feature, threshold: split.threshold, next: 0 });
            self.partition(&node, &split);
            let (middle, depth, n_constant) = (node.start + split.n_left, node.depth + 1, node.n_constant);
            waiting.push(Waiting { start: middle, end: node.end, depth, n_constant, right_of: Some(at) });
            waiting.push(Waiting { start: node.start, end: middle, depth, n_constant, right_of: None });
        }
        let importance = importance(&tree, &masses, self.columns.n_features);
        Ok((tree, importance))
    }

    /// Adds up the class weights of these rows.
    fn total(&mut self, range: std::ops::Range<usize>) {
        self.totals.fill(0.0);
        for row in &self.rows[range] {
            let kind = self.sample.kinds[self.sample.kinds_of_rows[*row as usize] as usize];
            self.totals[kind.class as usize] += kind.weight;
        }
    }

    /// Draws features and keeps the best split; none when no feature can be split.
    fn best_split(&mut self, node: &mut Waiting) -> Option<Split> {
        let n_known = node.n_constant;
        // `features`: [known constants | found constants | not drawn yet | drawn]. Of the known constants only their
        // number matters for the draw, so they stay where they are, for this node's sibling.
        let (mut n_drawn_known, mut n_found, mut undrawn_end) = (0, 0, self.features.len());
        let (mut n_seen, mut best) = (0, None);
        while undrawn_end > n_known + n_found
            && (n_seen < self.limits.max_features || n_seen <= n_found + n_drawn_known)
        {
            n_seen += 1;
            let draw = self.random.random_range(n_drawn_known as u64..(undrawn_end - n_found) as u64) as usize;
            if draw < n_known {
                n_drawn_known += 1;
                continue;
            }
            let place = draw + n_found;
            let feature = self.features[place];
            self.sort(node, feature as usize);
            let ends = [self.keys[0], self.keys[self.keys.len() - 1]];
            let [low, high] = ends.map(|key| self.columns.values(feature as usize)[key.rank()]);
            if same(low, high) {
                self.features.swap(place, n_known + n_found);
                n_found += 1;
                continue;
            }
            undrawn_end -= 1;
            self.features.swap(place, undrawn_end);
            self.scan(feature, &mut best);
        }
        node.n_constant = n_known + n_found;
        best
    }

    /// Fills `keys` with the node's rows in the order of the feature.
    fn sort(&mut self, node: &Waiting, feature: usize) {
        let codes = self.columns.codes(feature);
        let rows = &self.rows[node.start..node.end];
        let kinds = &self.sample.kinds_of_rows;
        self.keys.clear();
        if rows.len() <= SMALL {
            self.small.clear();
            self.small.extend(rows.iter().map(|row| codes[*row as usize].into().cast_signed()));
            self.keys.resize(rows.len(), Key::default());
            for (row, code) in rows.iter().zip(&self.small) {
                let below: i32 = self.small.iter().map(|other| i32::from(other < code)).sum();
                self.keys[below as usize] = Key { code: code.cast_unsigned(), kind: kinds[*row as usize] };
            }
            return;
        }
        for row in rows {
            let row = *row as usize;
            let key = Key { code: codes[row].into(), kind: kinds[row] };
            self.marks[key.rank() / 64] |= 1 << (key.rank() % 64);
            self.key_at_rank[key.rank()] = key;
        }
        for (marks, keys) in self.marks.iter_mut().zip(self.key_at_rank.chunks(64)) {
            while *marks != 0 {
                self.keys.push(keys[marks.trailing_zeros() as usize]);
                *marks &= *marks - 1;
            }
        }
    }

    /// Tries every place between two distinct values of the sorted node.
    fn scan(&mut self, feature: u32, best: &mut Option<Split>) {
        let values = self.columns.values(feature as usize);
        let least = self.limits.min_samples_leaf;
        let mut best_gain = best.as_ref().map_or(f64::NEG_INFINITY, |split| split.gain);
        let mut found = None;
        self.state.reset(&self.totals);
        for (place, pair) in (1..=self.keys.len() - least).zip(self.keys.windows(2)) {
            let kind = self.sample.kinds[pair[0].kind as usize];
            self.state.shift(kind.class as usize, kind.weight);
            let gain = self.state.gain();
            // Not finite when rounding ate the whole weight of a side.
            if gain > best_gain
                && place >= least
                && gain.is_finite()
                && !(pair[1].is_close() && same(values[pair[0].rank()], values[pair[1].rank()]))
            {
                best_gain = gain;
                found = Some(place);
            }
        }
        if let Some(place) = found {
            let [left, right] = [self.keys[place - 1], self.keys[place]];
            let threshold = midpoint(values[left.rank()], values[right.rank()]);
            *best = Some(Split { gain: best_gain, feature, code: left.code, n_left: place, threshold });
        }
    }

    /// Moves the rows that go left to the front, both sides in their old order.
    fn partition(&mut self, node: &Waiting, split: &Split) {
        let codes = self.columns.codes(split.feature as usize);
        let rows = &mut self.rows[node.start..node.end];
        self.spare.clear();
        let mut n_left = 0;
        for at in 0..rows.len() {
            let row = rows[at];
            if codes[row as usize].into() <= split.code {
                rows[n_left] = row;
                n_left += 1;
            } else {
                self.spare.push(row);
            }
        }
        rows[n_left..].copy_from_slice(&self.spare);
    }
}

/// The midpoint rounded down: at least `left` and below `right`.
fn midpoint(left: f32, right: f32) -> f32 {
    let exact = f64::midpoint(f64::from(left), f64::from(right));
    let rounded = exact as f32;
    if f64::from(rounded) > exact { rounded.next_down() } else { rounded }
}

/// Mean decrease in impurity, normalised to 1.
fn importance(tree: &Tree, masses: &[f64], n_features: usize) -> Vec<f64> {
    let mut importance = vec![0.0; n_features];
    for (at, node) in tree.nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
        importance[node.feature as usize] += masses[at] - masses[at + 1] - masses[node.next as usize];
    }
    let sum: f64 = importance.iter().sum();
    if sum > 0.0 {
        for value in &mut importance {
            *value /= sum;
        }
    }
    importance
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn both_ways_of_sorting_sort() {
        // 400 rows with many ties; 3 and 64 rows are counted, 65 and 400 go through the bitmap.
        let matrix = Array2::from_shape_fn((400, 1), |(row, _)| (row * 7919 % 149) as f32 - 70.0);
        let columns = Columns::<u32>::new(&matrix);
        let kinds_of_rows = (0..400).collect();
        let sample = Sample { kinds_of_rows, kinds: vec![Kind { class: 0, weight: 1.0 }; 400], n_classes: 2 };
        let limits = Limits {
            criterion: Criterion::Gini,
            max_depth: 1,
            min_samples_split: 2,
            min_samples_leaf: 1,
            max_features: 1,
        };
        let mut grower = Grower::<u32, Gini>::new(&columns, &sample, &limits, Pcg64::new(0, 0));
        for (start, end) in [(7, 10), (100, 164), (90, 155), (0, 400)] {
            grower.sort(&Waiting { start, end, depth: 0, n_constant: 0, right_of: None }, 0);
            let mut expected: Vec<usize> = (start..end).collect();
            expected.sort_by(|left, right| matrix[[*left, 0]].total_cmp(&matrix[[*right, 0]]));
            assert!(grower.keys.iter().map(|key| key.kind as usize).eq(expected), "{start}..{end}");
        }
    }

    #[test]
    fn thresholds_decide_as_the_exact_midpoint_does() {
        let pairs = [(1.0, 2.0), (1.0, 1.0_f32.next_up()), (-3.0, (-3.0_f32).next_up()), (-1e30, 1e30), (0.1, 0.7)];
        for (left, right) in pairs {
            let (threshold, exact) = (midpoint(left, right), f64::from(left) / 2.0 + f64::from(right) / 2.0);
            assert!(left <= threshold && threshold < right);
            // The largest f32 that is not above the exact midpoint.
            assert!(f64::from(threshold) <= exact && f64::from(threshold.next_up()) > exact, "{left} {right}");
        }
    }
}
