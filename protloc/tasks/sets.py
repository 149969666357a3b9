"""How good sets of classes are: figures for proteins with several places, as DeepLoc 2 reports them.

N proteins, C classes; `true` and `predicted` are `(N, C)`, bool. Thumuluri et al. 2022, "DeepLoc 2.0: multi-label
subcellular localization prediction using protein language models".
"""

from __future__ import annotations

from typing import Any

import numpy as np

AVERAGED = ("subset_accuracy", "jaccard", "hamming_accuracy", "micro_f1", "macro_f1", "mcc", "average_precision")
"""The figures that have an interval."""


def figures(probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Every figure, as plain Python numbers.

    - `mean_labels_true`, `mean_labels_predicted`: classes a protein;
    - `subset_accuracy`: share of proteins with exactly the right set;
    - `jaccard`: mean over proteins of the shared classes by all that are true or predicted;
    - `hamming_accuracy`: share of right answers among N x C;
    - `micro_f1`: F1 over all N x C answers; `macro_f1`, `mcc`: means over the classes that occur or are predicted;
    - `average_precision`: mean, over the classes that occur, of the area under precision by recall;
    - `per_class`: a list of `support, predicted, precision, recall, f1, mcc, average_precision`.

    A ratio without a denominator is 0.0.

    Args:
        probabilities: shape `(N, C)`, for `average_precision` alone.
        predicted: the sets that were decided for.
        true: the right ones.
    """
    weights = np.ones((1, len(true)))
    counts = _Counts(probabilities, predicted, true, weights)
    per_class = [
        {
            "support": int(support), "predicted": int(said), "precision": float(precision), "recall": float(recall),
            "f1": float(f1), "mcc": float(mcc), "average_precision": float(ap),
        }
        for support, said, precision, recall, f1, mcc, ap in zip(
            counts.true[0], counts.predicted[0], counts.precision[0], counts.recall[0], counts.f1[0], counts.mcc[0],
            counts.average_precision[0], strict=True,
        )
    ]  # fmt: skip
    return {
        "mean_labels_true": float(true.sum(1).mean()),
        "mean_labels_predicted": float(predicted.sum(1).mean()),
        **{name: float(values[0]) for name, values in counts.averaged().items()},
        "per_class": per_class,
    }


def bootstrap_intervals(
    probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray, *, samples: int = 1000, level: float = 0.95,
    seed: int = 0,
) -> dict[str, list[float]]:  # fmt: skip
    """Percentile intervals of the averaged figures under resampling of the proteins (Efron 1979).

    Args:
        probabilities: as in `figures`; `predicted` and `true` too.
        predicted: see above.
        true: see above.
        samples: number of resamples.
        level: share of them inside the interval.
        seed: of the resampling.

    Returns:
        `[low, high]` by the names of `AVERAGED`.
    """
    size, rng = len(true), np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {name: [] for name in AVERAGED}
    for start in range(0, samples, 100):  # so many at once as fit the memory: 100 x N weights
        weights = rng.multinomial(size, np.full(size, 1 / size), size=min(100, samples - start)).astype(float)
        for name, values in _Counts(probabilities, predicted, true, weights).averaged().items():
            found[name].append(values)
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: np.quantile(np.concatenate(values), ends).tolist() for name, values in found.items()}


class _Counts:
    """The figures of S resamples; `weights (S, N)` says how often each protein is in each."""

    def __init__(self, probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray, weights: np.ndarray) -> None:
        self.total = weights.sum(1)
        hits = (predicted & true).astype(float)
        self.hits, self.predicted, self.true = (
            weights @ x for x in (hits, predicted.astype(float), true.astype(float))
        )
        right, union = (predicted == true), (predicted | true).sum(1)
        self.subset = weights @ right.all(1) / self.total
        self.hamming = weights @ right.mean(1) / self.total
        self.jaccard = weights @ ratio((predicted & true).sum(1), union) / self.total
        self.precision, self.recall = ratio(self.hits, self.predicted), ratio(self.hits, self.true)
        self.f1 = ratio(2 * self.hits, self.predicted + self.true)
        total = self.total[:, None]
        spread = self.true * (total - self.true) * self.predicted * (total - self.predicted)
        self.mcc = ratio(self.hits * total - self.true * self.predicted, np.sqrt(spread))
        self.average_precision = _average_precision(probabilities, true, weights)

    def averaged(self) -> dict[str, np.ndarray]:
        """Each figure of `AVERAGED`, `(S,)`."""
        seen, met = self.true > 0, (self.true > 0) | (self.predicted > 0)
        micro = ratio(2 * self.hits.sum(1), (self.predicted + self.true).sum(1))
        return {
            "subset_accuracy": self.subset, "jaccard": self.jaccard, "hamming_accuracy": self.hamming,
            "micro_f1": micro, "macro_f1": ratio((self.f1 * met).sum(1), met.sum(1)),
            "mcc": ratio((self.mcc * met).sum(1), met.sum(1)),
            "average_precision": ratio((self.average_precision * seen).sum(1), seen.sum(1)),
        }  # fmt: skip


def _average_precision(probabilities: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The precision at each true protein, in falling order of probability, averaged; `(S, C)`.

    Proteins of equal probability are taken together.
    """
    found = []
    for scores, members in zip(probabilities.T, true.T, strict=True):
        order = np.argsort(-scores, kind="stable")
        falling, drawn, members = -scores[order], weights[:, order], members[order]
        hits = drawn * members
        ends = np.searchsorted(falling, falling[members], side="right") - 1
        precision = ratio(hits.cumsum(1)[:, ends], drawn.cumsum(1)[:, ends])
        found.append(ratio((precision * hits[:, members]).sum(1), hits.sum(1)))
    return np.stack(found, axis=1)


def ratio(above: Any, below: Any) -> Any:
    """Element by element; 0.0 where there is no denominator."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
