"""Whether a protein is bound to a membrane: one more output beside the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from protloc.tasks.confusion import confusion_matrix, r_k
from protloc.tasks.losses import UNKNOWN
from protloc.tasks.thresholds import UNDECIDED, best_threshold

UNFITTED = UNDECIDED
"""The threshold before training has fitted one."""

LETTERS = {"M": 1, "S": 0}
"""DeepLoc's letters; U, unknown, is none of them."""


def targets(letters: Sequence[str | None]) -> np.ndarray:
    """Shape `(N,)`, int64: 1 bound, 0 soluble, -1 unknown."""
    return np.array([LETTERS.get(letter or "U", UNKNOWN) for letter in letters], dtype=np.int64)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """From logits `(N,)` to the probability of a membrane, float64."""
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))


def threshold(logits: np.ndarray, wanted: np.ndarray) -> float:
    """The best threshold over the proteins of which it is known; see `best_threshold`."""
    known = wanted != UNKNOWN
    return best_threshold(probabilities(logits[known]), wanted[known] == 1) if known.any() else UNFITTED


def figures(logits: np.ndarray, wanted: np.ndarray, threshold: float) -> dict[str, Any]:
    """Accuracy, MCC and the threshold, over the proteins of which it is known."""
    known = wanted != UNKNOWN
    true, predicted = (wanted[known] == 1).astype(int), (probabilities(logits[known]) >= threshold).astype(int)
    matrix = confusion_matrix(true, predicted, 2)
    return {
        "proteins": int(known.sum()),
        "bound": int(true.sum()),
        "accuracy": float((true == predicted).mean()) if known.any() else 0.0,
        "mcc": r_k(matrix),
        "threshold": threshold,
    }
