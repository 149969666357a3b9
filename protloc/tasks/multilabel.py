"""Several places a protein: a sigmoid for each class, and a threshold for each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from protloc.config import TrainerConfig
from protloc.tasks.labels import BETWEEN
from protloc.tasks.losses import BinaryCrossEntropy, Loss, balanced_weights
from protloc.tasks.sets import AVERAGED, bootstrap_intervals, figures
from protloc.tasks.task import Figure, Task
from protloc.tasks.thresholds import UNDECIDED, best_thresholds

STRATUM = 20
"""Proteins with one set of classes that make a stratum; rarer sets go by their rarest class."""


@dataclass(frozen=True)
class Multilabel(Task):
    """Each protein is in one class or more.

    Attributes:
        thresholds: the probability from which each class is said to apply, `(C,)`; empty: 0.5 for all.
    """

    thresholds: tuple[float, ...] = ()

    name = "multilabel"
    problem_type = "multi_label_classification"
    headline = (
        Figure("micro_f1", "micro F1", ".3f"),
        Figure("macro_f1", "macro F1", ".3f"),
        Figure("jaccard", "Jaccard", ".3f"),
        Figure("subset_accuracy", "exact sets", ".1%"),
        Figure("mcc", "MCC", ".3f"),
        Figure("average_precision", "average precision", ".3f"),
    )
    per_class = ("threshold", "precision", "recall", "f1", "mcc", "average_precision")

    @property
    def monitors(self) -> tuple[str, ...]:
        """See `Task.monitors`."""
        return (*AVERAGED, "loss")

    @property
    def limits(self) -> np.ndarray:
        """The thresholds, `(C,)`."""
        return np.array(self.thresholds or (UNDECIDED,) * len(self.labels))

    def places(self, text: str) -> list[str]:
        """The parts of the text."""
        return text.split(BETWEEN)

    def class_targets(self, locations: Sequence[str]) -> np.ndarray:
        """Shape `(N, C)`, float32."""
        numbers = {name: i for i, name in enumerate(self.names)}
        made = np.zeros((len(locations), len(self.labels)), dtype=np.float32)
        for row, text in zip(made, locations, strict=True):
            row[[numbers[name] for name in self.places(text)]] = 1
        return made

    def members(self, targets: np.ndarray) -> np.ndarray:
        """See `Task.members`."""
        return targets[:, : len(self.labels)] > 0.5

    def strata(self, locations: Sequence[str]) -> np.ndarray:
        """Sets of classes, where enough proteins have them; of rarer sets the rarest class."""
        sets = Counter(locations)
        sizes: Counter[str] = Counter()
        for text, count in sets.items():
            sizes.update(dict.fromkeys(self.places(text), count))
        keys = {
            text: (0, text) if count >= STRATUM else (1, min(self.places(text), key=lambda name: (sizes[name], name)))
            for text, count in sets.items()
        }
        numbers = {key: i for i, key in enumerate(sorted(set(keys.values())))}
        return np.array([numbers[keys[text]] for text in locations], dtype=np.int64)

    def loss(self, options: TrainerConfig, targets: np.ndarray) -> Loss:
        """Binary cross-entropy by protein and class."""
        members = self.members(targets)
        weights = balanced_weights(members.sum(0)) if options.class_weights == "balanced" else None
        return BinaryCrossEntropy(
            len(self.labels), options.label_smoothing, weights, options.focal_gamma, options.membrane_weight,
            torch.tensor(members.mean(0), dtype=torch.float32),
        )  # fmt: skip

    def probabilities(self, logits: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """A sigmoid each, in float64."""
        shares = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
        shares[:, list(excluded)] = 0.0
        return shares

    def decide(self, probabilities: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """The classes that reach their thresholds; where none does, the one that is nearest to it."""
        margins = probabilities - self.limits
        margins[:, list(excluded)] = -np.inf
        chosen = margins >= 0
        nearest = np.arange(len(self.labels)) == margins.argmax(axis=1)[:, None]
        return np.where(chosen.any(axis=1, keepdims=True), chosen, nearest)

    def doubt(self, shares: np.ndarray, chosen: np.ndarray) -> str:
        """Whether a class was only the nearest to its threshold."""
        return "" if (shares >= self.limits)[chosen].all() else "no place reaches its threshold; the nearest is given"

    def fitted(self, logits: np.ndarray, targets: np.ndarray) -> Self:
        """With a threshold a class, each where its MCC is largest."""
        probabilities = self.probabilities(logits[:, : len(self.labels)])
        thresholds = tuple(best_thresholds(probabilities, self.members(targets)).tolist())
        return dataclasses.replace(super().fitted(logits, targets), thresholds=thresholds)

    def class_figures(self, probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, Any]:
        """See `sets.figures`; each class with its threshold."""
        found = figures(probabilities, predicted, true)
        for row, threshold in zip(found["per_class"], self.limits.tolist(), strict=True):
            row["threshold"] = threshold
        found["interval_95"] = bootstrap_intervals(probabilities, predicted, true)
        return found

    def summary(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """See `Task.summary`."""
        task = self.fitted(logits, targets)
        probabilities = task.probabilities(logits[:, : len(self.labels)])
        found = figures(probabilities, task.decide(probabilities), self.members(targets))
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def draw(self, figures: Mapping[str, Any], title: str, folder: Path) -> None:
        """Each class's precision against its recall, with its threshold."""
        from protloc.tasks.pictures import plot_classes

        plot_classes(figures["per_class"], title, folder / "multilabel_confusion.png")

    def settings(self) -> dict[str, Any]:
        """Also the thresholds."""
        return {**super().settings(), "thresholds": dict(zip(self.names, self.limits.tolist(), strict=True))}
