"""How many tokens fit the device at once."""

from __future__ import annotations

import torch
from torch import nn

from protloc.data.batching import as_batch
from protloc.errors import UserError
from protloc.model.classifier import ProteinClassifier
from protloc.model.layers import CHECKPOINTING
from protloc.model.precision import autocast

CPU_TOKENS = 16_384
"""Enough for two cores to be busy, and little memory."""

STATE_TOKENS = 65_536
"""Of a frozen backbone's states, which only a head reads."""

PROBES = (2_048, 4_096)
"""Tokens of two passes: what they differ by, a token takes; the rest is there for any number of them."""

SHARE = 0.85
"""Share of the free memory that is planned for; the rest is for what the probe does not see."""

STATE_BYTES = 12
"""Of a trained parameter in fp32: AdamW's two moments (8), and its gradient (4) or the buffer to exchange it."""


def pick_max_tokens(
    wanted: int | str,
    model: ProteinClassifier,
    attention: str,
    precision: str,
    device: torch.device,
    activation_checkpointing: bool = False,
) -> int:
    """`trainer.max_tokens` as a number; `auto` on a GPU is found by two forward and backward passes.

    Args:
        wanted: a number, or `auto`.
        model: to be trained; moved to the device, its gradients are left empty.
        attention: `packed` or `padded`.
        precision: `fp32`, `bf16` or `fp16`.
        device: where it trains.
        activation_checkpointing: as Trainer will switch it on.

    Raises:
        UserError: the model with a few proteins does not fit the GPU.
    """
    if wanted != "auto":
        return int(wanted)
    if device.type != "cuda":
        return CPU_TOKENS
    model.to(device)
    if activation_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=CHECKPOINTING)
    packed = attention == "packed"
    try:
        _probe(model.train(), PROBES[0], packed, precision, device)  # what libraries take at first use and keep
        few, many = (_probe(model, tokens, packed, precision, device) for tokens in PROBES)
    except torch.OutOfMemoryError:
        raise UserError(
            f"{PROBES[1]:,} tokens do not fit the memory of {device}: give trainer.max_tokens=N, a smaller model, "
            "trainer.activation_checkpointing=true, or trainer.strategy=fsdp on several GPUs"
        ) from None
    if activation_checkpointing:  # Trainer switches it on again, or has the layers wrapped
        model.activation_checkpointing_disable()
    torch.cuda.empty_cache()
    states = STATE_BYTES * sum(p.numel() for p in model.parameters() if p.requires_grad)
    return tokens_that_fit(torch.cuda.mem_get_info(device)[0] - states, few, many)


def tokens_that_fit(free: int, few: int, many: int) -> int:
    """Tokens, a multiple of 1,024 and at least that, that fill `SHARE` of what is free.

    Args:
        free: bytes.
        few: bytes that the smaller of `PROBES` took at its peak.
        many: bytes of the larger. What both took, copies of the weights in half precision and gradients, does not grow
            with the tokens.
    """
    per_token = (many - few) / (PROBES[1] - PROBES[0])
    fixed = few - per_token * PROBES[0]
    return max(1, int((SHARE * free - fixed) / per_token) // 1024) * 1024


def _probe(model: nn.Module, tokens: int, packed: bool, precision: str, device: torch.device) -> int:
    """Bytes taken at the peak of a forward and backward pass over proteins of 512 tokens."""
    rows = list(torch.full((tokens // 512, 512), 5, dtype=torch.int32).numpy())
    batch = as_batch(rows, pad_id=0, packed=packed, device=device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    with autocast(precision, device):
        loss = model(**batch).logits.sum()
    loss.backward()
    peak = torch.cuda.max_memory_allocated(device) - before
    model.zero_grad(set_to_none=True)
    return peak
