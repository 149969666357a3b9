"""Does it pay to stop hopeless runs? The same search with and without, each for the same seconds.

    python benchmarks/search.py deeploc_data.fasta --seconds 600 --seeds 1 2 3

A small corpus is made of every N-th protein of the file (DeepLoc 1.0's format; its test proteins stay test proteins).
Then, for each seed, the search of conf/experiment/search.yaml chooses options of the small model `tiny`, with
hydra.sweeper.pruner=median, the default, and with null: both at the same time, each on half of the cores, so that what
else the machine does is the same for both. No trial begins after --seconds; what had begun ends. Shown are the trials,
the epochs that they took, and the best validation figure after parts of the time; then the test figure of the setting
that validation chose.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna

ROOT = Path(__file__).resolve().parents[1]
PARTS = (0.25, 0.5, 1.0)


def sample(fasta: Path, count: int, out: Path) -> None:
    """Write about `count` records of `fasta`, evenly spread."""
    records = fasta.read_text().split("\n>")
    records[0] = records[0].removeprefix(">")
    step = max(1, len(records) // count)
    out.write_text("".join(f">{record.strip()}\n" for record in records[::step]))


def start(folder: Path, fasta: Path, pruner: str, seed: int, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """A search in the background, with its share of the cores."""
    shutil.rmtree(folder, ignore_errors=True)
    words = [
        "-m", "experiment=search", "model=tiny", "data=deeploc", f"data.path={fasta}", "trainer.gpus=0", f"seed={seed}",
        f"trainer.epochs={options.epochs}", f"model.max_residues={options.residues}", f"hydra.sweep.dir={folder}",
        f"hydra.sweeper.pruner={pruner}", f"hydra.sweeper.seed={seed}", f"hydra.sweeper.timeout={options.seconds}",
        f"hydra.sweeper.n_trials={options.trials}",
    ]  # fmt: skip
    threads = str(max(1, (os.cpu_count() or 2) // 2))
    environment = {**os.environ, "PROTLOC_CACHE": str(folder.parent / "cache"), "OMP_NUM_THREADS": threads}
    with open(f"{folder}.log", "w") as log:
        return subprocess.Popen([sys.executable, "train.py", *words], cwd=ROOT, env=environment, stdout=log, stderr=log)


def found(folder: Path, seconds: float) -> dict[str, Any]:
    """What a search had found after each part of the time, and what it took."""
    storage = f"sqlite:///{folder / 'search.db'}"
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    began = min(trial.datetime_start for trial in trials if trial.datetime_start)
    ends = {
        trial.number: (trial.datetime_complete - began).total_seconds() for trial in trials if trial.datetime_complete
    }
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    best = max(done, key=lambda trial: trial.value or 0.0)
    metrics = json.loads((folder / str(best.number) / "metrics.json").read_text())
    return {
        "trials": len(trials),
        "to their end": len(done),
        "epochs": sum(len(trial.intermediate_values) for trial in trials),
        "seconds": round(max(ends.values())),
        "best after": {
            part: max((t.value or 0.0 for t in done if ends[t.number] <= part * seconds), default=float("nan"))
            for part in PARTS
        },
        "best": best.value,
        "test": metrics["test"]["mcc"],
    }


def show(results: dict[str, list[dict[str, Any]]], seeds: Sequence[int]) -> None:
    """The table, a row a search."""
    shares = " | ".join(f"best MCC after {part:.0%}" for part in PARTS)
    print(
        f"| seed | hopeless runs | trials | to their end | epochs | seconds | {shares} | at its end | test MCC of it |"
    )
    print("|" + "---|" * (8 + len(PARTS)))
    for i, seed in enumerate(seeds):
        for name, rows in results.items():
            r = rows[i]
            after = " | ".join(f"{value:.3f}" for value in r["best after"].values())
            print(
                f"| {seed} | {name} | {r['trials']} | {r['to their end']} | {r['epochs']} | {r['seconds']:,} | {after} "
                f"| {r['best']:.3f} | {r['test']:.3f} |"
            )


def main() -> None:
    """Search, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fasta", type=Path, help="a file in DeepLoc 1.0's format, with test proteins")
    parser.add_argument("--proteins", type=int, default=1500, help="about as many of them are taken")
    parser.add_argument("--residues", type=int, default=300, help="model.max_residues")
    parser.add_argument("--epochs", type=int, default=8, help="of a run")
    parser.add_argument("--trials", type=int, default=30, help="at most")
    parser.add_argument("--seconds", type=float, default=600, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "benchmark_search")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    fasta = folder / "proteins.fasta"
    sample(options.fasta, options.proteins, fasta)
    kinds = {"stopped": "median", "to their end": "null"}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}
    for seed in options.seeds:
        folders = {name: folder / f"{pruner}-{seed}" for name, pruner in kinds.items()}
        going = [start(folders[name], fasta, pruner, seed, options) for name, pruner in kinds.items()]
        codes = [process.wait() for process in going]
        if any(codes):
            sys.exit(f"a search has failed; its log is in {folder}")
        for name, where in folders.items():
            results[name].append(found(where, options.seconds))
            print(f"seed {seed}, {name}: {results[name][-1]}", file=sys.stderr, flush=True)
    show(results, options.seeds)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
