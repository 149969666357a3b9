"""Which protein goes where: seeded, stratified, in the order of the data."""

from __future__ import annotations

import numpy as np


def stratified_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a share of each class.

    A class of three or more gives at least one and keeps at least two; smaller ones stay whole.

    Args:
        labels: shape `(N,)`, class numbers.
        share: of each class to be held out, rounded to the nearest protein.
        seed: of the choice.

    Returns:
        Indices that stay and indices held out, both ascending, int64.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(members))), max(0, len(members) - 2))
        held[rng.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified_first(labels: np.ndarray, count: int) -> np.ndarray:
    """The first proteins of each class, `count` together, each class by its share.

    Every class keeps at least one protein where `count` allows; the largest remainders get what rounding leaves over.

    Args:
        labels: shape `(N,)`, class numbers.
        count: how many proteins to take; all where there are fewer.

    Returns:
        Indices, ascending, int64.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * count / len(labels)
    quota = np.floor(exact).astype(int)
    if count >= len(classes):
        quota = quota.clip(min=1)
    while quota.sum() > count:  # the classes that were raised to one protein are paid for by the largest
        quota[np.argmax(quota)] -= 1
    order = np.argsort(-(exact - quota), kind="stable")
    for index in order[: count - quota.sum()]:
        quota[index] += 1
    taken = [np.flatnonzero(labels == label)[:n] for label, n in zip(classes, quota, strict=True)]
    return np.sort(np.concatenate(taken))
