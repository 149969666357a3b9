"""The figures of a run, measured at its end: validation, and the test proteins for the first and only time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
from transformers import Trainer

from protloc.tasks.confusion import LocalizationMetrics, bootstrap_intervals
from protloc.training.trainer import predict_logits


@dataclass(frozen=True)
class Evaluation:
    """One split, evaluated.

    Attributes:
        proteins: N rows of the corpus.
        logits: shape `(N, C)`, float32, in their order.
        figures: those of `LocalizationMetrics`, with `per_class` by name, `loss`, and 95 % intervals.
    """

    proteins: datasets.Dataset
    logits: np.ndarray
    figures: dict[str, Any]


def evaluate_split(trainer: Trainer, split: str, proteins: datasets.Dataset, names: tuple[str, ...]) -> Evaluation:
    """Predict `proteins` with the trainer's best weights and measure; `split` names them for the logging service."""
    logits, loss = predict_logits(trainer, proteins, split)
    predicted, true = logits.argmax(axis=1), np.asarray(proteins["label"])
    figures = LocalizationMetrics(len(names)).compute(predictions=predicted, references=true)
    figures["per_class"] = dict(zip(names, figures["per_class"], strict=True))
    figures["interval_95"] = bootstrap_intervals(np.asarray(figures["confusion_matrix"]))
    return Evaluation(proteins, logits, {"proteins": len(proteins), "loss": loss, **figures})


def cropped(proteins: datasets.Dataset, max_residues: int | None) -> dict[str, int]:
    """How many proteins are longer than the model reads, and how many residues it misses."""
    lengths = np.asarray(proteins["length"])
    over = (lengths - max_residues).clip(min=0) if max_residues else np.zeros_like(lengths)
    return {"cropped_proteins": int((over > 0).sum()), "cropped_residues": int(over.sum())}
