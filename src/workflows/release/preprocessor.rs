//! `preprocessor.json`: how raw rows become the input of an exported graph, and what its outputs mean.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::onnx::Port;
use crate::project::Located;
use crate::tasks::kind_of;

/// The document of a version whose graph has these ports.
pub(super) fn document(bundle: &Bundle, located: &Located, inputs: &[Port], outputs: &[Port]) -> Value {
    let (schema, outside) = (&bundle.schema, bundle.features.outside());
    let steps = bundle.features.configs();
    let kinds: Vec<&str> = steps.iter().map(|step| step.kind.as_str()).collect();
    let mut document = json!({
        "format_version": 1,
        "model": located.model,
        "version": located.version,
        "run_id": located.run_id,
        "columns": schema.columns,
        "steps": kinds,
        "before_the_graph": outside.as_ref().map(|outside| &outside.description),
        "inputs": inputs,
        "outputs": outputs,
    });
    let more = kind_of(schema.task()).preprocessor(bundle);
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}
