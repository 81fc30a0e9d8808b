//! An export: the files, what goes in and comes out, how near the file is to the model, how long an answer takes.

use super::format::{bytes, count, plural, shown};
use crate::onnx::Port;
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::tasks::{Words, kind_of};
use crate::workflows::release::export::Outcome;
use crate::workflows::release::latency::{Latency, Timing};

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let name = format!("{} {}", outcome.model, outcome.version);
    let mut document = Document::new(format!("Export of {name}"));
    document.text(emphasis(name) + format!("  {}", outcome.kind));
    let exported = &outcome.exported;
    if let Some(folder) = &outcome.folder {
        for (name, facts) in &exported.files {
            let about = dim(format!("{}, sha256 {:.12}…", bytes(facts.size), facts.sha256));
            document.fact("wrote", Line::from(shown(&folder.join(name)) + "  ") + about);
        }
    }
    document.fact("input", ports(&exported.inputs));
    document.fact("outputs", ports(&exported.outputs));
    if !outcome.labels.is_empty() {
        document.fact("labels", outcome.labels.join(", "));
    }
    let parity = &exported.parity;
    let (worst, rows, allowed) = (parity.worst, plural(parity.rows, "golden row"), parity.tolerance);
    let line = Line::from(format!("{worst:.1e} at most on {rows}, allowed {allowed:.0e}  "));
    document.fact("parity", line + dim(format!("({})", parity.runtime)));
    if let Some(latency) = &outcome.latency {
        document.gap();
        timings(&mut document, latency, kind_of(outcome.task).words());
    }
    document
}

fn ports(ports: &[Port]) -> String {
    let port = |port: &Port| {
        let kind = serde_json::to_value(port.dtype).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
        format!("{} {kind} [{}]", port.name, port.shape.join(", "))
    };
    ports.iter().map(port).collect::<Vec<_>>().join(", ")
}

fn timings(document: &mut Document, latency: &Latency, words: &Words) {
    let subject = |subject: &str| match subject {
        "model" => "mlops, from the features on".to_owned(),
        "onnx" => format!("model.onnx with its steps, {}", latency.runtime),
        _ => words.pipeline.to_owned(),
    };
    let columns = [
        (words.batch, Align::Left),
        (words.rows, Align::Right),
        ("p50", Align::Right),
        ("p95", Align::Right),
        ("p99", Align::Right),
    ];
    let row = |timing: &Timing| {
        let [p50, p95, p99] = [timing.p50_us, timing.p95_us, timing.p99_us].map(|time| format!("{time:.1}"));
        cells![subject(&timing.subject), timing.batch_size.to_string(), p50, p95, p99]
    };
    document.table(Table::of(&columns).with(latency.timings.iter().map(row)));
    let machine = ["cores", "arch", "kernel"].map(|key| latency.machine.get(key).map_or("?", String::as_str));
    let [cores, arch, kernel] = machine;
    document.note(format!(
        "{} repetitions each after {} to warm up; {} (the file: 1), {} inputs, {} features; {cores} cores, {arch}, Linux \
         {kernel}",
        count(latency.repetitions),
        count(latency.warm_up),
        plural(latency.threads, "thread"),
        count(latency.n_inputs),
        count(latency.n_features),
    ));
}
