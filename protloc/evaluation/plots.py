"""The pictures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws to files only: works without a screen
from matplotlib.figure import Figure


def plot_confusion(matrix: np.ndarray, names: Sequence[str], title: str, path: Path) -> None:
    """Shares of each true class by predicted class, with the counts written in the cells.

    Args:
        matrix: counts `(C, C)`, true classes in rows.
        names: the C classes.
        title: above the plot.
        path: where the PNG goes.
    """
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
    size = 3.2 + 0.55 * len(names)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            color = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    short = [name if len(name) <= 28 else name[:27] + "…" for name in names]
    axes.set_xticks(range(len(names)), short, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [f"{n} ({t})" for n, t in zip(short, matrix.sum(axis=1), strict=True)])
    axes.set(xlabel="predicted", ylabel="true (proteins)", title=title)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    _save(figure, path)


def plot_curves(history: Sequence[dict[str, Any]], monitor: str, best_epoch: float | None, path: Path) -> None:
    """Loss of training and validation, and the monitored figure, by epoch.

    Args:
        history: Trainer's log entries.
        monitor: name of the figure that chose the best epoch.
        best_epoch: drawn as a line.
        path: where the PNG goes.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        entries = [entry for entry in history if key in entry]
        marker = "o" if key == "eval_loss" else None
        losses.plot([e["epoch"] for e in entries], [e[key] for e in entries], label=label, marker=marker, ms=3)
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    for key in dict.fromkeys(("eval_accuracy", "eval_mcc", f"eval_{monitor}")):
        entries = [entry for entry in history if key in entry]
        if key != "eval_loss":
            label = key.removeprefix("eval_").replace("_", " ").replace("mcc", "MCC")
            scores.plot([e["epoch"] for e in entries], [e[key] for e in entries], label=label, marker="o", ms=3)
    scores.set(xlabel="epoch", title="Validation")
    for axes in (losses, scores):
        if best_epoch is not None:
            axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=150, format="png")
    temporary.replace(path)
