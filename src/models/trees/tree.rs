//! A fitted tree as one flat array in preorder.
//!
//! The left child of node `i` is node `i + 1`, so a node stores only its right child. A row goes left when
//! `row[feature] <= threshold`. Thresholds are f32: the midpoint of two neighbouring training values, rounded down,
//! decides every f32 value exactly as scikit-learn's f64 midpoint does.

/// Marks a leaf in `Node::feature`.
const LEAF: u32 = u32::MAX;

/// One node: a split, or a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// The column that is asked; `u32::MAX` in a leaf.
    pub feature: u32,
    /// Rows with a value of at most this go left.
    pub threshold: f32,
    /// The right child; in a leaf, its position among the leaves.
    pub next: u32,
}

impl Node {
    /// A leaf, the `position`-th of its tree.
    #[must_use]
    pub fn leaf(position: usize) -> Self {
        Self { feature: LEAF, threshold: 0.0, next: position as u32 }
    }

    /// True for a leaf.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.feature == LEAF
    }
}

/// A fitted tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// The nodes in preorder.
    pub nodes: Vec<Node>,
    /// Class probabilities of the leaves, `n_leaves × n_classes`.
    pub values: Vec<f64>,
}

impl Tree {
    /// The position among the leaves of the one that `row` falls into.
    #[must_use]
    pub fn leaf_of(&self, row: &[f32]) -> usize {
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            if node.is_leaf() {
                return node.next as usize;
            }
            at = if row[node.feature as usize] <= node.threshold { at + 1 } else { node.next as usize };
        }
    }

    /// Number of leaves.
    #[must_use]
    pub fn n_leaves(&self) -> usize {
        self.nodes.len().div_ceil(2)
    }

    /// The longest path from the root to a leaf, in splits.
    #[must_use]
    pub fn depth(&self) -> usize {
        let mut depths = vec![0_usize; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
            depths[at + 1] = depths[at] + 1;
            depths[node.next as usize] = depths[at] + 1;
        }
        depths.into_iter().max().unwrap_or_default()
    }

    /// True when every path ends in a leaf that has a value: what a damaged file may break.
    #[must_use]
    pub fn is_sound(&self, n_features: usize, n_classes: usize) -> bool {
        let (n_nodes, n_leaves) = (self.nodes.len(), self.values.len() / n_classes.max(1));
        let sound = |(at, node): (usize, &Node)| {
            let next = node.next as usize;
            if node.is_leaf() {
                return next < n_leaves;
            }
            // Children lie behind their parent, so every walk ends.
            (node.feature as usize) < n_features && at + 1 < n_nodes && at < next && next < n_nodes
        };
        n_nodes > 0 && self.values.len() == n_leaves * n_classes && self.nodes.iter().enumerate().all(sound)
    }
}
