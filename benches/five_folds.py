"""Quality of every ranker over the five folds of MQ2008, made from fold 1, beside LightGBM; test NDCG@10, empty queries as 0.

    cargo build --release
    python -m venv /tmp/peers && /tmp/peers/bin/pip install lightgbm==4.7.* scikit-learn==1.9.*
    /tmp/peers/bin/python benches/five_folds.py FOLDER_OF_FOLD_1 [--seeds 1,2,3,4,5]

LETOR's folds turn five parts of the queries round: fold 1 trains on S1 to S3, stops on S4 and tests on S5, fold 2 trains on S2 to S4,
and so on. Fold 1 holds all five, in order, so the others can be made from it. MQ2008 may be used for research only and is not in
this repository.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.datasets import load_svmlight_file

ROOT = Path(__file__).resolve().parent.parent
MLOPS = os.environ.get("MLOPS_BIN", str(ROOT / "target/release/mlops"))
KINDS = ["ranknet", "lambdarank", "lambdaloss", "listnet", "listmle", "approxndcg", "neuralndcg", "lambdamart"]


def queries(file):
    """The lines of each query, in the order of the file."""
    found, last = [], None
    for line in open(file, encoding="ascii"):
        query = line.split()[1]
        if query != last:
            found.append([])
        found[-1].append(line)
        last = query
    return found


def make_folds(source, folder):
    """Writes `fold1` to `fold5`, each with train.txt, vali.txt and test.txt."""
    train = queries(source / "train.txt")
    third = len(train) // 3
    parts = [train[:third], train[third : 2 * third], train[2 * third :], queries(source / "vali.txt"), queries(source / "test.txt")]
    for fold in range(5):
        place = folder / f"fold{fold + 1}"
        place.mkdir(parents=True)
        turned = parts[fold:] + parts[:fold]
        for name, some in (("train", turned[:3]), ("vali", turned[3:4]), ("test", turned[4:])):
            with open(place / f"{name}.txt", "w", encoding="ascii") as out:
                out.writelines(line for part in some for query in part for line in query)


def ours(folder, kind, fold, seeds):
    """Test NDCG@10 of each seed."""
    trees = kind == "lambdamart"
    place = folder / "experiments" / f"fold{fold}_{kind}"
    place.mkdir(parents=True)
    training = "" if trees else "training: {epochs: 100, batch_size: 16, learning_rate: 0.001}\n"
    (place / "config.yaml").write_text(
        f"experiment: {{name: fold{fold}_{kind}}}\n"
        f"seeds: {[1] if trees else seeds}\n"
        "task: ranking\n"
        f"data: {{files: {{train: fold{fold}/train.txt, validation: fold{fold}/vali.txt, test: fold{fold}/test.txt}}}}\n"
        f"model: {{name: mq2008, kind: {kind}, params: {'{min_data_in_leaf: 20}' if trees else '{hidden_dims: [64, 32]}'}}}\n"
        f"{training}evaluation: {{metrics: [ndcg@10], bootstrap: 0}}\n",
        encoding="utf-8",
    )
    done = subprocess.run([MLOPS, "--json", "train", place / "config.yaml"], cwd=folder, capture_output=True, text=True, check=True)
    return [one["metrics"]["test"]["metrics"]["ndcg@10"]["value"] for one in json.loads(done.stdout)["trained"]]


def ndcg(grades, scores):
    """NDCG@10 of one query: gains 2^grade - 1; 0 without a relevant document."""
    discount = 1 / np.log2(np.arange(2, 12))
    value = lambda order: ((2.0 ** grades[order][:10] - 1) * discount[: len(grades)]).sum()
    best = value(np.argsort(-grades, kind="stable"))
    return value(np.argsort(-scores, kind="stable")) / best if best > 0 else 0.0


def lightgbm_fold(folder, fold):
    """LightGBM's with the same parameters."""

    def load(name):
        x, y, query = load_svmlight_file(str(folder / f"fold{fold}" / name), query_id=True, n_features=46)
        starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1], True])
        return x.toarray().astype(np.float32), y, starts

    (x, y, starts), (x_test, y_test, starts_test) = load("train.txt"), load("test.txt")
    params = {"objective": "lambdarank", "min_data_in_leaf": 20, "deterministic": True, "seed": 1, "verbose": -1}
    scores = lightgbm.train(params, lightgbm.Dataset(x, y, group=np.diff(starts)), 100).predict(x_test)
    return np.mean([ndcg(y_test[a:b], scores[a:b]) for a, b in zip(starts_test, starts_test[1:])])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("--seeds", default="1,2,3,4,5")
    given = arguments.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_folds(given.source, folder)
        print(f"{'kind':12}  fold 1  fold 2  fold 3  fold 4  fold 5    mean  five-fold means of the seeds")
        for kind in KINDS:
            table = np.array([ours(folder, kind, fold, seeds) for fold in range(1, 6)])
            means, of_seeds = table.mean(1), table.mean(0)
            row = "  ".join(f"{value:.4f}" for value in [*means, means.mean()])
            print(f"{kind:12}  {row}  {of_seeds.min():.4f}-{of_seeds.max():.4f}", flush=True)
        peer = [lightgbm_fold(folder, fold) for fold in range(1, 6)]
        print(f"{'LightGBM':12}  " + "  ".join(f"{value:.4f}" for value in [*peer, np.mean(peer)]))


if __name__ == "__main__":
    main()
