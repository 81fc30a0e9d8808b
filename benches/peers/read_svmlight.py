"""scikit-learn peer of the LETOR reader: seconds of `load_svmlight_file`, and what it read.

    read_svmlight.py FILE [RUNS]
"""

import json
import sys
import time

import numpy as np
from sklearn.datasets import load_svmlight_file

seconds = []
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    start = time.perf_counter()
    x, y, q = load_svmlight_file(sys.argv[1], query_id=True, dtype=np.float32)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "rows": x.shape[0], "columns": x.shape[1], "queries": len(np.unique(q))}))
