"""The picture of a split's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from protloc.tasks.drawing import save


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
    short = [_short(name, 28) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [f"{n} ({t})" for n, t in zip(short, matrix.sum(axis=1), strict=True)])
    axes.set(xlabel="predicted", ylabel="true (proteins)", title=title)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    save(figure, path)


def plot_classes(per_class: Mapping[str, Mapping[str, Any]], title: str, path: Path) -> None:
    """Each class's precision against its recall at its threshold, and how the threshold divides the probabilities.

    Args:
        per_class: `support`, `precision`, `recall`, `f1`, `mcc`, `average_precision` and `threshold` by class.
        title: above the plot.
        path: where the PNG goes.
    """
    names = sorted(per_class, key=lambda name: -per_class[name]["support"])
    figure = Figure(figsize=(12, 2.2 + 0.42 * len(names)), layout="constrained")
    figure.suptitle(title)
    plane, bars = figure.subplots(1, 2, width_ratios=[1, 1.25])
    _plane_of_f1(plane)
    colors = _colors(len(names))
    for name, color in zip(names, colors, strict=True):
        row = per_class[name]
        size = 20 + 8 * np.sqrt(row["support"])
        plane.scatter(row["recall"], row["precision"], s=size, color=color, alpha=0.75, edgecolor="white")
        plane.annotate(_short(name, 14), (row["recall"], row["precision"]), fontsize=8, xytext=(5, 5),
                       textcoords="offset points")  # fmt: skip
    plane.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02), title="at the threshold")
    places = np.arange(len(names))[::-1]
    for shift, key, shade in ((0.27, "precision", "#2a7de1"), (0.0, "recall", "#e1892a"), (-0.27, "mcc", "#5a9e3f")):
        label = key.upper() if key == "mcc" else key
        bars.barh(places + shift, [max(0.0, per_class[n][key]) for n in names], 0.25, color=shade, label=label)
    bars.scatter(
        [per_class[n]["threshold"] for n in names], places, marker="|", s=260, color="black", label="threshold"
    )
    bars.set_yticks(places, [f"{_short(n, 28)} ({per_class[n]['support']})" for n in names])
    bars.set(xlim=(0, 1), title="by class (proteins)")
    bars.grid(axis="x", alpha=0.3)
    bars.legend(loc="lower right", fontsize=8)
    save(figure, path)


def _plane_of_f1(axes: Any) -> None:
    """Lines of equal F1 behind the points."""
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore"):
            precision = f1 * recall / (2 * recall - f1)
        there = (precision > 0) & (precision <= 1)
        axes.plot(recall[there], precision[there], color="grey", lw=0.6, ls=":")
        axes.annotate(f"F1 {f1:g}", (recall[there][-1], precision[there][-1]), fontsize=7, color="grey")


def _colors(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab20"](i % 20) for i in range(count)]


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
