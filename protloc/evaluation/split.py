"""One split, measured: its figures, and the tables of its predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from protloc.data.answers import columns, rows
from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein
from protloc.data.tables import TableWriter
from protloc.tasks.task import Task


@dataclass(frozen=True)
class Evaluation:
    """One split, evaluated.

    Attributes:
        proteins: N rows of the corpus.
        logits: shape `(N, W)`, float32, in their order.
        figures: those of the task, the number of proteins and the `loss`.
    """

    proteins: datasets.Dataset
    logits: np.ndarray
    figures: dict[str, Any]


def evaluate(task: Task, proteins: datasets.Dataset, logits: np.ndarray, loss: float) -> Evaluation:
    """Measure what a model said of `proteins`: `logits (N, W)`, `loss` their mean."""
    figures = task.figures(logits, np.asarray(proteins["label"]))
    return Evaluation(proteins, logits, {"proteins": len(proteins), "loss": loss, **figures})


def write_predictions(evaluation: Evaluation, task: Task, encoder: ResidueEncoder, run_dir: Path, split: str) -> None:
    """Write `predictions_SPLIT.csv`, predict.py's table beside the truth, and `mistakes_SPLIT.csv`."""
    proteins = [Protein(id=row["id"], sequence=row["sequence"]) for row in evaluation.proteins]
    answers = list(rows(proteins, evaluation.logits, task, encoder))
    truth = evaluation.proteins["location"][:]
    with TableWriter(run_dir / f"predictions_{split}.csv", [*columns(task), "true"], overwrite=True) as table:
        table.write([{**answer, "true": true} for answer, true in zip(answers, truth, strict=True)])
    names = ["id", "true", "predicted", "probability", "length"]
    with TableWriter(run_dir / f"mistakes_{split}.csv", names, overwrite=True) as table:
        table.write(list(_mistakes(evaluation, task, answers, truth)))


def _mistakes(
    evaluation: Evaluation, task: Task, answers: list[dict[str, Any]], truth: list[str]
) -> Iterator[dict[str, Any]]:
    """The proteins predicted wrong, the surest first: where the labels or the model deserve a look."""
    right = task.right(evaluation.logits, np.asarray(evaluation.proteins["label"]))
    wrong = [(true, answer) for true, answer, fine in zip(truth, answers, right, strict=True) if not fine]
    for true, answer in sorted(wrong, key=lambda pair: -pair[1]["probability"]):
        yield {
            "id": answer["id"],
            "true": true,
            "predicted": answer["location"],
            "probability": answer["probability"],
            "length": answer["length"],
        }


def cropped(proteins: datasets.Dataset, max_residues: int | None) -> dict[str, int]:
    """How many proteins are longer than the model reads, and how many residues it misses."""
    lengths = np.asarray(proteins["length"])
    over = (lengths - max_residues).clip(min=0) if max_residues else np.zeros_like(lengths)
    return {"cropped_proteins": int((over > 0).sum()), "cropped_residues": int(over.sum())}
