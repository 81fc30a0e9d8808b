"""LightGBM peer of `lambdamart`: 100 trees on a LETOR table, and scoring with them.

    rank_lightgbm.py DATA.npz [--threads 2 --leaves 31 --trees 100 --runs 5]

`DATA.npz` holds x (n x features, f32), y (grades) and q (documents of each query). Prints a JSON object: seconds of each fit
(binning included), NDCG@10 on x2, y2, q2, documents per second.
"""

import argparse
import json
import statistics
import time

import lightgbm
import numpy as np


def ndcg(scores, y, sizes, k=10):
    """Mean NDCG@k; queries without a relevant document count 0."""
    total, start = 0.0, 0
    for size in sizes:
        labels, s = y[start : start + size], scores[start : start + size]
        order = np.argsort(-s, kind="stable")[:k]
        discount = 1 / np.log2(np.arange(2, k + 2))
        gained = ((2.0 ** labels[order] - 1) * discount[: len(order)]).sum()
        best = np.sort(labels)[::-1][:k]
        ideal = ((2.0**best - 1) * discount[: len(best)]).sum()
        total += gained / ideal if ideal > 0 else 0.0
        start += size
    return total / len(sizes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    for name, value in {"threads": 2, "leaves": 31, "trees": 100, "runs": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    data = np.load(options.data)
    params = {
        "objective": "lambdarank",
        "num_leaves": options.leaves,
        "learning_rate": 0.1,
        "verbosity": -1,
        "num_threads": options.threads,
    }
    seconds = []
    for _ in range(options.runs):
        start = time.perf_counter()
        train = lightgbm.Dataset(data["x"], data["y"], group=data["q"], params=params)
        booster = lightgbm.train(params, train, num_boost_round=options.trees)
        seconds.append(time.perf_counter() - start)
    rates = []
    for _ in range(options.runs + 1):
        start = time.perf_counter()
        scores = booster.predict(data["x2"], num_threads=options.threads)
        rates.append(len(scores) / (time.perf_counter() - start))
    answer = {"seconds": seconds, "ndcg@10": ndcg(scores, data["y2"], data["q2"]), "documents_per_second": statistics.median(rates)}
    print(json.dumps(answer))


main()
