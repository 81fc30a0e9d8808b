"""Peer of `mlops embed`: ONNX Runtime on a graph that `make_onnx.py` wrote, with what makes it fast on a CPU.

    python embed_onnxruntime.py MODEL_FOLDER f32.onnx texts.csv [--out vectors.npy] [--threads 2] [--batch 8] [--streams 1]
    python embed_onnxruntime.py MODEL_FOLDER f32.onnx texts.csv --tune 64

Texts are tokenised all at once by the Rust tokenizer, sorted by tokens and padded to the longest of their batch; mean
pooling and the norm are NumPy's. With `--streams N` as many Python threads run batches at once, each on its share of the
threads, instead of all threads on one batch. Prints the seconds of its parts as JSON; `encode` tokenises too. `--tune N`
prints the best of a few batches and streams on N of the texts instead.
"""

import time

start = time.perf_counter()

import argparse
import csv
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", type=Path)
parser.add_argument("graph")
parser.add_argument("texts")
parser.add_argument("--out")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--streams", type=int, default=1)
parser.add_argument("--tune", type=int)
options = parser.parse_args()
# Pooling is too small for threads of its own.
os.environ |= {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": str(options.threads), "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

imported = time.perf_counter()


def longest(folder):
    """The most tokens the model takes, as sentence-transformers finds it."""
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        found = json.loads((folder / name).read_text()).get(key)
        if found:
            return found
    return json.loads((folder / "config.json").read_text())["max_position_embeddings"]


def load(streams):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = max(1, options.threads // streams)
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(options.graph, settings, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.enable_truncation(longest(options.model))
    tokenizer.no_padding()
    return session, tokenizer


def encode(session, tokenizer, texts, batch, streams):
    """One vector a text, in the order of the texts."""
    modules = json.loads((options.model / "modules.json").read_text())
    normalise = any(module["type"].endswith("Normalize") for module in modules)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    vectors = [None] * len(ids)

    def one(rows):
        width = max(len(ids[i]) for i in rows)
        padded, mask = (np.zeros((len(rows), width), np.int64) for _ in range(2))
        for at, i in enumerate(rows):
            padded[at, : len(ids[i])], mask[at, : len(ids[i])] = ids[i], 1
        inputs = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)}
        hidden = session.run(None, inputs)[0]
        weight = mask.astype(np.float32)
        pooled = np.matmul(weight[:, None, :], hidden)[:, 0] / weight.sum(1, keepdims=True)
        if normalise:
            pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        for at, i in enumerate(rows):
            vectors[i] = pooled[at]

    batches = [order[at : at + batch] for at in range(0, len(order), batch)]
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(one, batches))
    return np.array(vectors)


def read_texts():
    with open(options.texts, newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def tune():
    """Finds the streams with batches of 8, then the batch with those streams; the best of two tries each."""
    texts = sorted(read_texts(), key=len)
    texts = [texts[i * len(texts) // options.tune] for i in range(min(options.tune, len(texts)))]

    def seconds(batch, streams):
        session, tokenizer = load(streams)
        tries = []
        for _ in range(2):
            begin = time.perf_counter()
            encode(session, tokenizer, texts, batch, streams)
            tries.append(time.perf_counter() - begin)
        return min(tries)

    streams = min({1, options.threads}, key=lambda streams: seconds(8, streams))
    batch = min((1, 4, 8, 16, 32), key=lambda batch: seconds(batch, streams))
    print(json.dumps({"batch": batch, "streams": streams}))


def main():
    session, tokenizer = load(options.streams)
    loaded = time.perf_counter()
    texts = read_texts()
    read = time.perf_counter()
    vectors = encode(session, tokenizer, texts, options.batch, options.streams)
    encoded = time.perf_counter()
    if options.out:
        np.save(options.out, vectors)
    print(json.dumps({
        "library": f"ONNX Runtime {onnxruntime.__version__}", "graph": Path(options.graph).name,
        "threads": options.threads, "batch": options.batch, "streams": options.streams,
        "texts": len(texts), "dimensions": vectors.shape[1],
        "seconds": {"import": imported - start, "load": loaded - imported, "encode": encoded - read},
        "texts_per_second": len(texts) / (encoded - read),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    tune() if options.tune else main()
