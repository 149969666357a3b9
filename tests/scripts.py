"""The scripts as users run them, by their command lines; see tests/forked.py."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

from tests import forked

ROOT = Path(__file__).resolve().parents[1]
DEEPLOC = ROOT.parent / "shared" / "data" / "deeploc"
"""Real proteins, where they are; never part of the repository."""

SMALL_TINY = (
    "model.from_scratch.hidden_size=16", "model.from_scratch.filters=4", "model.from_scratch.num_hidden_layers=1",
    "model.from_scratch.embedding_size=20", "model.from_scratch.towers=2", "trainer.batch_size=8",
)  # fmt: skip
"""Overrides that make `tiny` train in a moment."""


def run(
    script: str, *arguments: str, cwd: Path | None = None, stdin: str | None = None, cache: Path | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run train.py or predict.py to its end.

    Args:
        script: its file name.
        arguments: its command line.
        cwd: where it runs; the checkout by default.
        stdin: text for standard input.
        cache: folder for parsed data.
        fresh: in a process of its own, which imports everything itself.
    """
    environment = {**os.environ, **forked.ONE_THREAD, "WANDB_SILENT": "true"}
    if cache is not None:
        environment["PROTLOC_CACHE"] = str(cache)
    return (subprocess.run if fresh else forked.run)(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd or ROOT, input=stdin, capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip


def fasta(path: Path, count: int, prefix: str = "p", labels: bool = True) -> Path:
    """`count` proteins in three classes, each with a favourite residue, 5 to 64 residues long."""
    lines = []
    for i in range(count):
        kind = i % 3
        letters = "".join(
            ("LKS"[kind] if j % 3 else "ACDEFGHIKLMNPQRSTVWY"[(7 * i + j) % 20]) for j in range(5 + i % 60)
        )
        location = f" human {('Golgi', 'Nucleus', 'Plastid')[kind]}" if labels else ""
        lines.append(f">{prefix}{i}{location}\n{letters}\n")
    path.write_text("".join(lines))
    return path


def train(folder: Path, name: str, *more: str, fresh: bool = False) -> None:
    """Train on the folder's files, two epochs unless `more` says otherwise, into `folder / name`."""
    result = run(
        "train.py", "data=fasta", "data.train=train.fasta", "data.test=test.fasta", "trainer.epochs=2", *SMALL_TINY,
        "model.max_residues=40", "trainer.precision=fp32", "trainer.gpus=0", f"hydra.run.dir={name}", *more,
        cwd=folder, cache=folder / "cache", fresh=fresh,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
