"""Drift with pandas, NumPy and SciPy: read two CSV files, then per column KL, PSI and Kolmogorov-Smirnov.

    drift_scipy.py REFERENCE CURRENT

Bins are 20 quantiles of the reference with infinite ends and Jeffreys' smoothing, as `mlops` has them. Prints JSON:
each column's three values.
"""

import json
import sys

import numpy as np
import pandas as pd
from scipy.stats import entropy, ks_2samp


def column(reference, current):
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 21)[1:-1]))
    counts = lambda values: np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    shares = lambda counts: (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    q, p = shares(counts(reference)), shares(counts(current))
    ks = ks_2samp(reference, current, method="asymp")
    return {"kl": entropy(p, q), "psi": float(((p - q) * np.log(p / q)).sum()), "ks": ks.statistic, "p": ks.pvalue}


reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
answer = {name: column(reference[name].to_numpy(), current[name].to_numpy()) for name in reference}
print(json.dumps(answer))
