"""From logits to the answer for a protein: one row of the table that users read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from protloc.data.doubts import doubts
from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein

UNSURE_LETTERS = "XUZOBJ"
"""Residues outside the twenty; how much the backbone knows of them differs, so the table counts them."""


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over classes, in float64 so that every way to the answer rounds alike.

    Args:
        logits: shape `(B, C)`, any float type.

    Returns:
        Shape `(B, C)`, float64, rows that sum to 1.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    return exponents / exponents.sum(axis=1, keepdims=True)


def rows(
    proteins: Sequence[Protein], logits: np.ndarray, names: Sequence[str], encoder: ResidueEncoder
) -> Iterator[dict[str, Any]]:
    """The table's rows: `id, location, probability, <one column a class>, length, residues_read, warnings`.

    Args:
        proteins: B proteins.
        logits: shape `(B, C)`.
        names: the C classes in the order of the logits.
        encoder: what the model reads of a protein.
    """
    for protein, shares in zip(proteins, probabilities(logits), strict=True):
        best = int(shares.argmax())
        read = encoder.read(protein.sequence)
        yield {
            "id": protein.id,
            "location": names[best],
            "probability": float(shares[best]),
            **{name: float(share) for name, share in zip(names, shares, strict=True)},
            "length": len(protein.sequence),
            "residues_read": len(read),
            "warnings": "; ".join([*_warnings(protein.sequence, read), *doubts(protein.sequence, encoder.shortest)]),
        }


def columns(names: Sequence[str]) -> list[str]:
    """The table's column names, also for a table without rows."""
    return ["id", "location", "probability", *names, "length", "residues_read", "warnings"]


def _warnings(sequence: str, read: str) -> Iterator[str]:
    if len(read) < len(sequence):
        yield f"{len(sequence) - len(read)} of {len(sequence)} residues not read"
    unsure = sum(read.count(letter) for letter in UNSURE_LETTERS)
    if unsure:
        yield f"{unsure} of {len(read)} residues are none of the twenty"
