"""What the machine's arithmetic gives at most: one large f32 matrix product, by torch and by NumPy. Prints GFLOP/s.

    python sgemm_peak.py [--threads 2] [--size 3072] [--times 5]
"""

import argparse
import json
import os
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--size", type=int, default=3072)
parser.add_argument("--times", type=int, default=5)
options = parser.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import numpy as np
import torch

torch.set_num_threads(options.threads)
random = np.random.default_rng(0)
a, b = (random.standard_normal((options.size, options.size), dtype=np.float32) for _ in range(2))
best = {}
for name, left, right in (("numpy", a, b), ("torch", torch.from_numpy(a), torch.from_numpy(b))):
    for _ in range(options.times + 1):
        start = time.perf_counter()
        left @ right
        best[name] = max(best.get(name, 0), 2 * options.size**3 / (time.perf_counter() - start) / 1e9)
print(json.dumps({**best, "gflops": max(best.values())}))
