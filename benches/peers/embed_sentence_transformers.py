"""Peer of `mlops embed`: sentence-transformers on PyTorch, f32, on the CPU.

    python embed_sentence_transformers.py MODEL_FOLDER texts.csv [--out vectors.npy] [--threads 2] [--batch 32]

The whole process is the peer; it prints the seconds of its parts as JSON. `encode` tokenises too; sentence-transformers
sorts the texts by length and takes 32 at a time by default.
"""

import time

start = time.perf_counter()

import argparse
import csv
import json
import os
import resource
import warnings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("texts")
parser.add_argument("--out")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=32)
options = parser.parse_args()
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "OMP_NUM_THREADS": str(options.threads)}
os.environ["RAYON_NUM_THREADS"] = str(options.threads)
warnings.filterwarnings("ignore")

import numpy as np
import sentence_transformers
import torch

torch.set_num_threads(options.threads)
imported = time.perf_counter()
model = sentence_transformers.SentenceTransformer(options.model, device="cpu", local_files_only=True)
loaded = time.perf_counter()
with open(options.texts, newline="", encoding="utf-8") as file:
    texts = [row["text"] for row in csv.DictReader(file)]
read = time.perf_counter()
vectors = model.encode(texts, batch_size=options.batch, show_progress_bar=False)
encoded = time.perf_counter()
if options.out:
    np.save(options.out, vectors)
print(json.dumps({
    "library": f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}",
    "threads": options.threads, "batch": options.batch, "texts": len(texts), "dimensions": vectors.shape[1],
    "seconds": {"import": imported - start, "load": loaded - imported, "encode": encoded - read},
    "texts_per_second": len(texts) / (encoded - read),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
