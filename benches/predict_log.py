"""Times what `predict --log` costs over `predict`, per logged prediction; prints one table.

    cargo build --release
    python benches/predict_log.py [--mlops target/release/mlops] [--rounds 7] [--rows 10000]

Whole processes, with and without `--log`, taking turns, the first of each round changing; `--no-record` on both sides.
The cost is the median of the rounds' differences over the rows that are logged. Two models: the repository's reviews
(text: one fact a row) and ten numeric columns (ten facts a row).
"""

import argparse
import csv
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NUMBERS = """\
experiment: {name: numbers}
data: {source: data/numbers.csv, columns: {id: id, features: [%s], label: label}, split: {train: 0.8, validation: 0.1, test: 0.1}}
model: {name: numbers, kind: logistic_regression, params: {}}
evaluation: {metrics: [f1], bootstrap: 0}
"""


def write_numbers(path, rows, seed):
    draw = random.Random(seed)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", *[f"x{at}" for at in range(10)], "label"])
        for row in range(rows):
            values = [draw.gauss(0, 1) for _ in range(10)]
            out.writerow([f"row-{row}", *[f"{value:.6f}" for value in values], int(sum(values) + draw.gauss(0, 1) > 0)])


def write_reviews(path, rows):
    with open(ROOT / "data/reviews.csv", newline="") as file:
        known = list(csv.DictReader(file))
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "text"])
        for row in range(rows):
            out.writerow([row, known[row % len(known)]["text"]])


def seconds(command, folder):
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def prepare(mlops, folder, rows):
    subprocess.run([mlops, "init", ".", "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    write_numbers(folder / "data/numbers.csv", 2000, 1)
    config = folder / "experiments/numbers/config.yaml"
    config.parent.mkdir()
    config.write_text(NUMBERS % ", ".join(f"x{at}" for at in range(10)))
    for experiment in ["reviews_lr", "numbers"]:
        subprocess.run([mlops, "-q", "train", f"experiments/{experiment}/config.yaml", "--set", "evaluation.bootstrap=0"],
                       cwd=folder, check=True, stdout=subprocess.DEVNULL)
    write_numbers(folder / "numbers.csv", rows, 2)
    write_reviews(folder / "reviews.csv", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlops", default=str(ROOT / "target/release/mlops"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=10_000)
    asked = parser.parse_args()
    mlops = shutil.which(asked.mlops)
    if mlops is None:
        sys.exit(f"there is no program {asked.mlops}: cargo build --release")
    mlops = str(Path(mlops).resolve())
    print(f"{'model':<10}{'rows':>8}{'without s':>12}{'with s':>10}{'us a prediction':>18}{'bytes a record':>16}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(mlops, folder, asked.rows)
        for model in ["reviews", "numbers"]:
            ask = [mlops, "-q", "predict", f"{model}/1", "--input", f"{model}.csv", "--output", "out.csv", "--no-record"]
            sides = [ask, [*ask, "--log"]]
            for side in sides:
                seconds(side, folder)
            taken = [[], []]
            for turn in range(asked.rounds):
                for at in [turn % 2, 1 - turn % 2]:
                    taken[at].append(seconds(sides[at], folder))
            cost = statistics.median(b - a for a, b in zip(*taken)) / asked.rows * 1e6
            texts = [file.read_bytes() for file in (folder / "data/predictions" / model / "v1").glob("*.ndjson")]
            size = sum(map(len, texts)) / (sum(text.count(b"\n") for text in texts) - 1)
            without, with_log = map(statistics.median, taken)
            print(f"{model:<10}{asked.rows:>8,}{without:>12.3f}{with_log:>10.3f}{cost:>18.1f}{size:>16.0f}")


if __name__ == "__main__":
    main()
