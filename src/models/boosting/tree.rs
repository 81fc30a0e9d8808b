//! A fitted tree: splits in the order in which they were found, and the values of the leaves.
//!
//! A row goes left when `row[feature] <= threshold`. A child that is not negative is a split; `!child` is a leaf.

/// A split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// The column that is asked.
    pub feature: u32,
    /// Values up to this one go left.
    pub threshold: f32,
    /// Left child.
    pub left: i32,
    /// Right child.
    pub right: i32,
    /// What the split gained.
    pub gain: f64,
}

/// The split of this number as a child.
#[must_use]
pub fn split(number: usize) -> i32 {
    i32::try_from(number).expect("a tree has at most 32768 leaves")
}

/// The leaf of this number as a child.
#[must_use]
pub fn leaf(number: usize) -> i32 {
    !split(number)
}

/// A tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// The splits; the first is the root.
    pub nodes: Vec<Node>,
    /// Values of the leaves, learning rate included; one more than splits.
    pub values: Vec<f64>,
}

impl Tree {
    /// The leaf of a row whose features `value` gives.
    #[must_use]
    pub fn leaf(&self, value: impl Fn(usize) -> f32) -> usize {
        let mut at = if self.nodes.is_empty() { !0 } else { 0 };
        while let Ok(node) = usize::try_from(at) {
            let node = &self.nodes[node];
            at = if value(node.feature as usize) <= node.threshold { node.left } else { node.right };
        }
        !at as usize
    }

    /// The longest path from the root to a leaf, in splits.
    #[must_use]
    pub fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        let mut deepest = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            deepest = deepest.max(depths[at] + 1);
            for child in [node.left, node.right] {
                if let Ok(child) = usize::try_from(child) {
                    depths[child] = depths[at] + 1;
                }
            }
        }
        deepest
    }

    /// True when every path ends in a leaf that has a value: what a damaged file may break.
    #[must_use]
    pub fn is_sound(&self, n_features: usize) -> bool {
        // Children lie behind their parent, so every walk ends.
        let child = |at: usize, child: i32| match usize::try_from(child) {
            Ok(child) => child > at && child < self.nodes.len(),
            Err(_) => (!child as usize) < self.values.len(),
        };
        self.values.len() == self.nodes.len() + 1
            && self.values.iter().all(|value| value.is_finite())
            && self.nodes.iter().enumerate().all(|(at, node)| {
                (node.feature as usize) < n_features
                    && !node.threshold.is_nan()
                    && child(at, node.left)
                    && child(at, node.right)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let node = |feature, threshold, left, right| Node { feature, threshold, left, right, gain: 1.0 };
        Tree { nodes: vec![node(0, 0.5, !0, 1), node(2, -1.0, !1, !2)], values: vec![1.0, 2.0, 4.0] }
    }

    #[test]
    fn rows_find_their_leaves() {
        let leaf = |row: [f32; 3]| tree().leaf(|feature| row[feature]);
        assert_eq!([leaf([0.5, 0.0, 9.0]), leaf([0.6, 0.0, -1.0]), leaf([0.6, 0.0, -0.9])], [0, 1, 2]);
        assert_eq!(Tree { nodes: Vec::new(), values: vec![3.0] }.leaf(|_| 0.0), 0);
        assert_eq!(tree().depth(), 2);
    }

    #[test]
    fn damage_is_seen() {
        assert!(tree().is_sound(3));
        assert!(!tree().is_sound(2));
        for damage in [
            |tree: &mut Tree| tree.nodes[1].left = 1,
            |tree: &mut Tree| tree.nodes[0].right = 2,
            |tree: &mut Tree| tree.nodes[1].right = !3,
            |tree: &mut Tree| tree.values[1] = f64::NAN,
            |tree: &mut Tree| tree.nodes[0].threshold = f32::NAN,
            |tree: &mut Tree| tree.values.truncate(2),
        ] {
            let mut damaged = tree();
            damage(&mut damaged);
            assert!(!damaged.is_sound(3));
        }
    }
}
