//! A graph that is built value by value: nodes, constants, one input, named outputs.
//!
//! The input is an f32 matrix `N × width` with a batch axis of free length, named `N`. Arithmetic inside is f64: a
//! model's own arithmetic is f64 too, so that the file and the model differ only where the result is rounded to f32
//! (6e-8 for probabilities), whatever the scale of the features. Values and nodes are numbered in the order in which
//! they are made, so the same calls give the same bytes. A neural network is f32 here as it is everywhere.
//!
//! Operators are those of `OPSET` that ONNX Runtime 1.31 has for f64 on a CPU and tract 0.23 runs: `MatMul`,
//! `Add`, `Sub`, `Mul`, `Div`, `Neg`, `Exp`, `Log`, `Sqrt`, `Reciprocal`, `Max`, `Min`, `ReduceSum`, `ReduceMax`,
//! `Concat`, `Gather`, `Expand`, `ArgMax`, `GreaterOrEqual`, `Cast`. `Sigmoid` and `Softmax` are written out with `Exp`:
//! tract has them for f32 only.

use prost::Message;
use tract_onnx::pb;

use super::file;
use super::port::{Facts, Kind, Port};
use super::trees::Trees;

/// A value of a graph: what a node gives, a constant, or the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

/// A graph under construction.
#[derive(Debug)]
pub struct Graph {
    input: Port,
    outputs: Vec<Port>,
    nodes: Vec<pb::NodeProto>,
    constants: Vec<pb::TensorProto>,
    values: usize,
}

impl Graph {
    /// A graph with one f32 input of this name, `N × width`.
    #[must_use]
    pub fn new(input: &str, width: usize) -> Self {
        let input = port(input, Kind::Float32, Some(width));
        Self { input, outputs: Vec::new(), nodes: Vec::new(), constants: Vec::new(), values: 0 }
    }

    /// The input.
    #[must_use]
    pub fn input(&self) -> Value {
        Value(self.input.name.clone())
    }

    /// The input's name, kind and shape.
    #[must_use]
    pub fn input_port(&self) -> &Port {
        &self.input
    }

    /// The outputs' names, kinds and shapes.
    #[must_use]
    pub fn output_ports(&self) -> &[Port] {
        &self.outputs
    }

    fn fresh(&mut self, what: &str) -> String {
        self.values += 1;
        format!("{what}_{}", self.values)
    }

    /// Adds a node with one output.
    fn node(&mut self, operator: &str, inputs: &[&Value], attributes: Vec<pb::AttributeProto>) -> Value {
        let output = self.fresh(&operator.to_lowercase());
        self.nodes.push(file::node("", operator, inputs.iter().map(|value| value.0.clone()), &[&output], attributes));
        Value(output)
    }

    fn constant(&mut self, tensor: impl FnOnce(String) -> pb::TensorProto) -> Value {
        let name = self.fresh("constant");
        self.constants.push(tensor(name.clone()));
        Value(name)
    }

    /// An f64 constant.
    ///
    /// # Panics
    /// When the shape does not hold the values.
    pub fn numbers(&mut self, shape: &[usize], values: &[f64]) -> Value {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "a shape holds its values");
        self.constant(|name| file::doubles(name, shape, values))
    }

    /// One f64 number.
    pub fn number(&mut self, value: f64) -> Value {
        self.numbers(&[], &[value])
    }

    /// An f32 constant.
    ///
    /// # Panics
    /// When the shape does not hold the values.
    pub fn singles(&mut self, shape: &[usize], values: &[f32]) -> Value {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "a shape holds its values");
        self.constant(|name| file::singles(name, shape, values))
    }

    fn integers(&mut self, values: &[i64]) -> Value {
        self.constant(|name| file::integers(name, values))
    }

    /// `operator` on one value, element by element: `Neg`, `Exp`, `Log`, `Sqrt`, `Reciprocal`; of f32 also `Relu`, `Erf`.
    pub fn unary(&mut self, operator: &str, value: &Value) -> Value {
        self.node(operator, &[value], Vec::new())
    }

    /// `operator` on two values that broadcast: `Add`, `Sub`, `Mul`, `Div`, `Max`, `Min`, `MatMul`.
    pub fn binary(&mut self, operator: &str, left: &Value, right: &Value) -> Value {
        self.node(operator, &[left, right], Vec::new())
    }

    /// The value as numbers of another kind.
    pub fn cast(&mut self, value: &Value, to: Kind) -> Value {
        self.node("Cast", &[value], vec![file::int("to", file::code(to))])
    }

    /// `value · weightsᵀ + constants`: `N × n` by `m × n` gives `N × m`. `weights` has `constants.len()` rows. As `MatMul`
    /// and `Add`: tract has `Gemm` for f32 only.
    pub fn affine(&mut self, value: &Value, weights: &[f64], constants: &[f64]) -> Value {
        let rows = constants.len();
        let columns = weights.len() / rows.max(1);
        let across: Vec<f64> =
            (0..columns).flat_map(|column| (0..rows).map(move |row| weights[row * columns + column])).collect();
        let weights = self.numbers(&[columns, rows], &across);
        let constants = self.numbers(&[rows], constants);
        let products = self.binary("MatMul", value, &weights);
        self.binary("Add", &products, &constants)
    }

    /// The sum of each row, `N × 1`.
    pub fn row_sums(&mut self, value: &Value) -> Value {
        let axis = self.integers(&[1]);
        self.node("ReduceSum", &[value, &axis], vec![file::int("keepdims", 1)])
    }

    /// The largest of each row, `N × 1`.
    pub fn row_maxima(&mut self, value: &Value) -> Value {
        self.node("ReduceMax", &[value], vec![file::ints("axes", &[1]), file::int("keepdims", 1)])
    }

    /// Columns side by side.
    pub fn beside(&mut self, values: &[Value]) -> Value {
        let values: Vec<&Value> = values.iter().collect();
        self.node("Concat", &values, vec![file::int("axis", 1)])
    }

    /// The same row for each row of the input, `N × row.len()`.
    pub fn same_row(&mut self, row: &[f64]) -> Value {
        let (input, first) = (self.input(), self.integers(&[0]));
        let shape = self.unary("Shape", &input);
        let rows = self.node("Gather", &[&shape, &first], vec![file::int("axis", 0)]);
        let width = self.integers(&[file::int64(row.len())]);
        let shape = self.node("Concat", &[&rows, &width], vec![file::int("axis", 0)]);
        let row = self.numbers(&[1, row.len()], row);
        self.node("Expand", &[&row, &shape], Vec::new())
    }

    /// Each row divided by its sum.
    pub fn normalised(&mut self, value: &Value) -> Value {
        let sums = self.row_sums(value);
        self.binary("Div", value, &sums)
    }

    /// The position of the largest value of each row, the first of equal ones, `N`.
    pub fn arg_max(&mut self, value: &Value) -> Value {
        self.node("ArgMax", &[value], vec![file::int("axis", 1), file::int("keepdims", 0)])
    }

    /// 1 where column `column` of a row is at least `least`, else 0, `N`, as integers.
    pub fn at_least(&mut self, value: &Value, column: usize, least: f64) -> Value {
        let column = self.constant(|name| file::integer(name, file::int64(column)));
        let picked = self.node("Gather", &[value, &column], vec![file::int("axis", 1)]);
        let least = self.number(least);
        let holds = self.binary("GreaterOrEqual", &picked, &least);
        self.cast(&holds, Kind::Int64)
    }

    /// The sum over the trees of the values of the leaves that a row of f32 features falls into, `N × k`, f64.
    pub fn trees(&mut self, features: &Value, trees: &Trees) -> Value {
        let (labels, sums) = (self.fresh("leaf"), self.fresh("sums"));
        let inputs = [features.0.clone()];
        let node = file::node("ai.onnx.ml", "TreeEnsembleClassifier", inputs, &[&labels, &sums], trees.attributes());
        self.nodes.push(node);
        self.cast(&Value(sums), Kind::Float64)
    }

    /// Makes a value an output of this name: `N × width`, or `N` without a width.
    pub fn output(&mut self, name: &str, value: &Value, kind: Kind, width: Option<usize>) {
        let inputs = [value.0.clone()];
        let (operator, attributes) = match kind {
            Kind::Float32 => ("Cast", vec![file::int("to", file::code(kind))]),
            _ => ("Identity", Vec::new()),
        };
        self.nodes.push(file::node("", operator, inputs, &[name], attributes));
        self.outputs.push(port(name, kind, width));
    }

    /// The file.
    #[must_use]
    pub fn bytes(self, facts: &Facts) -> Vec<u8> {
        let graph = pb::GraphProto {
            name: facts.name.clone(),
            node: self.nodes.into_iter().zip(1..).map(|(node, at): (_, usize)| file::with_name(node, at)).collect(),
            initializer: self.constants,
            input: vec![file::port(&self.input)],
            output: self.outputs.iter().map(file::port).collect(),
            ..pb::GraphProto::default()
        };
        file::model(graph, facts).encode_to_vec()
    }
}

fn port(name: &str, dtype: Kind, width: Option<usize>) -> Port {
    let shape = std::iter::once("N".to_owned()).chain(width.map(|width| width.to_string())).collect();
    Port { name: name.to_owned(), dtype, shape }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::array;

    use pb::tensor_shape_proto::dimension::Value::{DimParam, DimValue};

    use super::super::run::Runtime;
    use super::*;

    fn two_outputs() -> Vec<u8> {
        let mut graph = Graph::new("x", 2);
        let input = graph.input();
        let x = graph.cast(&input, Kind::Float64);
        let scores = graph.affine(&x, &[1.0, 2.0, -1.0, 0.5, 0.0, 1e6], &[0.25, 0.0, 3.0]);
        let most = graph.row_maxima(&scores);
        let gaps = graph.binary("Sub", &scores, &most);
        let class = graph.arg_max(&scores);
        let first = graph.at_least(&scores, 0, 0.25);
        let row = graph.same_row(&[0.5, 0.125]);
        graph.output("gaps", &gaps, Kind::Float32, Some(3));
        graph.output("class", &class, Kind::Int64, None);
        graph.output("first", &first, Kind::Int64, None);
        graph.output("row", &row, Kind::Float32, Some(2));
        let metadata = BTreeMap::from([("key".to_owned(), "값".to_owned())]);
        graph.bytes(&Facts { name: "two".into(), version: 3, about: "a test".into(), metadata })
    }

    #[test]
    fn the_file_reads_back_with_names_versions_and_a_free_batch_axis() {
        let bytes = two_outputs();
        assert_eq!(bytes, two_outputs());
        let model = pb::ModelProto::decode(bytes.as_slice()).unwrap();
        let opsets: Vec<_> = model.opset_import.iter().map(|one| (one.domain.as_str(), one.version)).collect();
        assert_eq!(opsets, [("", 17), ("ai.onnx.ml", 3)]);
        assert_eq!((model.ir_version, model.producer_name.as_str(), model.model_version), (8, "mlops", 3));
        assert_eq!(model.metadata_props[0].value, "값");
        let graph = model.graph.unwrap();
        let names = |ports: &[pb::ValueInfoProto]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&graph.input), ["x"]);
        assert_eq!(names(&graph.output), ["gaps", "class", "first", "row"]);
        let Some(pb::type_proto::Value::TensorType(tensor)) = graph.input[0].r#type.clone().unwrap().value else {
            unreachable!("the input is a tensor");
        };
        let dims: Vec<_> = tensor.shape.unwrap().dim.into_iter().map(|dim| dim.value.unwrap()).collect();
        assert_eq!(dims, [DimParam("N".into()), DimValue(2)]);
    }

    #[test]
    fn arithmetic_by_hand() {
        let runtime = Runtime::new(&two_outputs()).unwrap();
        // Scores: (0.25, 0, 3), (1.25, -1, 3), (-1.75, 2 - 0.5, 3 - 1e6).
        let outputs = runtime.run(&array![[0.0, 0.0], [1.0, 0.0], [-1.0 / 1.0, -1.0]]).unwrap();
        let gaps = outputs["gaps"].floats().unwrap();
        // The third row: 0.25 - 1 - 2 = -2.75, 1 - 0.5 = 0.5, 3 - 1e6.
        assert_eq!(gaps, &array![[-2.75, -3.0, 0.0], [-1.75, -4.0, 0.0], [-3.25, 0.0, -999_997.5]]);
        assert_eq!(outputs["class"].integers().unwrap(), [2, 2, 1]);
        assert_eq!(outputs["first"].integers().unwrap(), [1, 1, 0]);
        assert_eq!(outputs["row"].floats().unwrap(), &array![[0.5, 0.125], [0.5, 0.125], [0.5, 0.125]]);
        assert_eq!(runtime.run(&array![[0.0, 0.0]]).unwrap()["class"].integers().unwrap(), [2]);
        let wide = runtime.run(&array![[0.0, 0.0, 0.0]]).unwrap_err();
        assert_eq!(wide.message, "expected 2 columns, got 3");
    }
}
