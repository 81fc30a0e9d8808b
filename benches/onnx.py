"""The latency of an exported model in ONNX Runtime, beside what `mlops export --benchmark` measured.

usage: python benches/onnx.py FOLDER    (written by: mlops export MODEL --format onnx --benchmark --output FOLDER)

One thread, the same batch sizes and numbers of repetitions as in latency.json, each repetition timed alone after a
warm-up of a tenth; times in microseconds for the whole batch. The rows are random: what a row holds does not change the
work of a linear model, and hardly that of trees.
"""

import json
import sys
import time

import numpy
import onnxruntime


def main():
    folder = sys.argv[1]
    with open(f"{folder}/latency.json", encoding="utf-8") as file:
        latency = json.load(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    random = numpy.random.default_rng(1)
    sizes = dict.fromkeys(timing["batch_size"] for timing in latency["timings"])
    for size in sizes:
        rows = random.standard_normal((size, port.shape[1]), dtype=numpy.float32)
        if port.name == "term_counts":
            rows = numpy.floor(numpy.abs(rows) / 2)
        times = []
        for _ in range(latency["warm_up"]):
            session.run(None, {port.name: rows})
        for _ in range(latency["repetitions"]):
            start = time.perf_counter()
            session.run(None, {port.name: rows})
            times.append((time.perf_counter() - start) * 1e6)
        p50, p95, p99 = numpy.quantile(times, [0.5, 0.95, 0.99])
        others = [timing for timing in latency["timings"] if timing["batch_size"] == size]
        ours = "  ".join(f"{timing['subject']} {timing['p50_us']:.1f}" for timing in others)
        print(f"{size} rows: ONNX Runtime {onnxruntime.__version__} p50 {p50:.1f}  p95 {p95:.1f}  p99 {p99:.1f}  | p50 of {ours}")


if __name__ == "__main__":
    main()
