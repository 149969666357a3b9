"""Figures for several places a protein, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics as sk

from protloc.tasks.sets import AVERAGED, bootstrap_intervals, figures


def drawn(seed: int = 0, size: int = 300, classes: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, decisions and truth; the last class is rare."""
    rng = np.random.default_rng(seed)
    true = rng.random((size, classes)) < np.linspace(0.5, 0.03, classes)
    true[~true.any(1), 0] = True
    probabilities = np.clip(0.3 + 0.4 * true + rng.normal(0, 0.25, true.shape), 0.001, 0.999)
    return probabilities, probabilities > 0.55, true


def test_figures_agree_with_scikit_learn() -> None:
    probabilities, predicted, true = drawn()
    found = figures(probabilities, predicted, true)
    assert found["mean_labels_true"] == pytest.approx(true.sum() / 300)
    assert found["mean_labels_predicted"] == pytest.approx(predicted.sum() / 300)
    assert found["subset_accuracy"] == pytest.approx(sk.accuracy_score(true, predicted))
    assert found["jaccard"] == pytest.approx(sk.jaccard_score(true, predicted, average="samples", zero_division=0))
    assert found["hamming_accuracy"] == pytest.approx(1 - sk.hamming_loss(true, predicted))
    assert found["micro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="micro"))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="macro"))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(true, probabilities, average="macro"))
    correlations = [sk.matthews_corrcoef(true[:, c], predicted[:, c]) for c in range(5)]
    assert found["mcc"] == pytest.approx(np.mean(correlations))
    for c, one in enumerate(found["per_class"]):
        assert one["support"] == true[:, c].sum()
        assert one["predicted"] == predicted[:, c].sum()
        assert one["precision"] == pytest.approx(sk.precision_score(true[:, c], predicted[:, c]))
        assert one["recall"] == pytest.approx(sk.recall_score(true[:, c], predicted[:, c]))
        assert one["mcc"] == pytest.approx(correlations[c])
        assert one["average_precision"] == pytest.approx(sk.average_precision_score(true[:, c], probabilities[:, c]))


def test_two_proteins_by_hand() -> None:
    true = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    predicted = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    found = figures(np.where(predicted, 0.9, 0.1), predicted, true)
    assert found["subset_accuracy"] == 0.0
    assert found["jaccard"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found["hamming_accuracy"] == pytest.approx(4 / 6)
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_class_that_never_occurs_counts_where_it_is_predicted_alone() -> None:
    true = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    found = figures(true * 0.9, true, true)
    assert (found["macro_f1"], found["mcc"], found["average_precision"]) == (1.0, 1.0, 1.0)
    assert found["per_class"][2]["f1"] == 0.0


def test_intervals_hold_the_figures_shrink_with_proteins_and_repeat() -> None:
    small, large = drawn(size=100), drawn(size=1600)
    intervals = [bootstrap_intervals(*each) for each in (small, large)]
    assert set(intervals[0]) == set(AVERAGED)
    for each, found in zip((small, large), intervals, strict=True):
        point = figures(*each)
        assert all(low <= point[name] <= high for name, (low, high) in found.items())
    for name in AVERAGED:
        widths = [found[name][1] - found[name][0] for found in intervals]
        assert widths[1] < widths[0] / 2
    low, high = intervals[1]["subset_accuracy"]
    share = figures(*large)["subset_accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 1600), rel=0.15)
    assert bootstrap_intervals(*small) == intervals[0]
