"""The peer of `random_forest`: how long scikit-learn takes to fit the same forest on the same kind of data.

Data from a seed: `rows` x `features` f32 standard normal numbers; a logistic model with weights on the first 32
features draws the two classes. The fit alone is timed, with all cores (`n_jobs=-1`). Prints one JSON line:

    {"library": "scikit-learn 1.9.1", "rows": 5000, ..., "fit_seconds": [..], "median_seconds": 2.7}

Usage: python fit_random_forest.py [--rows 5000] [--features 768] [--trees 100] [--depth 10] [--repeats 5] [--seed 0]
       [--save data.npz]     also writes x (f32) and y (u8), for timing ours on the same numbers
"""

import argparse
import json
import statistics
import time

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier


def make(rows, features, seed):
    """Features and classes from a seed."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, features), dtype=np.float32)
    weights = random.standard_normal(min(32, features))
    chance = 1 / (1 + np.exp(-x[:, : len(weights)] @ weights / 2))
    return x, (random.random(rows) < chance).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("rows", 5000), ("features", 768), ("trees", 100), ("depth", 10), ("repeats", 5), ("seed", 0)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--save")
    options = parser.parse_args()
    x, y = make(options.rows, options.features, options.seed)
    if options.save:
        np.savez(options.save, x=x, y=y)
    seconds = []
    for repeat in range(options.repeats):
        forest = RandomForestClassifier(options.trees, max_depth=options.depth, random_state=repeat, n_jobs=-1)
        start = time.perf_counter()
        forest.fit(x, y)
        seconds.append(round(time.perf_counter() - start, 4))
    result = {"library": f"scikit-learn {sklearn.__version__}", "rows": options.rows, "features": options.features,
              "trees": options.trees, "depth": options.depth, "seed": options.seed,
              "fit_seconds": seconds, "median_seconds": statistics.median(seconds)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
