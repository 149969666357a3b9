"""One place a protein: a softmax over the classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protloc.config import TrainerConfig
from protloc.tasks.confusion import bootstrap_intervals
from protloc.tasks.losses import CrossEntropy, Loss, balanced_weights
from protloc.tasks.task import Figure, Task


@dataclass(frozen=True)
class SingleLabel(Task):
    """Each protein is in exactly one class."""

    name = "single"
    problem_type = "single_label_classification"
    headline = (
        Figure("accuracy", "accuracy", ".1%"),
        Figure("mcc", "MCC", ".3f"),
        Figure("macro_f1", "macro F1", ".3f"),
    )
    per_class = ("precision", "recall", "f1", "mcc")

    @property
    def monitors(self) -> tuple[str, ...]:
        """See `Task.monitors`."""
        return ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "mcc", "loss")

    def places(self, text: str) -> list[str]:
        """The text itself."""
        return [text]

    def class_targets(self, locations: Sequence[str]) -> np.ndarray:
        """Class numbers `(N,)`, int64."""
        numbers = {name: i for i, name in enumerate(self.names)}
        return np.array([numbers[location] for location in locations], dtype=np.int64)

    def members(self, targets: np.ndarray) -> np.ndarray:
        """See `Task.members`."""
        numbers = targets.reshape(len(targets), -1)[:, 0]
        return numbers[:, None] == np.arange(len(self.labels))

    def strata(self, locations: Sequence[str]) -> np.ndarray:
        """The classes."""
        return self.class_targets(locations)

    def loss(self, options: TrainerConfig, targets: np.ndarray) -> Loss:
        """Cross-entropy."""
        weights = balanced_weights(self.members(targets).sum(0)) if options.class_weights == "balanced" else None
        return CrossEntropy(
            len(self.labels), options.label_smoothing, weights, options.focal_gamma, options.membrane_weight
        )

    def probabilities(self, logits: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """Softmax over the classes that are left, in float64 so that every way to the answer rounds alike."""
        allowed = logits.astype(np.float64)
        allowed[:, list(excluded)] = -np.inf
        exponents = np.exp(allowed - allowed.max(axis=1, keepdims=True))
        shares: np.ndarray = exponents / exponents.sum(axis=1, keepdims=True)
        return shares

    def decide(self, probabilities: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """The most probable class."""
        return np.arange(len(self.labels)) == probabilities.argmax(axis=1)[:, None]

    def class_figures(self, probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, Any]:
        """Figures from the confusion matrix; see `LocalizationMetrics`."""
        found = self._from_matrix(predicted.argmax(1), true.argmax(1))
        found["interval_95"] = bootstrap_intervals(np.asarray(found["confusion_matrix"]))
        return found

    def summary(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """See `Task.summary`."""
        predicted, true = logits[:, : len(self.labels)].argmax(axis=1), self.members(targets).argmax(1)
        return {name: value for name, value in self._from_matrix(predicted, true).items() if isinstance(value, float)}

    def _from_matrix(self, predicted: np.ndarray, true: np.ndarray) -> dict[str, Any]:
        from protloc.tasks.metric import LocalizationMetrics  # late: prediction needs no metrics

        found: dict[str, Any] = LocalizationMetrics(len(self.labels)).compute(predictions=predicted, references=true)
        return found

    def draw(self, figures: Mapping[str, Any], title: str, folder: Path) -> None:
        """The confusion matrix."""
        from protloc.tasks.pictures import plot_confusion

        matrix = np.asarray(figures["confusion_matrix"])
        plot_confusion(matrix, self.names, title, folder / "confusion_matrix.png")
