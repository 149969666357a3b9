"""What a search may look for in a run's figures: nothing that comes from test proteins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protloc.config import maximized
from protloc.errors import UserError

DIRECTIONS = {"figure": "maximize", "seconds": "minimize", "parameters": "minimize"}
"""The objectives, and where they are to go; a loss counts with its sign turned."""


def check_objectives(names: Sequence[str]) -> None:
    """Refuse what cannot be searched for.

    Raises:
        UserError: a name is unknown or stands there twice, or there is none.
    """
    wrong = [name for name in names if name not in DIRECTIONS]
    if wrong or not names or len(set(names)) < len(names):
        raise UserError(
            f"hydra.sweeper.objectives=[{','.join(names)}]: give one or more of {', '.join(DIRECTIONS)}, each once",
            exit_code=2,
        )


def objective(name: str, metrics: Mapping[str, Any], monitor: str) -> float:
    """One objective's value from the content of metrics.json."""
    if name == "figure":
        return maximized(monitor, float(metrics["validation"][monitor]))
    return float(metrics[name]["total"])


def front(points: Sequence[Sequence[float]], names: Sequence[str]) -> list[bool]:
    """Which points are on the Pareto front: none other is as good in every objective and better in one.

    Args:
        points: the objectives' values.
        names: of the objectives.
    """
    signs = [1 if DIRECTIONS[name] == "maximize" else -1 for name in names]
    turned = [[sign * value for sign, value in zip(signs, point, strict=True)] for point in points]
    return [
        not any(all(b >= a for a, b in zip(p, q, strict=True)) and p != q for q in turned)
        for p in turned
    ]  # fmt: skip
