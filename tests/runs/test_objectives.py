"""What a search may look for."""

from __future__ import annotations

import pytest

from protloc.errors import UserError
from protloc.runs.objectives import check_objectives, front, objective

METRICS = {
    "validation": {"mcc": 0.5, "loss": 2.0}, "test": {"mcc": 0.9}, "seconds": {"total": 12.5, "training": 9.0},
    "parameters": {"total": 800, "trained": 5},
}  # fmt: skip


def test_values_come_from_validation_and_from_what_it_costs() -> None:
    assert [objective(name, METRICS, "mcc") for name in ("figure", "seconds", "parameters")] == [0.5, 12.5, 800.0]
    assert objective("figure", METRICS, "loss") == -2.0


@pytest.mark.parametrize("names", [[], ["test"], ["figure", "figure"]])
def test_others_are_refused(names: list[str]) -> None:
    with pytest.raises(UserError, match="give one or more of figure, seconds, parameters, each once"):
        check_objectives(names)


def test_the_pareto_front() -> None:
    points = [[0.5, 10.0], [0.6, 10.0], [0.7, 20.0], [0.7, 30.0], [0.1, 5.0], [0.6, 10.0]]
    assert front(points, ["figure", "seconds"]) == [False, True, True, False, True, True]
    assert front([], ["figure", "seconds"]) == []
