"""How good a classifier is: every figure from the confusion matrix, with no download.

N proteins, C classes. The confusion matrix counts true classes in rows and predicted ones in columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protloc.tasks.sets import ratio


def confusion_matrix(references: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts `(C, C)`, int64, from two arrays `(N,)` of class indices."""
    flat = np.bincount(references * num_classes + predictions, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def figures(matrix: np.ndarray) -> dict[str, Any]:
    """All figures of `protloc.tasks.metric` from a confusion matrix `(C, C)`, as plain Python numbers."""
    hits, true, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    total = int(matrix.sum())
    recall, precision = ratio(hits, true), ratio(hits, predicted)
    f1 = ratio(2 * hits, true + predicted)
    seen = true > 0
    met = seen | (predicted > 0)
    accuracy = float(ratio(hits.sum(), total))
    per_class = [
        {"support": int(t), "precision": float(p), "recall": float(r), "f1": float(f), "mcc": float(m)}
        for t, p, r, f, m in zip(true, precision, recall, f1, _class_mcc(hits, true, predicted, total), strict=True)
    ]
    return {
        "accuracy": accuracy,
        "balanced_accuracy": float(recall[seen].mean()) if seen.any() else 0.0,
        "macro_f1": float(f1[met].mean()) if met.any() else 0.0,
        "micro_f1": accuracy,  # with one label a protein, the two are the same number
        "mcc": r_k(matrix),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }


def r_k(matrix: np.ndarray) -> float:
    """The multi-class Matthews correlation, from -1 to 1; 0.0 where one class is all there is."""
    true, predicted = matrix.sum(1).astype(float), matrix.sum(0).astype(float)
    total = matrix.sum(dtype=float)
    covariance = np.trace(matrix) * total - true @ predicted
    spread = np.sqrt((total**2 - predicted @ predicted) * (total**2 - true @ true))
    return float(covariance / spread) if spread > 0 else 0.0


def bootstrap_intervals(
    matrix: np.ndarray, *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, list[float]]:
    """Percentile intervals of the summary figures under resampling of the proteins (Efron 1979).

    To draw N proteins with replacement is to draw the confusion matrix from a multinomial distribution.

    Args:
        matrix: counts `(C, C)`.
        samples: number of resamples.
        level: share of them inside the interval.
        seed: of the resampling.

    Returns:
        `[low, high]` for `accuracy`, `balanced_accuracy`, `macro_f1` and `mcc`.
    """
    total = int(matrix.sum())
    drawn = np.random.default_rng(seed).multinomial(total, matrix.ravel() / total, size=samples)
    resampled = [figures(counts.reshape(matrix.shape)) for counts in drawn]
    ends = [(1 - level) / 2, (1 + level) / 2]
    names = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")
    return {name: np.quantile([f[name] for f in resampled], ends).tolist() for name in names}


def _class_mcc(hits: np.ndarray, true: np.ndarray, predicted: np.ndarray, total: int) -> np.ndarray:
    """Each class against all others, shape `(C,)`."""
    hits, true, predicted = (x.astype(float) for x in (hits, true, predicted))
    return ratio(hits * total - true * predicted, np.sqrt(true * (total - true) * predicted * (total - predicted)))
