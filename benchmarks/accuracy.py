"""Is the default model worth its minutes? Amino-acid composition against `tiny`, on one split of one FASTA file.

    python benchmarks/accuracy.py deeploc_data.fasta
    python benchmarks/accuracy.py deeploc_data.fasta --run outputs/RUN --json accuracy.json

The baseline knows only how often each of the twenty residues occurs and how long the protein is, and fits a logistic
regression on that; its strength is chosen on the validation proteins. The default model is trained by `train.py` as a
user would, or read from `--run`. Both see the same training proteins; the test proteins are measured once. Intervals
are 95 % bootstrap percentiles over proteins.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from protloc.config import DeepLocData
from protloc.data.corpus import load_corpus
from protloc.tasks.confusion import bootstrap_intervals, confusion_matrix, figures

ROOT = Path(__file__).resolve().parents[1]
RESIDUES = b"ACDEFGHIKLMNPQRSTVWY"


def composition(proteins: datasets.Dataset) -> np.ndarray:
    """Share of each residue and the log of the length, `(N, 21)`, float64."""
    rows = []
    for sequence in proteins["sequence"]:
        counts = np.bincount(np.frombuffer(sequence.encode(), dtype=np.uint8), minlength=256)[list(RESIDUES)]
        rows.append([*(counts / len(sequence)), np.log(len(sequence))])
    return np.array(rows)


def measured(true: np.ndarray, predicted: np.ndarray, classes: int, seconds: float) -> dict[str, Any]:
    """The summary figures with their intervals."""
    matrix = confusion_matrix(true, predicted, classes)
    found = figures(matrix)
    return {
        "accuracy": found["accuracy"], "mcc": found["mcc"], "macro_f1": found["macro_f1"],
        "interval_95": bootstrap_intervals(matrix), "seconds": round(seconds, 1),
    }  # fmt: skip


def baseline(path: str) -> dict[str, Any]:
    """Composition and logistic regression."""
    corpus = load_corpus(DeepLocData(path=path))
    assert corpus.test is not None, "the file flags no test proteins"
    began = time.perf_counter()
    splits = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    x = {name: composition(split) for name, split in splits.items()}
    y = {name: np.asarray(split["label"]) for name, split in splits.items()}
    fitted = []
    for strength in (0.01, 0.1, 1.0, 10.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        model.fit(x["train"], y["train"])
        fitted.append((model.score(x["validation"], y["validation"]), model))
    best = max(fitted, key=lambda pair: pair[0])[1]
    seconds = time.perf_counter() - began
    return measured(y["test"], best.predict(x["test"]), len(corpus.labels.names), seconds)


def default_model(path: str, run: Path | None) -> dict[str, Any]:
    """The default model's figures from its `metrics.json`."""
    if run is None:
        run = ROOT / "outputs" / "benchmark_accuracy"
        command = [
            sys.executable,
            "train.py",
            "data=deeploc",
            f"data.path={Path(path).resolve()}",
            f"hydra.run.dir={run}",
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    metrics = json.loads((run / "metrics.json").read_text())
    test = metrics["test"]
    return {name: test[name] for name in ("accuracy", "mcc", "macro_f1", "interval_95")} | {
        "seconds": metrics["seconds"]["training"]
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fasta", help="a file in DeepLoc 1.0's format, with test proteins")
    parser.add_argument("--run", type=Path, help="a finished run of the default model on the same file")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    results = {
        "composition + logistic regression": baseline(options.fasta),
        "tiny (default)": default_model(options.fasta, options.run),
    }
    print(f"{'model':36}{'test accuracy (95 %)':28}{'MCC (95 %)':26}{'macro F1':10}{'training, s':>12}")
    for name, r in results.items():
        (a, b), (c, d) = r["interval_95"]["accuracy"], r["interval_95"]["mcc"]
        accuracy, mcc = f"{r['accuracy']:.1%} ({a:.1%} to {b:.1%})", f"{r['mcc']:.3f} ({c:.3f} to {d:.3f})"
        print(f"{name:36}{accuracy:28}{mcc:26}{r['macro_f1']:<10.3f}{r['seconds']:12,.0f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
