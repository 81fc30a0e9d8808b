//! Trees as the operator `TreeEnsembleClassifier` (ai.onnx.ml 3) takes them: parallel lists over all nodes, and one
//! weight for each leaf and class.
//!
//! A row goes to the first child when `row[feature] <= threshold`, in f32. The operator adds up the leaves in f32: a leaf
//! of one class only has the weights 0 and 1, and sums of those are exact. Its own label output is not used: the decision
//! has a threshold and a rule for ties of its own. (`TreeEnsembleRegressor` would say the same more plainly; tract does
//! not have it.)

use tract_onnx::pb;

use super::file::{floats, int64, ints, string, strings};

/// A question: rows with at most `threshold` in `feature` go to the node `yes`, others to `no`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The column.
    pub feature: usize,
    /// The largest value that goes to `yes`.
    pub threshold: f32,
    /// The position of a node in the same tree.
    pub yes: usize,
    /// The position of a node in the same tree.
    pub no: usize,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeNode {
    /// A question.
    Split(Split),
    /// What a row that ends here adds, one value a class.
    Leaf(Vec<f64>),
}

/// Trees whose leaves have one value for each of at least two classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    n_classes: usize,
    trees: Vec<Vec<TreeNode>>,
}

impl Trees {
    /// Puts trees together; the first node of each is its root.
    ///
    /// # Panics
    /// With fewer than two classes: the operator takes one class for a shorthand of two.
    #[must_use]
    pub fn new(n_classes: usize, trees: Vec<Vec<TreeNode>>) -> Self {
        assert!(n_classes > 1, "the operator is defined for two classes and more");
        Self { n_classes, trees }
    }

    pub(super) fn attributes(&self) -> Vec<pb::AttributeProto> {
        let count = self.trees.iter().map(Vec::len).sum();
        let fresh = || Vec::<i64>::with_capacity(count);
        let (mut tree_of, mut id, mut feature, mut yes, mut no) = (fresh(), fresh(), fresh(), fresh(), fresh());
        let (mut threshold, mut mode) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut leaf_tree, mut leaf_node, mut leaf_class, mut weight) = (fresh(), fresh(), fresh(), Vec::new());
        for (tree, nodes) in self.trees.iter().enumerate() {
            for (at, node) in nodes.iter().enumerate() {
                tree_of.push(int64(tree));
                id.push(int64(at));
                let split = match node {
                    TreeNode::Split(split) => {
                        mode.push("BRANCH_LEQ");
                        *split
                    }
                    TreeNode::Leaf(values) => {
                        mode.push("LEAF");
                        for (class, value) in values.iter().enumerate() {
                            leaf_tree.push(int64(tree));
                            leaf_node.push(int64(at));
                            leaf_class.push(int64(class));
                            weight.push(*value as f32);
                        }
                        Split { feature: 0, threshold: 0.0, yes: 0, no: 0 }
                    }
                };
                feature.push(int64(split.feature));
                threshold.push(split.threshold);
                yes.push(int64(split.yes));
                no.push(int64(split.no));
            }
        }
        let labels: Vec<i64> = (0..self.n_classes).map(int64).collect();
        let missing = vec![0; tree_of.len()];
        vec![
            ints("class_ids", &leaf_class),
            ints("class_nodeids", &leaf_node),
            ints("class_treeids", &leaf_tree),
            floats("class_weights", weight),
            ints("classlabels_int64s", &labels),
            ints("nodes_falsenodeids", &no),
            ints("nodes_featureids", &feature),
            ints("nodes_missing_value_tracks_true", &missing),
            strings("nodes_modes", mode.into_iter()),
            ints("nodes_nodeids", &id),
            ints("nodes_treeids", &tree_of),
            ints("nodes_truenodeids", &yes),
            floats("nodes_values", threshold),
            string("post_transform", "NONE"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::graph::Graph;
    use super::super::port::{Facts, Kind};
    use super::super::run::Runtime;
    use super::*;

    #[test]
    fn a_row_on_the_threshold_goes_to_yes_and_leaves_add_up() {
        let split = |feature, threshold, yes, no| TreeNode::Split(Split { feature, threshold, yes, no });
        let leaf = |values: [f64; 3]| TreeNode::Leaf(values.to_vec());
        let first = vec![
            split(1, 0.1, 1, 2),
            leaf([1.0, 0.0, 0.0]),
            split(0, -3.5, 3, 4),
            leaf([0.0, 0.25, 0.75]),
            leaf([0.0, 1.0, 0.0]),
        ];
        // A tree without a question.
        let second = vec![leaf([0.0, 0.0, 1.0])];
        let mut graph = Graph::new("x", 2);
        let input = graph.input();
        let sums = graph.trees(&input, &Trees::new(3, vec![first, second]));
        graph.output("sums", &sums, Kind::Float32, Some(3));
        let runtime = Runtime::new(&graph.bytes(&Facts::default())).unwrap();
        let above = f32::from_bits(0.1_f32.to_bits() + 1);
        let rows = array![[0.0, 0.1], [-3.5, above], [-3.4, above], [0.0, f32::NEG_INFINITY]];
        let expected = array![[1.0, 0.0, 1.0], [0.0, 0.25, 1.75], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]];
        assert_eq!(runtime.run(&rows).unwrap()["sums"].floats().unwrap(), &expected);
    }
}
