"""Thresholds by the largest MCC."""

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from protloc.tasks.thresholds import best_threshold, best_thresholds


def test_no_other_threshold_is_better() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(200) < 0.2
    probabilities = np.clip(0.2 + 0.3 * true + rng.normal(0, 0.2, 200), 0, 1)
    threshold = best_threshold(probabilities, true)
    best = matthews_corrcoef(true, probabilities >= threshold)
    every = [matthews_corrcoef(true, probabilities >= t) for t in np.unique(probabilities)]
    assert best == pytest.approx(max(every))


def test_it_stands_between_its_neighbours_nearest_to_a_half() -> None:
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([False, False, True, True])) == pytest.approx(0.4)
    # two thresholds are equally good: one protein of two is found, or both with one too many
    found = best_threshold(np.array([0.9, 0.1]), np.array([True, False]))
    assert found == 0.5


def test_equal_probabilities_are_not_divided() -> None:
    assert best_threshold(np.array([0.3, 0.3, 0.3]), np.array([True, False, True])) == 0.5
    assert best_threshold(np.array([0.2, 0.7, 0.7]), np.array([False, True, False])) == pytest.approx(0.45)


@pytest.mark.parametrize("true", [True, False])
def test_where_there_is_nothing_to_learn_from(true: bool) -> None:
    assert best_threshold(np.array([0.1, 0.9]), np.array([true, true])) == 0.5


def test_a_threshold_a_class() -> None:
    probabilities = np.array([[0.1, 0.8], [0.3, 0.9]])
    assert best_thresholds(probabilities, np.array([[False, False], [True, True]])).tolist() == pytest.approx(
        [0.2, 0.85]
    )
