"""Runs that held out one partition each, together: every protein predicted once, by a model that did not see it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from protloc.files import write_json, write_text

PREDICTIONS, TABLE, FIGURES = "predictions_test.csv", "out_of_fold.csv", "out_of_fold.json"


def write_out_of_fold(folds: dict[str, Path], classes: Sequence[str], task: str, output: Path) -> dict[str, Any]:
    """Write the proteins of all folds as one table, and the figures over them.

    Args:
        folds: run folders, by the partition that each held out.
        classes: of all of them.
        task: name of their task.
        output: where `out_of_fold.csv` and `out_of_fold.json` go.

    Returns:
        What is in `out_of_fold.json`: `task`, `folds`, `proteins` and `figures`, with intervals. The sets are those
        that each model decided for, by its own thresholds.
    """
    rows = [{**row, "fold": fold} for fold, folder in sorted(folds.items()) for row in _rows(folder / PREDICTIONS)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(output / TABLE, out.getvalue())
    found = {"task": task, "folds": sorted(folds), "proteins": len(rows), "figures": _figures(rows, classes, task)}
    write_json(output / FIGURES, found)
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _figures(rows: Sequence[dict[str, str]], classes: Sequence[str], name: str) -> dict[str, Any]:
    import numpy as np  # late: every command imports what this module is imported by

    from protloc.tasks.choose import TASKS
    from protloc.tasks.labels import LabelSpace

    task = TASKS[name](LabelSpace(tuple(classes)))

    def sets(column: str) -> np.ndarray:
        found = [set(task.places(row[column])) for row in rows]
        return np.array([[each in places for each in classes] for places in found])

    probabilities = np.array([[float(row[each]) for each in classes] for row in rows])
    figures = task.class_figures(probabilities, sets("location"), sets("true"))
    for row in figures["per_class"]:
        row.pop("threshold", None)  # each fold has its own
    figures["per_class"] = dict(zip(classes, figures["per_class"], strict=True))
    return figures


def told(found: dict[str, Any]) -> str:
    """A line for a person."""
    from protloc.tasks.choose import TASKS

    figures = found["figures"]
    parts = []
    for figure in TASKS[found["task"]].headline:
        low, high = figures["interval_95"].get(figure.name, (None, None))
        interval = "" if low is None else f" ({low:{figure.format}} to {high:{figure.format}})"
        parts.append(f"{figure.words} {figures[figure.name]:{figure.format}}{interval}")
    return f"out of fold, {found['proteins']:,} proteins in {len(found['folds'])} folds: {', '.join(parts)}"
