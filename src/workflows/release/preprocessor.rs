//! `preprocessor.json`: how raw rows become the input of an exported graph, and what its outputs mean.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::data::Task;
use crate::onnx::Port;
use crate::project::Located;

/// How the cells of a row become one text.
const TEXT: &str = "of each text column in order, the cell; with json_fields the cell is JSON, and of each named field in \
    order (`a.b` is a nested key): a text that is not blank as it stands, a number or true/false as JSON writes it, of a \
    list each item and of an object each value by the order of its keys, null nothing. All parts that are there are joined \
    by LF. A row without any part, or of white space only, has no answer: do not ask the graph.";

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
    let more = match schema.task {
        Task::Classification => json!({
            "text": outside.is_some().then_some(TEXT),
            "meaning": {
                "probabilities": "the model's scores, one column a label, as decisions use them",
                "calibrated": "the same with the class weights of training undone",
                "class": "the position in labels: with two labels 1 when the second column is at least the threshold, else \
                          the column with the largest probability, the first of equal ones",
            },
            "labels": schema.labels,
            "threshold": schema.threshold,
            "class_weights": schema.class_weights,
        }),
        Task::Ranking => json!({
            "task": schema.task,
            "rows": "one document each, its features in the order of `columns`; of one query or of several at once, but \
                     what must be done before the graph is done for each query alone",
            "inside_the_graph": {
                "about": "done by the graph, told for readers; a null beside a column that did not vary in training: it is 0",
                "steps": bundle.features.numbers(),
            },
            "meaning": {
                "score": "higher is better, beside the other documents of the same query only; equal scores keep the order \
                          of the rows",
            },
            "highest_grade": schema.highest_grade,
        }),
    };
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}
