"""SciPy's share of `comparison`'s timing: the same tests on data of the same size.

    python benches/peers/compare_scipy.py [--runs 5]
    cargo test --release --lib -- --ignored --nocapture timing

Medians. `permutation_test` runs in batches, since all 10,000 sign patterns of 10,000 values at once take 800 MB.
"""

import argparse
import statistics
import time

import numpy as np
from scipy import stats
from sklearn.metrics import f1_score


def noise(rows, step):
    """Numbers in 0…1 that look random; those of the Rust side."""
    return ((np.arange(rows) + 1) * step) % 1


def timed(name, runs, run):
    """Prints the median."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(f"{name}: median {1000 * statistics.median(times):,.1f} ms of {runs}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs

    differences = noise(10_000, 0.618033989) - noise(10_000, 0.56984029)
    timed(
        "permutation_test, 10,000 of 10,000",
        runs,
        lambda: stats.permutation_test(
            (differences,), np.sum, permutation_type="samples", n_resamples=10_000, batch=500, rng=0, vectorized=True
        ),
    )

    truth = (noise(100_000, 0.754877666) < 0.4).astype(int)
    sides = [
        (knows * truth + (1 - knows) * noise(100_000, step) >= 0.5).astype(int)
        for knows, step in ((0.2, 0.56984029), (0.25, 0.618033989))
    ]
    rng = np.random.default_rng(0)

    def bootstrap(replicates):
        for _ in range(replicates):
            rows = rng.integers(0, len(truth), len(truth))
            _ = f1_score(truth[rows], sides[1][rows]) - f1_score(truth[rows], sides[0][rows])

    # All 10,000 would take minutes: 100, to be multiplied by 100.
    timed("f1_score on drawn rows, 100 replicates of 100,000 rows", runs, lambda: bootstrap(100))

    codes = truth * 4 + sides[0] * 2 + sides[1]
    cells = np.bincount(codes, minlength=8)

    def multinomial():
        drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=10_000)
        values = []
        for called in ((2, 3), (1, 3)):
            hit = drawn[:, [4 + called[0], 4 + called[1]]].sum(1)
            wrong = drawn[:, list(called)].sum(1)
            missed = drawn[:, 4:].sum(1) - hit
            values.append(2 * hit / (2 * hit + wrong + missed))
        return np.quantile(values[1] - values[0], [0.025, 0.975])

    timed("NumPy's multinomial over the cells, 10,000 replicates", runs, multinomial)


if __name__ == "__main__":
    main()
