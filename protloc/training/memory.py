"""How many tokens fit the device at once."""

from __future__ import annotations

import torch
from torch import nn

from protloc.data.batching import as_batch
from protloc.model.classifier import ProteinClassifier
from protloc.model.layers import CHECKPOINTING
from protloc.model.precision import autocast

CPU_TOKENS = 16_384
"""Enough for two cores to be busy, and little memory."""

STATE_TOKENS = 65_536
"""Of a frozen backbone's states, which only a head reads."""

PROBE_TOKENS = 4_096
SHARE = 0.85
"""Share of the free memory that is planned for; the rest is for what the probe does not see."""

STATE_BYTES = 12
"""Of a trained parameter in fp32: its gradient (4) and AdamW's two moments (8)."""


def pick_max_tokens(
    wanted: int | str,
    model: ProteinClassifier,
    attention: str,
    precision: str,
    device: torch.device,
    activation_checkpointing: bool = False,
) -> int:
    """`trainer.max_tokens` as a number; `auto` on a GPU is found by one forward and backward pass.

    Args:
        wanted: a number, or `auto`.
        model: to be trained; moved to the device, its gradients are left empty.
        attention: `packed` or `padded`.
        precision: `fp32`, `bf16` or `fp16`.
        device: where it trains.
        activation_checkpointing: as Trainer will switch it on.
    """
    if wanted != "auto":
        return int(wanted)
    if device.type != "cuda":
        return CPU_TOKENS
    model.to(device)
    if activation_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=CHECKPOINTING)
    bytes_per_token = _probe(model.train(), attention, precision, device) / PROBE_TOKENS
    torch.cuda.empty_cache()
    states = STATE_BYTES * sum(p.numel() for p in model.parameters() if p.requires_grad)
    return tokens_that_fit(torch.cuda.mem_get_info(device)[0] - states, bytes_per_token)


def tokens_that_fit(free: int, bytes_per_token: float) -> int:
    """Tokens, a multiple of 1,024 and at least that, that fill `SHARE` of `free` bytes."""
    return max(1, int(SHARE * free / bytes_per_token) // 1024) * 1024


def _probe(model: nn.Module, attention: str, precision: str, device: torch.device) -> int:
    """Bytes that activations take at their peak for `PROBE_TOKENS` tokens in proteins of 512."""
    rows = list(torch.full((PROBE_TOKENS // 512, 512), 5, dtype=torch.int32).numpy())
    batch = as_batch(rows, pad_id=0, packed=attention == "packed", device=device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    with autocast(precision, device):
        loss = model(**batch).logits.sum()
    loss.backward()
    peak = torch.cuda.max_memory_allocated(device) - before
    model.zero_grad(set_to_none=True)
    return peak
