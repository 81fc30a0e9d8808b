"""Times ranking beside its peers, in turn, and prints ratios: PyTorch, LightGBM, scikit-learn's reader, ONNX Runtime.

    cargo build --release
    python -m venv /tmp/peers && /tmp/peers/bin/pip install torch lightgbm==4.7.* scikit-learn==1.9.* onnxruntime onnx polars
    /tmp/peers/bin/python benches/rank.py [--only epochs,trees,read,score,whole] [--runs 5] [--threads 2] [--mb 100]
                                          [--mq2008 FOLDER]

- `epochs`  an epoch of each loss on 1,000 queries x 100 documents x 136 features, MLP 256-128-64, batches of 16 queries, Adam:
            the median of the epochs of each process but the first; `training_history.json` and PyTorch's own clock
- `trees`   LambdaMART, 100 trees of 31 leaves on data of the same size: the fit (binning included) as each program times it
- `read`    a LETOR file of `--mb` MB: the reading stage of `mlops train` and `load_svmlight_file`
- `score`   100,000 documents, the network above (no feature steps) and the 100 trees: documents/s here (`export --benchmark`),
            in PyTorch or LightGBM, and in ONNX Runtime with the exported file
- `whole`   `mlops train` beside a PyTorch script, start and reading included, on MQ2008 fold 1 (`--mq2008`)

Every figure is the median of the runs; the programs take turns, so that all meet the same load.
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
LOSSES = ["ranknet", "lambdarank", "lambdaloss", "listnet", "listmle", "approxndcg"]
QUERIES, DOCUMENTS, WIDTH = 1000, 100, 136


def run(command, cwd, threads):
    """Wall seconds and stdout of a process."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def made(queries, seed):
    """Features of several kinds (even, counts with many zeros, logarithms, sparse), and grades 0 to 4 that depend on some."""
    random = np.random.default_rng(seed)
    n = queries * DOCUMENTS
    x = random.random((n, WIDTH), dtype=np.float32)
    x[:, 40:80] = np.floor(x[:, 40:80] ** 3 * 30)
    x[:, 80:110] = np.log1p(x[:, 80:110] * 1000)
    x[:, 110:] *= random.random((n, WIDTH - 110)) < 0.3
    weights = np.random.default_rng(1).normal(size=12)
    worth = x[:, ::12][:, :12] @ weights / 3 + np.sin(6 * x[:, 3]) * x[:, 45] / 10 + random.normal(size=n) * 0.7
    y = np.zeros(n, int)
    for start in range(0, n, DOCUMENTS):
        rank = np.argsort(np.argsort(-worth[start : start + DOCUMENTS]))
        y[start : start + DOCUMENTS] = np.select([rank < 3, rank < 10, rank < 25, rank < 45], [4, 3, 2, 1], 0)
    return x, y, np.full(queries, DOCUMENTS)


def parquet(path, x, y, q):
    columns = {"qid": np.repeat([f"q{at}" for at in range(len(q))], q), "label": y}
    columns |= {f"x{at}": x[:, at] for at in range(x.shape[1])}
    polars.DataFrame(columns).write_parquet(path)


def letor(path, x, y, q):
    qids = np.repeat(np.arange(len(q)), q)
    with open(path, "w") as file:
        for row, grade, qid in zip(x, y, qids):
            file.write(f"{grade} qid:{qid} " + " ".join(f"{at + 1}:{value:.6g}" for at, value in enumerate(row)) + "\n")


def config(folder, name, files, kind, params="{}", training="", features="[]"):
    """Writes a config of a ranking experiment."""
    path = folder / f"{name}.yaml"
    training = f"training: {training}\n" if training else ""
    path.write_text(
        f"experiment: {{name: {name}}}\nseed: 1\ntask: ranking\n"
        f"data: {{files: {files}}}\nfeatures: {features}\nmodel: {{name: {name}, kind: {kind}, params: {params}}}\n{training}"
        f"evaluation: {{metrics: [ndcg@10], bootstrap: 0}}\n"
    )
    return path


def trained(folder, path, threads):
    """What `mlops train --json` says of the run."""
    _, stdout = run([MLOPS, "train", path, "--json"], folder, threads)
    return json.loads(stdout)["trained"][0]


def line(name, ours, theirs, unit, more_is_better=False):
    ratio = ours / theirs if more_is_better else theirs / ours
    print(f"{name:58} {ours:14,.3f} {theirs:14,.3f} {unit:6} {ratio:7.2f} x", flush=True)


def median(values):
    return statistics.median(values)


def prepared(folder):
    """The made data as Parquet and as npz, once."""
    if not (folder / "data.npz").exists():
        x, y, q = made(QUERIES, 7)
        x2, y2, q2 = made(QUERIES, 8)
        np.savez(folder / "data.npz", x=x, y=y, q=q, x2=x2, y2=y2, q2=q2)
        parquet(folder / "train.parquet", x, y, q)
        parquet(folder / "test.parquet", x2, y2, q2)
    return "{train: train.parquet, test: test.parquet}"


def epochs(options, folder):
    prepared(folder)
    small = "{train: train.parquet, test: small.parquet}"
    polars.read_parquet(folder / "test.parquet").head(DOCUMENTS).write_parquet(folder / "small.parquet")
    for loss in options.losses:
        ours, theirs = [], []
        training = "{epochs: 4, batch_size: 16, early_stopping: null, checkpoint_every: 100}"
        path = config(folder, f"epoch_{loss}", small, loss, "{hidden_dims: [256, 128, 64]}", training, "[standardize]")
        for _ in range(options.runs):
            answer = trained(folder, path, options.threads)
            history = json.loads((folder / answer["run_folder"] / "training_history.json").read_text())
            ours += [row["seconds"] for row in history[1:]]
            command = [sys.executable, PEERS / "rank_torch.py", "epoch", loss, "--epochs", 3, "--threads", options.threads]
            _, stdout = run(command, folder, options.threads)
            theirs.append(float(stdout.split("median ")[1].split(" ms")[0]) / 1000)
        line(f"an epoch of {loss}, PyTorch", median(ours) * 1000, median(theirs) * 1000, "ms")


def trees(options, folder):
    path = config(folder, "trees", prepared(folder), "lambdamart", "{n_estimators: 100, num_leaves: 31}")
    ours, theirs, quality = [], [], []
    for _ in range(options.runs):
        answer = trained(folder, path, options.threads)
        ours.append(answer["seconds"]["fit"])
        _, stdout = run([sys.executable, PEERS / "rank_lightgbm.py", "data.npz", "--threads", options.threads], folder, options.threads)
        theirs += json.loads(stdout)["seconds"]
        quality = [answer["metrics"]["test"]["metrics"]["ndcg@10"]["value"], json.loads(stdout)["ndcg@10"]]
    line("LambdaMART, 100 trees, LightGBM", median(ours), median(theirs), "s")
    line("  NDCG@10 of them on new queries", *quality, "", more_is_better=True)


def read(options, folder):
    n_queries = max(1, options.mb * 1_000_000 // (DOCUMENTS * WIDTH * 11))
    letor(folder / "big.txt", *made(n_queries, 3))
    letor(folder / "small.txt", *made(1, 4))
    size = (folder / "big.txt").stat().st_size / 1e6
    path = config(folder, "read", "{train: big.txt, test: small.txt}", "lambdamart", "{n_estimators: 1}")
    ours, theirs = [], []
    for _ in range(options.runs):
        ours.append(trained(folder, path, options.threads)["seconds"]["read"])
        _, stdout = run([sys.executable, PEERS / "read_svmlight.py", "big.txt"], folder, options.threads)
        theirs += json.loads(stdout)["seconds"]
    line(f"reading {size:.0f} MB of LETOR, scikit-learn", median(ours), median(theirs), "s")


def benchmarked(folder, model, block, threads):
    """Documents per second here, and the exported file."""
    out = folder / f"{model}-onnx"
    command = [MLOPS, "export", model, "--format", "onnx", "--output", out, "--benchmark", "--batch-sizes", block]
    _, stdout = run([*command, "--repetitions", 200, "--json", "--yes"], folder, threads)
    timings = json.loads(stdout)["latency"]["timings"]
    return block / next(one["p50_us"] for one in timings if one["subject"] == "model") * 1e6, out / "model.onnx"


def score(options, folder):
    files, block = prepared(folder), 2048
    network = config(folder, "net", files, "lambdarank", "{hidden_dims: [256, 128, 64]}", "{epochs: 1, early_stopping: null}")
    forest = config(folder, "forest", files, "lambdamart", "{n_estimators: 100, num_leaves: 31}")
    for path, model in [(network, "net"), (forest, "forest")]:
        trained(folder, path, options.threads)
        ours, peers, onnx = [], [], []
        for _ in range(options.runs):
            rate, file = benchmarked(folder, model, block, options.threads)
            ours.append(rate)
            if model == "net":
                _, stdout = run([sys.executable, PEERS / "rank_torch.py", "score", "--threads", options.threads], folder, options.threads)
                peers.append(json.loads(stdout)[f"torch_block{block}"])
            else:
                command = [sys.executable, PEERS / "rank_lightgbm.py", "data.npz", "--threads", options.threads]
                _, stdout = run(command, folder, options.threads)
                peers.append(json.loads(stdout)["documents_per_second"])
            _, stdout = run([sys.executable, PEERS / "score_onnxruntime.py", file, "--threads", options.threads], folder, options.threads)
            onnx.append(json.loads(stdout)["documents_per_second"])
        name = "network" if model == "net" else "100 trees"
        line(f"scoring, {name}, {'PyTorch' if model == 'net' else 'LightGBM'}", median(ours), median(peers), "docs/s", True)
        line(f"scoring, {name}, ONNX Runtime with our file", median(ours), median(onnx), "docs/s", True)


def whole(options, folder):
    source = Path(options.mq2008)
    if not (source / "train.txt").exists():
        print(f"{source} is not there: `whole` is left out (--mq2008)")
        return
    files = f"{{train: {source}/train.txt, validation: {source}/vali.txt, test: {source}/test.txt}}"
    for loss in options.losses:
        path = config(folder, f"whole_{loss}", files, loss, features="[standardize]")
        ours, theirs, quality = [], [], []
        for _ in range(options.runs):
            seconds, stdout = run([MLOPS, "train", path, "--json"], folder, options.threads)
            ours.append(seconds)
            answer = json.loads(stdout)["trained"][0]
            command = [sys.executable, PEERS / "rank_torch.py", "train", loss, source, "--threads", options.threads]
            seconds, stdout = run(command, folder, options.threads)
            theirs.append(seconds)
            quality = [answer["metrics"]["test"]["metrics"]["ndcg@10"]["value"], json.loads(stdout)["test"]]
        line(f"train {loss} on MQ2008 fold 1, whole, PyTorch script", median(ours), median(theirs), "s")
        line("  NDCG@10 on test", *quality, "", more_is_better=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="epochs,trees,read,score,whole")
    parser.add_argument("--losses", type=lambda text: text.split(","), default=LOSSES)
    parser.add_argument("--mq2008", default="/work/shared/data/ranking/mq2008-fold1")
    for name, value in {"runs": 5, "threads": 2, "mb": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    parts = {"epochs": epochs, "trees": trees, "read": read, "score": score, "whole": whole}
    print(processor())
    print(f"{'':58} {'mlops':>14} {'peer':>14}")
    folder = Path(tempfile.mkdtemp(prefix="rank_bench_"))
    try:
        run([MLOPS, "init", folder], ROOT, options.threads)
        for name in options.only.split(","):
            parts[name](options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
