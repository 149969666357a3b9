"""From the task's answer for a protein to the row of the table that users read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from protloc.data.doubts import doubts
from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein
from protloc.tasks.task import Task

UNSURE_LETTERS = "XUZOBJ"
"""Residues outside the twenty; how much the backbone knows of them differs, so the table counts them."""


def rows(
    proteins: Sequence[Protein], logits: np.ndarray, task: Task, encoder: ResidueEncoder,
    excluded: Collection[int] = (),
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The table's rows; their cells are those of `columns`.

    Args:
        proteins: N proteins.
        logits: shape `(N, W)`.
        task: what the model predicts.
        encoder: what the model reads of a protein.
        excluded: numbers of classes that are left out.
    """
    for protein, cells in zip(proteins, task.cells(logits, excluded), strict=True):
        read = encoder.read(protein.sequence)
        said = [*_warnings(protein.sequence, read), *doubts(protein.sequence, encoder.shortest), cells.pop("warning")]
        yield {
            "id": protein.id,
            **cells,
            "length": len(protein.sequence),
            "residues_read": len(read),
            "warnings": "; ".join(filter(None, said)),
        }


def columns(task: Task) -> list[str]:
    """The table's column names, also for a table without rows."""
    return ["id", *task.columns, "length", "residues_read", "warnings"]


def _warnings(sequence: str, read: str) -> Iterator[str]:
    if len(read) < len(sequence):
        yield f"{len(sequence) - len(read)} of {len(sequence)} residues not read"
    unsure = sum(read.count(letter) for letter in UNSURE_LETTERS)
    if unsure:
        yield f"{unsure} of {len(read)} residues are none of the twenty"
