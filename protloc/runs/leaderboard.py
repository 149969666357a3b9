"""Runs side by side: `python -m protloc.runs.leaderboard FOLDER...`.

A sweep writes it after every run. Runs that differ in their seed or fold alone are one row, with mean and standard
deviation. The best validation figure comes first, then runs that a search has stopped early; test figures are shown and
choose nothing. Where a search has several objectives, its Pareto front is marked.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protloc.config import maximized
from protloc.errors import UserError
from protloc.files import write_text
from protloc.runs.folder import CONFIG, END, ERROR, OVERRIDES, PLACE, SEARCH
from protloc.runs.objectives import front, objective
from protloc.runs.out_of_fold import PREDICTIONS, told, write_out_of_fold

FIGURES = {
    "single": ("accuracy", "mcc", "macro_f1"),
    "multilabel": ("micro_f1", "macro_f1", "jaccard", "subset_accuracy", "mcc", "average_precision"),
}
"""By task; the first one stands in the printed table too."""

REPEATS = ("seed", "data.fold")
"""Options that repeat a setting: runs that differ in these alone are one row."""


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: where it lies.
        words: the overrides that began it, by name.
        monitor: the figure that chose its best epoch.
        metrics: the content of metrics.json; None where it did not come to its end.
        error: why it did not.
    """

    folder: Path
    words: dict[str, str]
    monitor: str
    metrics: dict[str, Any] | None
    error: str = ""


@dataclass
class Row:
    """Runs of one setting.

    Attributes:
        words: the overrides that vary among all runs, by name, `REPEATS` left out.
        runs: those that came to their end, or were stopped early, or one that failed.
        on_front: whether no other row is as good in all of a search's objectives, and better in one.
    """

    words: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    on_front: bool = False

    @property
    def error(self) -> str:
        """Why its run failed; empty for runs that came to their end."""
        return self.runs[0].error

    @property
    def pruned(self) -> bool:
        """Whether its runs were stopped early by a search."""
        return bool((self.runs[0].metrics or {}).get("pruned"))

    @property
    def note(self) -> str:
        """What a person should know of it."""
        return self.error or ("stopped early" if self.pruned else "Pareto front" if self.on_front else "")

    def values(self, *path: str) -> list[float]:
        """One figure of each run, where it has it."""
        found = []
        for run in self.runs:
            value: Any = run.metrics
            for key in path:
                value = (value or {}).get(key)
            if value is not None:
                found.append(float(value))
        return found

    def mean(self, *path: str) -> float | None:
        """Of one figure over the runs."""
        return statistics.fmean(values) if (values := self.values(*path)) else None

    def deviation(self, *path: str) -> float | None:
        """Standard deviation over the runs; None for one run alone."""
        return statistics.stdev(values) if len(values := self.values(*path)) > 1 else None


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """The runs in sweep folders, and run folders themselves.

    Raises:
        UserError: a folder holds no run.
    """
    runs = []
    for folder in folders:
        found = [folder] if (folder / CONFIG).exists() else sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
        if not found:
            raise UserError(f"{folder}: no run of train.py is there")
        runs += [_read(path) for path in found]
    return runs


def _read(folder: Path) -> Run:
    import yaml

    config = yaml.safe_load((folder / CONFIG).read_text())
    words = yaml.safe_load((folder / OVERRIDES).read_text()) if (folder / OVERRIDES).exists() else []
    named = dict(word.lstrip("+~").partition("=")[::2] for word in words)
    ended, error = folder / END, folder / ERROR
    metrics = json.loads(ended.read_text()) if ended.exists() else None
    why = "" if metrics else error.read_text().strip() if error.exists() else "not at its end"
    return Run(folder, named, str(config["trainer"]["monitor"]), metrics, why)


def rows(runs: Sequence[Run]) -> list[Row]:
    """The settings, the best on validation first, failed runs last."""
    names = sorted({name for run in runs for name in run.words})
    varying = [
        name
        for name in names
        if len({run.words.get(name) for run in runs}) > 1 and not name.startswith(("hydra", *REPEATS, *PLACE))
    ]
    found: dict[tuple[str, ...], Row] = {}
    for run in runs:
        words = {name: run.words.get(name, "") for name in varying}
        kind = str(run.folder) if run.error else "pruned" if (run.metrics or {}).get("pruned") else ""
        key = (*words.values(), kind)
        found.setdefault(key, Row(words)).runs.append(run)
    return sorted(found.values(), key=_best_first)


def tasks(rows: Sequence[Row]) -> list[str]:
    """The tasks of the runs that came to their end."""
    found = {str(run.metrics.get("task", "single")) for row in rows for run in row.runs if run.metrics}
    return [name for name in FIGURES if name in found] or ["single"]


def _best_first(row: Row) -> tuple[bool, bool, float]:
    monitor = row.runs[0].monitor
    value = row.mean("validation", monitor) or 0.0
    return bool(row.error), row.pruned, -maximized(monitor, value)


def mark_front(rows: Sequence[Row], objectives: Sequence[str]) -> None:
    """Mark the Pareto front among the rows at their end, by the means over their runs."""
    ended = [row for row in rows if not row.error and not row.pruned]
    points = [
        [statistics.fmean(objective(name, run.metrics or {}, run.monitor) for run in row.runs) for name in objectives]
        for row in ended
    ]
    for row, on_front in zip(ended, front(points, objectives), strict=True):
        row.on_front = on_front


def write_table(rows: Sequence[Row], path: Path) -> None:
    """The rows as CSV, with every figure."""
    out = io.StringIO()
    shown = dict.fromkeys(name for task in tasks(rows) for name in FIGURES[task])
    figures = [(split, name) for split in ("validation", "test") for name in shown]
    names = [*(rows[0].words if rows else []), "runs"]
    names += [f"{split}_{name}_{part}" for split, name in figures for part in ("mean", "sd")]
    writer = csv.writer(out, lineterminator="\n")
    names += ["seconds", "parameters_trained", "parameters", "epochs", "pruned", "pareto_front", "folders", "error"]
    writer.writerow(names)
    for row in rows:
        cells: list[Any] = [*row.words.values(), len(row.runs)]
        for figure in figures:
            cells += [_cell(row.mean(*figure)), _cell(row.deviation(*figure))]
        cells += [_cell(row.mean("seconds", "total")), _cell(row.mean("parameters", "trained"))]
        cells += [_cell(row.mean("parameters", "total")), _cell(row.mean("epochs"))]
        cells += ["yes" if row.pruned else "", "yes" if row.on_front else ""]
        cells += [" ".join(str(run.folder) for run in row.runs), row.error]
        writer.writerow(cells)
    write_text(path, out.getvalue())


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def print_table(rows: Sequence[Row]) -> None:
    """The rows for a person, on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Leaderboard", title_justify="left")
    monitor, first = rows[0].runs[0].monitor, FIGURES[tasks(rows)[0]][0]
    for name in rows[0].words:
        table.add_column(name)
    figures = (f"validation {monitor}", f"test {monitor}", f"test {first}", "epochs", "seconds", "trained")
    for name in ("runs", *figures, "note"):
        table.add_column(name, justify="left" if name == "note" else "right")
    for row in rows:
        seconds, trained, epochs = row.mean("seconds", "total"), row.mean("parameters", "trained"), row.mean("epochs")
        table.add_row(
            *row.words.values(), str(len(row.runs)), _shown(row, "validation", monitor), _shown(row, "test", monitor),
            _shown(row, "test", first), "" if epochs is None else f"{epochs:.3g}",
            "" if seconds is None else f"{seconds:,.0f}", "" if trained is None else f"{trained:,.0f}", row.note,
        )  # fmt: skip
    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)


def _shown(row: Row, *path: str) -> str:
    mean, deviation = row.mean(*path), row.deviation(*path)
    return "" if mean is None else f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def plot(rows: Sequence[Row], path: Path) -> None:
    """Validation and test of each setting, with the standard deviation over its runs."""
    from matplotlib.figure import Figure

    from protloc.tasks.drawing import save

    shown = [row for row in rows if not row.error and not row.pruned]
    if not shown:
        return
    monitor = shown[0].runs[0].monitor
    names = [", ".join(f"{name}={value}" for name, value in row.words.items()) or "all" for row in shown]
    figure = Figure(figsize=(8, 1.5 + 0.4 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    for shift, split in ((-0.12, "validation"), (0.12, "test")):
        points = [(i, row.mean(split, monitor), row.deviation(split, monitor)) for i, row in enumerate(shown)]
        there = [(i, mean, deviation or 0.0) for i, mean, deviation in points if mean is not None]
        if there:
            places, means, errors = zip(*there, strict=True)
            axes.errorbar(means, [i + shift for i in places], xerr=errors, fmt="o", capsize=3, label=split)
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"{monitor}, mean and standard deviation over seeds and folds")
    axes.legend()
    save(figure, path)


def update(folders: Sequence[Path], output: Path) -> list[Row]:
    """Write `leaderboard.csv` and `leaderboard.png` into `output`; the rows."""
    found = rows(read_runs(folders))
    for search in (folder / SEARCH for folder in folders):
        if search.exists() and len(objectives := json.loads(search.read_text())["objectives"]) > 1:
            mark_front(found, objectives)
    write_table(found, output / "leaderboard.csv")
    plot(found, output / "leaderboard.png")
    return found


def show(folders: Sequence[Path], output: Path) -> None:
    """Write and print the leaderboard.

    Where the best setting was run on several folds, also their proteins together, as `out_of_fold.csv` and `.json`:
    here and not after every run, for their intervals take a while.
    """
    found = update(folders, output)
    print_table(found)
    folds = folds_of(found[0])
    if len(folds) > 1:
        metrics = found[0].runs[0].metrics or {}
        print(told(write_out_of_fold(folds, metrics["classes"], metrics["task"], output)))
        print("out_of_fold.csv has each protein once, predicted by a model that did not see its fold")


def folds_of(row: Row) -> dict[str, Path]:
    """Folders of a setting's runs by the partition that each held out; of several seeds the first."""
    found: dict[str, Path] = {}
    for run in row.runs:
        if run.metrics and "data.fold" in run.words and (run.folder / PREDICTIONS).exists():
            found.setdefault(run.words["data.fold"], run.folder)
    return found


def main() -> None:
    """The command."""
    description = (__doc__ or "").split("\n\n")[1]
    parser = argparse.ArgumentParser(prog="python -m protloc.runs.leaderboard", description=description)
    parser.add_argument(
        "folders", nargs="+", type=Path, help="sweeps (multirun/...) or single runs; several are merged"
    )
    parser.add_argument("--output", type=Path, help="where leaderboard.csv and .png go; default: the first folder")
    options = parser.parse_args()
    try:
        show(options.folders, options.output or options.folders[0])
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
