"""Peer of reading vectors that stand as text in a CSV: polars + NumPy into one f32 matrix. Prints the seconds.

    python read_vectors.py vectors.csv
"""

import json
import sys
import time

import numpy as np
import polars

start = time.perf_counter()
table = polars.read_csv(sys.argv[1], columns=["id", "embedding_array", "is_passed", "split"])
cells = table["embedding_array"]
matrix = np.empty((table.height, cells[0].count(",") + 1), np.float32)
for row, cell in enumerate(cells):
    matrix[row] = np.fromstring(cell, sep=",", dtype=np.float32)
print(json.dumps({"seconds": time.perf_counter() - start, "shape": matrix.shape}))
