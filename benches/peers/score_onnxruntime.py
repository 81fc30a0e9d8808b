"""ONNX Runtime peer of scoring: documents per second of a file that `mlops export` wrote.

    score_onnxruntime.py MODEL.onnx [--rows 100000 --block 2048 --threads 2 --runs 7]
"""

import argparse
import json
import statistics
import time

import numpy as np
import onnxruntime

parser = argparse.ArgumentParser()
parser.add_argument("model")
for name, value in {"rows": 100_000, "block": 2048, "threads": 2, "runs": 7}.items():
    parser.add_argument(f"--{name}", type=int, default=value)
options = parser.parse_args()
setting = onnxruntime.SessionOptions()
setting.intra_op_num_threads = options.threads
session = onnxruntime.InferenceSession(options.model, setting)
port = session.get_inputs()[0]
rows = np.random.default_rng(1).normal(size=(options.rows, port.shape[1])).astype(np.float32)
rates = []
for _ in range(options.runs + 1):
    start = time.perf_counter()
    for at in range(0, options.rows, options.block):
        session.run(None, {port.name: rows[at : at + options.block]})
    rates.append(options.rows / (time.perf_counter() - start))
print(json.dumps({"documents_per_second": statistics.median(rates[1:])}))
