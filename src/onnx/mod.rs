//! ONNX files: building a graph, writing it, and running one with an independent runtime. Knows nothing of models.

mod file;
mod graph;
mod port;
mod run;
mod trees;

pub use file::{IR_VERSION, ML_OPSET, OPSET, about};
pub use graph::{Graph, Value};
pub use port::{Facts, Kind, Port};
pub use run::{Outputs, RUNTIME, Runtime, Tensor};
pub use trees::{Split, TreeNode, Trees};
