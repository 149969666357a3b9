"""The pictures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from protloc.tasks.drawing import save


def plot_curves(
    history: Sequence[dict[str, Any]], figures: Sequence[str], monitor: str, best_epoch: float | None, path: Path
) -> None:
    """Loss of training and validation, and the monitored figure, by epoch.

    Args:
        history: Trainer's log entries.
        figures: names of those that are drawn beside the monitored one.
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
    for key in dict.fromkeys([*(f"eval_{name}" for name in figures), f"eval_{monitor}"]):
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
    save(figure, path)
