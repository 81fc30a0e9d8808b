"""Times `mlops drift-check` of two CSV files beside a NumPy/SciPy script and Evidently's preset; whole processes.

    cargo build --release
    apt-get install time
    python -m venv /tmp/peers && /tmp/peers/bin/pip install scipy==1.17.* pandas pyarrow polars
    python -m venv /tmp/evidently && /tmp/evidently/bin/pip install evidently==0.7.* 'pandas<3'
    /tmp/peers/bin/python benches/drift.py [--evidently /tmp/evidently/bin/python] [--runs 5] [--long 50000000]

Every figure is the median of the runs; the programs take turns, so that all meet the same load. The first round warms up
and is not counted. `mlops` computes KL with its decision, and beside it KL, PSI and Kolmogorov-Smirnov in three processes
one after the other: what the SciPy script computes in one. `--long N` also streams a current file of N rows (about 9
bytes each; it is made in the temporary folder and goes again) and tells the peak memory.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars

from run import MLOPS, PEERS, run


def table(path, rows, columns, moved, seed):
    """Normal numbers; the first column is moved."""
    random = np.random.default_rng(seed)
    data = {f"x{at}": random.normal(moved if at == 0 else 0.0, 1.0, rows) for at in range(columns)}
    polars.DataFrame(data).write_csv(path)


def medians(results):
    return statistics.median(seconds for seconds, _ in results), statistics.median(peak for _, peak in results)


def agree(ours, theirs):
    """The statistics are the same numbers, up to where the quantiles lie between two values."""
    for column in json.loads(ours)["columns"]:
        want = json.loads(theirs)[column["name"]]["ks"]
        if abs(column["value"] - want) > 1e-9:
            raise SystemExit(f"{column['name']}: ks {column['value']}, SciPy has {want}")


def compare(options, name, folder, rows, columns):
    reference, current = folder / "reference.csv", folder / "current.csv"
    table(reference, rows, columns, 0.0, 1)
    table(current, rows, columns, 0.1, 2)
    ours = [MLOPS, "drift-check", "--reference", str(reference), "--current", str(current), "--json"]
    programs = {
        "mlops, kl": ours,
        "mlops, ks": [*ours, "--statistic", "ks"],
        "mlops, psi": [*ours, "--statistic", "psi"],
        "SciPy script": [sys.executable, str(PEERS / "drift_scipy.py"), str(reference), str(current)],
    }
    if options.evidently:
        programs["Evidently"] = [options.evidently, "-W", "ignore", str(PEERS / "drift_evidently.py"), str(reference), str(current)]
    results = {program: [] for program in programs}
    for round in range(options.runs + 1):
        answers = {}
        for program, command in programs.items():
            seconds, peak, answers[program] = run(command, folder)
            if round > 0:
                results[program].append((seconds, peak))
        agree(answers["mlops, ks"], answers["SciPy script"])
    base = medians(results["mlops, kl"])[0]
    three = sum(medians(results[program])[0] for program in list(programs)[:3])
    print(f"\n{name}")
    for program, of in results.items():
        seconds, peak = medians(of)
        print(f"  {program:24} {seconds:8.3f} s {peak:8.0f} MiB {seconds / base:7.1f} x", flush=True)
    script = medians(results["SciPy script"])[0]
    print(f"  {'kl, psi and ks in turn':24} {three:8.3f} s {'':12} SciPy script {script / three:.1f} x")


def long(options, folder):
    reference, current = folder / "reference.csv", folder / "long.csv"
    table(reference, 100_000, 1, 0.0, 1)
    random = np.random.default_rng(3)
    with open(current, "w") as file:
        file.write("x0\n")
        left = options.long
        while left > 0:
            some = min(left, 2_000_000)
            np.savetxt(file, random.normal(size=some), fmt="%.5f")
            left -= some
    size = current.stat().st_size / 1e6
    command = [MLOPS, "drift-check", "--reference", str(reference), "--current", str(current), "--json"]
    results = [run(command, folder)[:2] for _ in range(3)]
    seconds, peak = medians(results)
    print(f"\n{options.long:,} rows, 1 column, {size:.0f} MB: {seconds:.2f} s, {peak:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evidently", help="a Python with Evidently")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--long", type=int, default=0)
    options = parser.parse_args()
    for name, rows, columns in (("10 columns x 100,000 + 100,000 rows", 100_000, 10), ("1 column x 1,000,000 + 1,000,000 rows", 1_000_000, 1)):
        with tempfile.TemporaryDirectory() as folder:
            compare(options, name, Path(folder), rows, columns)
    if options.long:
        with tempfile.TemporaryDirectory() as folder:
            long(options, Path(folder))


if __name__ == "__main__":
    main()
