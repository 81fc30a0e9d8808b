"""Peer of the dense logistic regression fit: how long scikit-learn takes for the same work.

    python fit_logistic_regression.py [--rows 50000] [--columns 768] [--fits 5] [--threads 2]

Reads nothing: the rows come from a seed. They look like sentence embeddings (unit length, float32); the class depends
on a hidden direction plus noise, so that about 9 of 10 rows can be told apart. Fits
`LogisticRegression(C=1.0, tol=1e-4, max_iter=100, solver="lbfgs")` on them as float32 and as float64 and prints one
JSON object: the seconds of each fit (without making the data), their medians, iterations and training accuracy.
Compare with the better of the two medians. Needs numpy and scikit-learn (written against 1.9).
"""

import argparse
import json
import statistics
import time

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits


def rows(n_rows, n_columns, seed=7):
    """Unit-length float32 rows and a noisy class for each."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_rows, n_columns), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    hidden = random.standard_normal(n_columns)
    score = features @ hidden + 0.3 * random.standard_normal(n_rows)
    return features, (score > 0).astype(np.int64)


def fit_seconds(features, classes, fits):
    """The seconds of each fit, and the last fitted model."""
    seconds = []
    for _ in range(fits):
        start = time.perf_counter()
        model = LogisticRegression(C=1.0, tol=1e-4, max_iter=100, solver="lbfgs").fit(features, classes)
        seconds.append(time.perf_counter() - start)
    return seconds, model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--columns", type=int, default=768)
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    features, classes = rows(args.rows, args.columns)
    result = {"scikit_learn": sklearn.__version__, "rows": args.rows, "columns": args.columns, "threads": args.threads}
    with threadpool_limits(limits=args.threads):
        for dtype in ("float32", "float64"):
            seconds, model = fit_seconds(features.astype(dtype), classes, args.fits)
            result[dtype] = {
                "fit_seconds": [round(value, 5) for value in seconds],
                "median_seconds": round(statistics.median(seconds), 5),
                "n_iter": int(model.n_iter_[0]),
                "train_accuracy": round(float(model.score(features, classes)), 4),
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
