"""Figures to files, without a screen."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws to files only: works without a screen
from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; it is there complete, or not at all."""
    FigureCanvasAgg(figure)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=150, format="png")
    temporary.replace(path)
