"""A model over many proteins: batches of like length under a token budget, which halves when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from protloc.data.batching import as_batch, by_length
from protloc.errors import UserError
from protloc.model.classifier import ProteinClassifier
from protloc.model.packed import choose_attention
from protloc.model.precision import autocast, exact

GPU_TOKENS = 65_536
"""Enough to keep a large GPU busy; states of that many tokens are small beside the weights."""

CPU_TOKENS = {"packed": 4_096, "padded": 16_384}
"""What was fastest on two cores: a transformer, which is packed, wants its states in the cache."""

MAX_PADDING = {"cuda": 16_384, "cpu": 1_500}
"""Tokens of padding that cost as much as one more batch: on two cores `tiny` takes 5.6 ms for it, 3.6 µs a token."""


class Forward:
    """A model on its device, ready to run over proteins.

    Args:
        model: moved to the device, dropout switched off.
        pad_id: the id that fills a padded batch.
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`.
        max_tokens: tokens computed at once, padding included; halved for good when the device runs out of memory.
            `auto` takes what was found fast.
        attention: `auto`, `packed` or `padded`.
    """

    def __init__(
        self,
        model: ProteinClassifier,
        pad_id: int,
        *,
        device: torch.device,
        precision: str,
        max_tokens: int | str = "auto",
        attention: str = "auto",
    ) -> None:
        self.model, self.pad_id, self.device, self.precision = model.to(device).eval(), pad_id, device, precision
        self.attention = choose_attention(attention, model.backbone, device, precision)
        exact(precision, device)
        fast = GPU_TOKENS if device.type == "cuda" else CPU_TOKENS[self.attention]
        self.max_tokens = fast if max_tokens == "auto" else int(max_tokens)

    def over(
        self, encoded: Sequence[np.ndarray], compute: Callable[[dict[str, Any]], Tensor]
    ) -> Iterator[tuple[list[int], Tensor]]:
        """What `compute` makes of each batch, on the host, in no particular order.

        A batch is handed out when the next one has been started, so that a GPU works while its last answer is read.

        Args:
            encoded: token ids of each protein.
            compute: called with the arguments of the model, under autocast and without gradients.

        Yields:
            Indices of the batch's proteins in `encoded`, and the result, copied off the device.

        Raises:
            UserError: a protein alone does not fit the memory.
        """
        packed = self.attention == "packed"
        pending = self._batches([len(ids) for ids in encoded])
        last: tuple[list[int], Callable[[], Tensor]] | None = None
        while pending:
            indices = pending.pop(0)
            try:
                batch = as_batch([encoded[i] for i in indices], self.pad_id, packed=packed, device=self.device)
                with torch.inference_mode(), autocast(self.precision, self.device):
                    result = copied(compute(batch))
            except torch.OutOfMemoryError:
                if len(indices) == 1:
                    raise UserError(
                        f"a protein of {len(encoded[indices[0]])} tokens alone does not fit the memory of "
                        f"{self.device}; take the CPU, or a model with a smaller model.max_residues"
                    ) from None
                torch.cuda.empty_cache()
                self.max_tokens = max(1, self.max_tokens // 2)
                rest = [i for later in [indices, *pending] for i in later]
                pending = [[rest[i] for i in part] for part in self._batches([len(encoded[i]) for i in rest])]
                continue
            if last is not None:
                yield last[0], last[1]()
            last = indices, result
        if last is not None:
            yield last[0], last[1]()

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        padding = MAX_PADDING[self.device.type]
        return by_length(lengths, self.max_tokens, packed=self.attention == "packed", max_padding=padding)


def copied(result: Tensor) -> Callable[[], Tensor]:
    """Start to copy a result to the host; what is returned waits for it, and for nothing that is started later."""
    if not result.is_cuda:
        return lambda: result
    host, arrived = result.to("cpu", non_blocking=True), torch.cuda.Event()
    arrived.record()

    def wait() -> Tensor:
        arrived.synchronize()
        return host

    return wait
