"""Proteins to the tensors of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from protloc.data.encoding import ResidueEncoder


def pad(rows: Sequence[np.ndarray], pad_id: int) -> dict[str, torch.Tensor]:
    """Token ids of B proteins as one rectangle.

    Args:
        rows: ids of each protein, shape `(length,)`.
        pad_id: the id that fills the rest.

    Returns:
        `input_ids (B, T)` and `attention_mask (B, T)`, int64, T the longest length; 1 in the mask is a real token.
    """
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(rows)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask.astype(np.int64))}


@dataclass(frozen=True)
class Collator:
    """Rows of a corpus to a padded batch; the encoding is a table look-up, too cheap to be stored."""

    encoder: ResidueEncoder
    pad_id: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """`input_ids (B, T)`, `attention_mask (B, T)` and, where the rows have labels, `labels (B,)`, all int64."""
        batch = pad([self.encoder.encode(row["sequence"]) for row in rows], self.pad_id)
        if "label" in rows[0]:
            batch["labels"] = torch.tensor([row["label"] for row in rows], dtype=torch.int64)
        return batch


def by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Indices of proteins in batches of like length, the longest first.

    Each batch holds at most `max_tokens` tokens, padding included; a longer protein makes a batch of its own. The
    longest come first, so that a batch that does not fit the memory fails at once and not at the end.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, max_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size].tolist()
        start += size
