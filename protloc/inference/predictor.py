"""Proteins in, rows of the table out: in order, streaming, each answer independent of its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from protloc.data.answers import columns, rows
from protloc.data.records import Protein
from protloc.errors import UserError
from protloc.model.folder import SavedModel
from protloc.model.forward import Forward
from protloc.model.precision import pick_device, pick_precision


class Predictor:
    """A model folder, ready to answer; what predict.py and every server use.

    Args:
        saved: the loaded model folder.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        batch_tokens: tokens computed at once, padding included; halved for good when the device runs out of memory.
            `auto` takes what was found fast.
        window: proteins that are sorted by length together; the order of the output is that of the input.
        exclude: classes that these proteins cannot have.

    Raises:
        UserError: the machine lacks the device or the precision, or a class to exclude is none of the model's.
    """

    def __init__(
        self,
        saved: SavedModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_tokens: int | str = "auto",
        window: int = 4096,
        exclude: Collection[str] = (),
    ) -> None:
        place = pick_device(device)
        self.forward = Forward(
            saved.model, saved.tokenizer.pad_token_id, device=place, precision=pick_precision(precision, place),
            max_tokens=batch_tokens,
        )  # fmt: skip
        self.encoder, self.task, self.window = saved.encoder, saved.task, window
        self.excluded = saved.task.numbers(exclude)

    @property
    def columns(self) -> list[str]:
        """Names of the table's columns."""
        return columns(self.task)

    def predict(self, proteins: Iterable[Protein]) -> Iterator[list[dict[str, Any]]]:
        """Rows for each window of proteins, in input order; memory holds one window at a time."""
        stream = iter(proteins)
        while window := list(islice(stream, self.window)):
            yield self.rows(window)

    def rows(self, proteins: Sequence[Protein]) -> list[dict[str, Any]]:
        """Rows for proteins that are all at hand, in their order."""
        return self.answers(proteins, self.logits([protein.sequence for protein in proteins]), self.excluded)

    def answers(
        self, proteins: Sequence[Protein], logits: np.ndarray, excluded: Collection[int]
    ) -> list[dict[str, Any]]:
        """Rows from the proteins' logits `(N, W)`, without the classes of these numbers."""
        return list(rows(proteins, logits, self.task, self.encoder, excluded))

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Raw logits `(N, W)`, float32, for N sequences as `protloc.data` reads them.

        Raises:
            UserError: one of them is no number.
        """
        encoded = [self.encoder.encode(sequence) for sequence in sequences]
        out = np.empty((len(encoded), self.task.width), dtype=np.float32)
        for indices, logits in self.forward.over(encoded, lambda batch: self.forward.model(**batch).joined().float()):
            out[indices] = logits.numpy()
        wrong = np.flatnonzero(~np.isfinite(out).all(axis=1))
        if len(wrong):
            raise UserError(
                f"the model's answer for {len(wrong)} proteins is no number, first for one of "
                f"{len(sequences[wrong[0]])} residues: give precision=fp32; if it is that already, the weights are bad"
            )
        return out
