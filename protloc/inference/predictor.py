"""Proteins in, rows of the table out: in order, streaming, each answer independent of its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch

from protloc.data.batching import as_batch, by_length
from protloc.data.records import Protein
from protloc.errors import UserError
from protloc.model.decision import columns, rows
from protloc.model.folder import SavedModel
from protloc.model.packed import choose_attention
from protloc.model.precision import autocast, pick_device, pick_precision


class Predictor:
    """A model folder, ready to answer; what predict.py and every server use.

    Args:
        saved: the loaded model folder.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        batch_tokens: tokens computed at once, padding included; halved for good when the device runs out of memory.
        window: proteins that are sorted by length together; the order of the output is that of the input.

    Raises:
        UserError: the machine lacks the device or the precision.
    """

    def __init__(
        self,
        saved: SavedModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_tokens: int = 16384,
        window: int = 4096,
    ) -> None:
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.model = saved.model.to(self.device)
        self.packed = choose_attention("auto", self.model.backbone, self.device, self.precision) == "packed"
        self.encoder, self.names, self.pad_id = saved.encoder, saved.names, saved.tokenizer.pad_token_id
        self.batch_tokens, self.window = batch_tokens, window

    @property
    def columns(self) -> list[str]:
        """Names of the table's columns."""
        return columns(self.names)

    def predict(self, proteins: Iterable[Protein]) -> Iterator[list[dict[str, Any]]]:
        """Rows for each window of proteins, in input order; memory holds one window at a time."""
        stream = iter(proteins)
        while window := list(islice(stream, self.window)):
            yield list(rows(window, self.logits([protein.sequence for protein in window]), self.names, self.encoder))

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Raw logits `(N, C)`, float32, for N sequences as `protloc.data` reads them."""
        encoded = [self.encoder.encode(sequence) for sequence in sequences]
        out = np.empty((len(encoded), len(self.names)), dtype=np.float32)
        pending = by_length([len(ids) for ids in encoded], self.batch_tokens)
        while pending:
            batch = pending.pop(0)
            try:
                out[batch] = self._forward([encoded[i] for i in batch])
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise UserError(
                        f"a protein of {len(encoded[batch[0]])} tokens alone does not fit the memory of {self.device}; "
                        "take device=cpu, or a model with a smaller model.max_residues"
                    ) from None
                torch.cuda.empty_cache()
                self.batch_tokens = max(1, self.batch_tokens // 2)
                rest = [i for later in [batch, *pending] for i in later]
                split = by_length([len(encoded[i]) for i in rest], self.batch_tokens)
                pending = [[rest[i] for i in part] for part in split]
        return out

    @torch.inference_mode()
    def _forward(self, ids: list[np.ndarray]) -> np.ndarray:
        batch = as_batch(ids, self.pad_id, packed=self.packed, device=self.device)
        with autocast(self.precision, self.device):
            logits: torch.Tensor = self.model(**batch).logits
        return logits.float().cpu().numpy()
