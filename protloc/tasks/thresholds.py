"""The probability from which a class is said to apply, chosen by the largest MCC."""

from __future__ import annotations

import numpy as np

UNDECIDED = 0.5
"""The threshold where the proteins at hand say nothing: all of them are in the class, or none is."""


def best_threshold(probabilities: np.ndarray, true: np.ndarray) -> float:
    """The threshold with the largest Matthews correlation; of several equal ones the one nearest to 0.5.

    A protein is in the class where its probability is at least the threshold. Thresholds tried stand in the middle
    between two neighbouring probabilities, so that rounding decides nothing.

    Args:
        probabilities: shape `(N,)`.
        true: shape `(N,)`, bool.
    """
    if true.all() or not true.any():
        return UNDECIDED
    order = np.argsort(-probabilities, kind="stable")
    sorted_N, hits = probabilities[order], np.cumsum(true[order]).astype(float)[:-1]
    total, positives, predicted = float(len(true)), float(true.sum()), np.arange(1.0, len(true))
    covariance = hits * total - predicted * positives
    mcc = covariance / np.sqrt(predicted * (total - predicted) * positives * (total - positives))
    mcc[sorted_N[:-1] == sorted_N[1:]] = -np.inf  # no threshold stands between equal probabilities
    middles = (sorted_N[:-1] + sorted_N[1:]) / 2
    best = np.flatnonzero(mcc >= mcc.max() - 1e-12)
    if not np.isfinite(mcc).any():
        return UNDECIDED
    return float(middles[best[np.abs(middles[best] - UNDECIDED).argmin()]])


def best_thresholds(probabilities: np.ndarray, true: np.ndarray) -> np.ndarray:
    """`best_threshold` of each of C classes: from `(N, C)` and `(N, C)`, bool, to `(C,)`."""
    return np.array([best_threshold(p, t) for p, t in zip(probabilities.T, true.T, strict=True)])
