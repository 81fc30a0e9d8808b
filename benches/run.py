"""Times `mlops` beside its Python peers on the same data, in turn, and prints ratios.

    cargo build --release
    apt-get install time
    python -m venv /tmp/peers && /tmp/peers/bin/pip install scikit-learn==1.9.* pandas polars pyarrow
    /tmp/peers/bin/python benches/run.py [--reviews reviews_50k.csv] [--runs 5] [--only NAME] [--vectors 100000]

Every figure is the median of the runs; the two programs take turns, so that both meet the same load. Whole processes
are timed from outside (wall seconds and peak memory); where a line says `fit` or `read`, both programs time that stage
themselves.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars

from processor import processor

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benches" / "peers"
MLOPS = os.environ.get("MLOPS_BIN", str(ROOT / "target/release/mlops"))
sys.path.insert(0, str(PEERS))


def run(command, cwd):
    """Wall seconds, peak memory in MiB and stdout of a whole process."""
    # A child of this interpreter would carry its memory in the peak; GNU time starts it from a process of 1 MiB.
    with tempfile.NamedTemporaryFile("r") as facts:
        wrapped = ["/usr/bin/time", "-q", "-f", "%M", "-o", facts.name, *command]
        start = time.perf_counter()
        done = subprocess.run(wrapped, cwd=cwd, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            raise SystemExit(f"{command}: {done.stderr}")
        return seconds, int(facts.read()) / 1024, done.stdout


def line(name, ours, theirs, unit="s"):
    """One line of the table."""
    ours, theirs = statistics.median(ours), statistics.median(theirs) if theirs else None
    peer = "" if theirs is None else f"{theirs:10.3f} {unit:4} {theirs / ours:7.1f} x"
    print(f"{name:58} {ours:10.3f} {unit:4} {peer}", flush=True)


def project(folder):
    """A fresh project."""
    run([MLOPS, "init", str(folder)], folder.parent)
    return folder


def config(folder, name, source, columns, kind, params, features="[]"):
    """Writes a config."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"experiment: {{name: {name}}}\ndata: {{source: {source}, columns: {columns}}}\nfeatures: {features}\n"
        f"model: {{name: {name}, kind: {kind}, params: {params}}}\nevaluation: {{bootstrap: 0}}\n"
    )
    return path


def pairs(options, ours, theirs):
    """Runs the two in turn; the first round warms up and is not counted."""
    results = ([], [])
    for round in range(options.runs + 1):
        for side, call in enumerate((ours, theirs)):
            value = call()
            if round > 0:
                results[side].append(value)
    return results


def whole(options, name, folder, ours, theirs):
    """Wall time and memory of two whole processes."""
    left, right = pairs(options, lambda: run(ours, folder), lambda: run(theirs, folder))
    line(f"{name}, whole process", [r[0] for r in left], [r[0] for r in right])
    line(f"{name}, peak memory", [r[1] for r in left], [r[1] for r in right], "MiB")
    return json.loads(right[-1][2])


def stage(options, name, folder, ours, key, theirs):
    """A stage that both programs time themselves."""
    left = lambda: json.loads(run(ours, folder)[2])["trained"][0]["seconds"][key]
    right = lambda: theirs(json.loads(run(*theirs.command)[2]))
    first, second = pairs(options, left, right)
    line(name, first, second)


def parquet(path, x, y):
    """Vectors, classes and a split that leaves the last rows for test."""
    n = len(y)
    split = np.where(np.arange(n) < n - 100, "train", "test")
    table = polars.DataFrame({"embedding": polars.Series(x, dtype=polars.Array(polars.Float32, x.shape[1]))})
    table.with_columns(label=y.astype(np.int64), split=split).write_parquet(path)


class Peer:
    """A peer that prints JSON, and how its seconds are found in it."""

    def __init__(self, script, args, find):
        self.command, self.find = ([sys.executable, "-W", "ignore", str(PEERS / script), *args], ROOT), find

    def __call__(self, answer):
        return self.find(answer)


def startup(options, folder):
    line("mlops --version", [run([MLOPS, "--version"], folder)[0] for _ in range(options.runs)], None)
    for n in (1000, 10_000):
        target = folder / f"tracking-{n}"
        (target / "experiments").mkdir(parents=True)
        fill(target, n)
        name = ["runs", "list", "--limit", "20"]
        results = [run([MLOPS, "--root", str(target), *name], folder) for _ in range(options.runs)]
        line(f"runs list, {n} runs", [r[0] for r in results], None)
        line(f"runs list, {n} runs, peak memory", [r[1] for r in results], None, "MiB")
        search = ["runs", "search", "metrics.f1 > 0.8 AND params.model.C = '1.0'", "--order", "metrics.f1 DESC", "-n", "100"]
        results = [run([MLOPS, "--root", str(target), *search], folder)[0] for _ in range(options.runs)]
        line(f"runs search by metric and param, {n} runs", results, None)


def fill(target, n):
    """A tracking database with n runs of 20 metrics and 15 params."""
    import sqlite3

    first = subprocess.check_output([MLOPS, "--root", str(target), "runs", "create", "-e", "bench"], text=True).strip()
    args = [MLOPS, "--root", str(target), "runs", "log", first]
    args += [a for i in range(19) for a in ("--metric", f"m{i}={i}")] + ["--metric", "f1=0.5"]
    args += [a for i in range(14) for a in ("--param", f"p{i}={i}")] + ["--param", "model.C=1.0", "--tag", "team=ml"]
    subprocess.check_call(args, stdout=subprocess.DEVNULL)
    subprocess.check_call([MLOPS, "--root", str(target), "runs", "finish", first], stdout=subprocess.DEVNULL)
    # The other runs are copies of the first row by row: 10,000 processes would take minutes.
    db = sqlite3.connect(target / "experiments/tracking.db")
    db.row_factory = sqlite3.Row
    random = np.random.default_rng(0)
    tables = [r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
    columns = {t: [r[1] for r in db.execute(f"PRAGMA table_info({t})")] for t in tables}
    runs_table = next(t for t in tables if t == "runs")
    key = next(c for c in ("id", "run_id") if c in columns[runs_table])
    row = db.execute(f"SELECT * FROM runs WHERE {key} = ?", (first,)).fetchone()
    whole_key = row[key]
    for i in range(1, n):
        new = f"{i:032x}"
        values = [new if c == key else row[c] + i if c == "start_ms" else row[c] for c in columns["runs"] if c != "seq"]
        names = [c for c in columns["runs"] if c != "seq"]
        db.execute(f"INSERT INTO runs ({','.join(names)}) VALUES ({','.join('?' * len(names))})", values)
        for table in tables:
            if table != "runs" and "run_id" in columns[table]:
                for other in db.execute(f"SELECT * FROM {table} WHERE run_id = ?", (whole_key,)).fetchall():
                    fields = dict(zip(columns[table], tuple(other)))
                    fields["run_id"] = new
                    if "value" in fields and fields.get("key") == "f1":
                        fields["value"] = float(random.random())
                    fields.pop("id", None)
                    db.execute(
                        f"INSERT INTO {table} ({','.join(fields)}) VALUES ({','.join('?' * len(fields))})", list(fields.values())
                    )
    db.commit()


def cover_letters(options, folder):
    shutil.copy(ROOT / "data/cover_letters.db", folder / "data")
    ours = [MLOPS, "train", str(ROOT / "experiments/cover_letters_lr/config.yaml"), "--quiet"]
    whole(options, "cover letters, 252 x 768", folder, ours,
          [sys.executable, str(PEERS / "train_cover_letters.py"), "data/cover_letters.db", "peer"])


def reviews(options, folder):
    for name, path in (("5,000", ROOT / "data/reviews.csv"), ("50,000", options.reviews)):
        if path is None:
            continue
        made = config(folder, f"reviews_{name[:-4]}k", str(Path(path).resolve()),
                      "{id: id, text: text, label: label, split: split}", "logistic_regression",
                      "{max_iter: 1000, class_weight: balanced}", "[tfidf: {}]")
        made.write_text(made.read_text().replace("bootstrap: 0", "bootstrap: 1000"))
        theirs = [sys.executable, str(PEERS / "train_reviews.py"), str(Path(path).resolve()), "peer"]
        peer = whole(options, f"reviews tf-idf, {name} rows", folder, [MLOPS, "train", str(made), "--quiet"], theirs)
        ours = json.loads((folder / f"experiments/reviews_{name[:-4]}k/metrics.json").read_text())["splits"]["test"]["metrics"]
        for metric in ("accuracy", "roc_auc"):
            print(f"    {metric}: {ours[metric]['value']:.5f}, scikit-learn {peer[metric]:.5f}")


def fits(options, folder):
    import fit_logistic_regression
    import fit_random_forest

    x, y = fit_logistic_regression.rows(50_000, 768)
    parquet(folder / "data/lr.parquet", x, y)
    made = config(folder, "fit_lr", "data/lr.parquet", "{embedding: embedding, label: label, split: split}", "logistic_regression", "{}")
    find = lambda answer: min(answer["float32"]["median_seconds"], answer["float64"]["median_seconds"])
    peer = Peer("fit_logistic_regression.py", ["--fits", "1"], find)
    stage(options, "logistic regression fit, 50,000 x 768", folder, [MLOPS, "train", str(made), "--json"], "fit", peer)
    x, y = fit_random_forest.make(5_000, 768, 0)
    parquet(folder / "data/rf.parquet", x, y)
    params = "{n_estimators: 100, max_depth: 10}"
    made = config(folder, "fit_rf", "data/rf.parquet", "{embedding: embedding, label: label, split: split}", "random_forest", params)
    # The second fit is the warm one: the first pays for joblib's pool.
    peer = Peer("fit_random_forest.py", ["--repeats", "2"], lambda answer: min(answer["fit_seconds"]))
    stage(options, "random forest fit, 5,000 x 768, 100 trees of depth 10", folder, [MLOPS, "train", str(made), "--json"], "fit", peer)


def vectors(options, folder):
    path = folder / "data/vectors.csv"
    random = np.random.default_rng(0)
    texts = [",".join(map(repr, row.tolist())) for row in random.normal(size=(1000, 768)) * 0.05]
    with open(path, "w") as file:
        file.write("id,embedding_array,is_passed,split\n")
        for i in range(options.vectors):
            file.write(f'{i},"{texts[i % 1000]}",{i % 7 % 2},{"test" if i % 5 == 4 else "train"}\n')
    made = config(folder, "vectors", "data/vectors.csv", "{id: id, embedding: embedding_array, label: is_passed, split: split}",
                  "baseline", "{}")
    ours, theirs = [], []
    for round in range(options.runs + 1):
        mine, his = run([MLOPS, "train", str(made), "--json"], folder), run([sys.executable, "-W", "ignore", str(PEERS / "read_vectors.py"), str(path)], folder)
        if round > 0:
            ours.append((json.loads(mine[2])["trained"][0]["seconds"]["read"], mine[1]))
            theirs.append((json.loads(his[2])["seconds"], his[1]))
    size = path.stat().st_size / 1e6
    line(f"read {options.vectors} vectors as text, {size:.0f} MB", [o[0] for o in ours], [t[0] for t in theirs])
    matrix = options.vectors * 768 * 4 / 2**20
    line(f"  peak memory of the process (the matrix has {matrix:.0f} MiB)", [o[1] for o in ours], [t[1] for t in theirs], "MiB")


def main():
    benches = {"startup": startup, "cover_letters": cover_letters, "reviews": reviews, "fits": fits, "vectors": vectors}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=Path, help="the 50,000 reviews (they are not in the repository)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--only", choices=benches)
    options = parser.parse_args()
    print(processor())
    print(f"{'':58} {'mlops':>10}      {'peer':>10}        ratio")
    for name, bench in benches.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                bench(options, project(Path(folder) / "p"))


if __name__ == "__main__":
    main()
