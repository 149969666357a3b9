"""The figures, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics as sk

from protloc.tasks.confusion import bootstrap_intervals, confusion_matrix, figures, r_k
from protloc.tasks.metric import LocalizationMetrics


def test_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice(5, size=300, p=[0.5, 0.2, 0.2, 0.08, 0.02])
    predicted = np.where(rng.random(300) < 0.6, true, rng.integers(0, 5, 300))
    found = LocalizationMetrics(5).compute(predictions=predicted, references=true)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(true, predicted))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(true, predicted))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="macro"))
    assert found["micro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="micro"))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(true, predicted))
    assert found["confusion_matrix"] == sk.confusion_matrix(true, predicted).tolist()
    precision, recall, f1, support = sk.precision_recall_fscore_support(true, predicted)
    for c, one in enumerate(found["per_class"]):
        assert one == {
            "support": support[c],
            "precision": pytest.approx(precision[c]),
            "recall": pytest.approx(recall[c]),
            "f1": pytest.approx(f1[c]),
            "mcc": pytest.approx(sk.matthews_corrcoef(true == c, predicted == c)),
        }


def test_a_class_that_never_occurs_does_not_divide_by_zero() -> None:
    found = figures(confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3))
    assert found["per_class"][2] == {"support": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "mcc": 0.0}
    assert found["balanced_accuracy"] == 0.75  # the mean of 1/2 and 1, over the classes that occur
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_one_class_has_no_correlation() -> None:
    assert r_k(np.array([[7, 0], [0, 0]])) == 0.0


def test_bootstrap_interval_holds_the_figure_and_repeats() -> None:
    matrix = np.array([[80, 20], [10, 90]])
    intervals = bootstrap_intervals(matrix)
    low, high = intervals["accuracy"]
    assert low < 0.85 < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.85 * 0.15 / 200), rel=0.1)
    assert bootstrap_intervals(matrix) == intervals
