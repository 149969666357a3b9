"""Attention over proteins that lie behind each other in one row, without padding.

A padded batch computes rows of padding and drags a mask along; a packed one holds residues only. The backbone's code
is transformers' own: it finds this function under a name, and hands it what the batch says about its proteins.

T tokens of B proteins together, H heads, K channels a head.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedConfig, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from protloc.errors import UserError

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # older than PyTorch 2.10, as some clusters' images are: a kernel for each protein there
    varlen_attn = None  # type: ignore[assignment]

NAME = "protloc_packed"
"""The attention's name in a configuration's `_attn_implementation`."""

HAS_SPLITS = varlen_attn is not None and "num_splits" in inspect.signature(varlen_attn).parameters
INVARIANT: dict[str, Any] = {"num_splits": 1} if HAS_SPLITS else {}
"""Keeps the kernel from splitting keys by the longest protein at hand: the same answer in any company, to the bit."""

SCORES = 3 * 2**20
"""Bytes of attention scores that a CPU computes at once, in its cache; in bf16 a head of a protein of 1,254 tokens."""


def enable_packing(backbone: PreTrainedModel, able: bool) -> None:
    """Let a backbone read packed batches beside padded ones, where it can; an attention of the user's choice stays."""
    if backbone.config._attn_implementation in ("sdpa", NAME):
        backbone.set_attn_implementation(NAME if able else "sdpa")


def choose_attention(wanted: str, backbone: PreTrainedModel, device: torch.device, precision: str) -> str:
    """`packed` or `padded`.

    Args:
        wanted: `auto`, `packed` or `padded`. `auto` packs where it is the faster: not in fp32 on a GPU, where PyTorch
            has no kernel over many proteins.
        backbone: of the model.
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`.

    Raises:
        UserError: `packed`, and the backbone cannot.
    """
    able = backbone.config._attn_implementation == NAME
    if device.type == "cuda" and precision != "fp32":
        able = able and has_kernel(backbone.config, device)
    if wanted == "packed" and not able:
        raise UserError(
            f"model.attention=packed, but a {backbone.config.model_type} backbone cannot be packed on this "
            f"{device.type.upper()}; take auto or padded"
        )
    if wanted == "auto":
        return "packed" if able and (device.type == "cpu" or precision != "fp32") else "padded"
    return wanted


def has_kernel(backbone: PreTrainedConfig, device: torch.device) -> bool:
    """Whether PyTorch's kernel over many proteins runs on a GPU: from Ampere on, for heads of up to 256 channels."""
    size = backbone.hidden_size // backbone.num_attention_heads
    new = torch.cuda.get_device_capability(device) >= (8, 0)
    return varlen_attn is not None and new and size % 8 == 0 and size <= 256


@dataclass(frozen=True)
class Packing:
    """Which tokens of a row belong to which protein.

    Attributes:
        lengths: tokens of each protein, on the host, so that no kernel waits for them.
        cu_seqlens: where each begins, and the end of the last; shape `(B + 1,)`, int32, on the device.
        max_length: tokens of the longest.
    """

    lengths: Sequence[int]
    cu_seqlens: Tensor
    max_length: int


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    packing: Packing | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Each protein attends to itself. Without `packing` this is transformers' attention for padded batches.

    Args:
        module: the attention layer.
        query: shape `(1, H, T, K)`; `key` and `value` alike.
        key: see `query`.
        value: see `query`.
        attention_mask: of a padded batch; None for a packed one.
        scaling: factor of the scores; None means 1 / sqrt(K).
        dropout: 0 for a packed batch, as `Family.can_pack` sees to.
        packing: the proteins.
        kwargs: for transformers' attention.

    Returns:
        Shape `(1, T, H, K)`, and None in the place of the weights.
    """
    if packing is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
    if varlen_attn is not None and query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        return _varlen(query, key, value, packing, scaling), None
    return _by_protein(query, key, value, packing.lengths, scaling), None


def _varlen(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scaling: float | None) -> Tensor:
    """One kernel over all proteins (FlashAttention, Dao 2023), part of PyTorch."""
    q_THK, k_THK, v_THK = (x[0].transpose(0, 1) for x in (query, key, value))
    ends, longest = packing.cu_seqlens, packing.max_length
    out_THK: Tensor = varlen_attn(q_THK, k_THK, v_THK, ends, ends, longest, longest, scale=scaling, **INVARIANT)  # type: ignore[assignment]
    return out_THK[None]


@torch.compiler.disable  # a loop over lengths would be compiled anew for each batch
def _by_protein(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], scaling: float | None) -> Tensor:
    """Protein by protein, neighbours of equal length together."""
    found = list(runs(lengths))
    # Split, not sliced: the gradient of a split is put together once, that of each slice is a tensor of full length.
    split = [x[0].split([count * length for count, length in found], dim=1) for x in (query, key, value)]
    parts = []
    for (count, length), *qkv in zip(found, *split, strict=True):
        q, k, v = (x_HSK.unflatten(1, (count, length)).transpose(0, 1) for x_HSK in qkv)
        out_NHLK = _attend(q, k, v, scaling)
        parts.append(out_NHLK.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)[None]


def _attend(q_NHLK: Tensor, k_NHLK: Tensor, v_NHLK: Tensor, scaling: float | None) -> Tensor:
    """Attention within N proteins of one length, `(N, H, L, K)`.

    PyTorch's function never holds all scores. In half precision a CPU computes plain products up to twice as fast,
    where the scores fit its cache: a few heads at a time, and no long proteins, whose scores training would keep.
    """
    heads = SCORES // (q_NHLK.element_size() * q_NHLK.shape[2] ** 2)
    if q_NHLK.is_cuda or q_NHLK.dtype == torch.float32 or not heads:
        return nn.functional.scaled_dot_product_attention(q_NHLK, k_NHLK, v_NHLK, scale=scaling)
    scale = q_NHLK.shape[-1] ** -0.5 if scaling is None else scaling
    few = zip(*(x.flatten(0, 1).split(heads) for x in (q_NHLK * scale, k_NHLK, v_NHLK)), strict=True)
    outs = [(q_SLK @ k_SLK.transpose(1, 2)).softmax(-1) @ v_SLK for q_SLK, k_SLK, v_SLK in few]
    return torch.cat(outs).unflatten(0, q_NHLK.shape[:2])


def runs(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours of equal length, as `(how many, length)`."""
    for length, group in groupby(lengths):
        yield len(list(group)), length


def unpack(row_TD: Tensor, residues_T: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
    """Packed states as a padded rectangle, for the head: its cost is small, and it has one code for both.

    Args:
        row_TD: shape `(T, D)`.
        residues_T: shape `(T,)`, bool, false at special tokens.
        packing: the proteins.

    Returns:
        `(B, longest, D)`, zero at padding, and `(B, longest)`, bool, true at residues.
    """
    rows, width, starts_B = len(packing.lengths), packing.max_length, packing.cu_seqlens[:-1]
    shifts_B = torch.arange(rows, device=row_TD.device) * width - starts_B
    # With its size given: else the host would wait for a GPU to hear of it.
    shifts_T = shifts_B.repeat_interleave(packing.cu_seqlens.diff(), output_size=len(row_TD))
    places_T = torch.arange(len(row_TD), device=row_TD.device) + shifts_T
    padded = row_TD.new_zeros(rows * width, row_TD.shape[1]).index_copy_(0, places_T, row_TD)
    residues = residues_T.new_zeros(rows * width).index_copy_(0, places_T, residues_T)
    return padded.unflatten(0, (rows, width)), residues.unflatten(0, (rows, width))


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
