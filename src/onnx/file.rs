//! The file's own forms (protobuf messages) and the versions that are written.
//!
//! Opset 17 with IR 8 is what ONNX Runtime reads since 1.12 (2022) and tract 0.23 is tested with (9 to 18); version 3 of
//! `ai.onnx.ml` is the newest that both run.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

use super::port::{Facts, Kind, Port};

/// The version of the operators of the domain `ai.onnx`.
pub const OPSET: i64 = 17;
/// The version of the operators of the domain `ai.onnx.ml`.
pub const ML_OPSET: i64 = 3;
/// The version of the file format.
pub const IR_VERSION: i64 = 8;

/// A position or a length as the file writes it.
pub(super) fn int64(size: usize) -> i64 {
    i64::try_from(size).expect("what fits into memory fits into 63 bits")
}

pub(super) fn code(kind: Kind) -> i64 {
    i64::from(match kind {
        Kind::Float32 => DataType::Float as i32,
        Kind::Float64 => DataType::Double as i32,
        Kind::Int64 => DataType::Int64 as i32,
    })
}

fn attribute(name: &str, r#type: AttributeType) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: r#type as i32, ..pb::AttributeProto::default() }
}

pub(super) fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto { i: value, ..attribute(name, AttributeType::Int) }
}

pub(super) fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn floats(name: &str, values: Vec<f32>) -> pb::AttributeProto {
    pb::AttributeProto { floats: values, ..attribute(name, AttributeType::Floats) }
}

pub(super) fn strings<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> pb::AttributeProto {
    let strings = values.map(|value| value.as_bytes().to_vec()).collect();
    pb::AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

pub(super) fn string(name: &str, value: &str) -> pb::AttributeProto {
    pb::AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub(super) fn node(
    domain: &str,
    operator: &str,
    inputs: impl IntoIterator<Item = String>,
    outputs: &[&str],
    attribute: Vec<pb::AttributeProto>,
) -> pb::NodeProto {
    pb::NodeProto {
        input: inputs.into_iter().collect(),
        output: outputs.iter().map(|name| (*name).to_owned()).collect(),
        op_type: operator.to_owned(),
        domain: domain.to_owned(),
        attribute,
        ..pb::NodeProto::default()
    }
}

/// The node with a name: runtimes use it in their messages.
pub(super) fn with_name(node: pb::NodeProto, at: usize) -> pb::NodeProto {
    pb::NodeProto { name: format!("{}_{at}", node.op_type), ..node }
}

fn tensor(name: String, dims: Vec<i64>, kind: DataType, raw_data: Vec<u8>) -> pb::TensorProto {
    pb::TensorProto { name, dims, data_type: kind as i32, raw_data, ..pb::TensorProto::default() }
}

pub(super) fn doubles(name: String, shape: &[usize], values: &[f64]) -> pb::TensorProto {
    let dims = shape.iter().map(|dim| int64(*dim)).collect();
    tensor(name, dims, DataType::Double, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

pub(super) fn singles(name: String, shape: &[usize], values: &[f32]) -> pb::TensorProto {
    let dims = shape.iter().map(|dim| int64(*dim)).collect();
    tensor(name, dims, DataType::Float, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

pub(super) fn integers(name: String, values: &[i64]) -> pb::TensorProto {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, vec![int64(values.len())], DataType::Int64, bytes)
}

pub(super) fn integer(name: String, value: i64) -> pb::TensorProto {
    tensor(name, Vec::new(), DataType::Int64, value.to_le_bytes().to_vec())
}

pub(super) fn port(port: &Port) -> pb::ValueInfoProto {
    let dimension = |text: &String| {
        let value = match text.parse() {
            Ok(number) => dimension::Value::DimValue(number),
            Err(_) => dimension::Value::DimParam(text.clone()),
        };
        Dimension { value: Some(value), ..Dimension::default() }
    };
    let shape = pb::TensorShapeProto { dim: port.shape.iter().map(dimension).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: code(port.dtype) as i32, shape: Some(shape) };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    pb::ValueInfoProto {
        name: port.name.clone(),
        r#type: Some(pb::TypeProto { value, ..pb::TypeProto::default() }),
        ..pb::ValueInfoProto::default()
    }
}

pub(super) fn model(graph: pb::GraphProto, facts: &Facts) -> pb::ModelProto {
    let opset = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.to_owned(), version };
    let property =
        |(key, value): (&String, &String)| pb::StringStringEntryProto { key: key.clone(), value: value.clone() };
    pb::ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![opset("", OPSET), opset("ai.onnx.ml", ML_OPSET)],
        producer_name: "mlops".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        model_version: facts.version,
        doc_string: facts.about.clone(),
        metadata_props: facts.metadata.iter().map(property).collect(),
        graph: Some(graph),
        ..pb::ModelProto::default()
    }
}

/// What a file says of itself in `metadata_props`; none when the bytes are no ONNX file.
#[must_use]
pub fn about(bytes: &[u8]) -> Option<std::collections::BTreeMap<String, String>> {
    let model = pb::ModelProto::decode(bytes).ok()?;
    Some(model.metadata_props.into_iter().map(|property| (property.key, property.value)).collect())
}
