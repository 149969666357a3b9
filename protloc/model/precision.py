"""Which device a model runs on, and in which arithmetic."""

from __future__ import annotations

import torch

from protloc.errors import UserError


def pick_device(wanted: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device.

    Raises:
        UserError: `cuda`, and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda, but this machine has no CUDA device; take device=cpu")
    return torch.device(wanted)


def pick_precision(wanted: str, device: torch.device) -> str:
    """`fp32`, `bf16` or `fp16`; `auto` is bf16 where the device has instructions for it, else fp32.

    A CPU without them computes bf16 too, but some hundred times slower than fp32.

    Raises:
        UserError: the device cannot compute it.
    """
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if wanted == "auto":
        return "bf16" if has_bf16 else "fp32"
    if wanted == "bf16" and not has_bf16:
        raise UserError(f"precision=bf16, but this {device.type.upper()} has no instructions for it; take fp32")
    if wanted == "fp16" and device.type == "cpu":
        raise UserError("precision=fp16 needs a GPU; take fp32 (or bf16 where the CPU has it)")
    return wanted


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a forward pass computes in `precision`."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")


def exact(precision: str, device: torch.device) -> None:
    """Where `precision` is fp32, have a GPU compute it in full: its convolutions and LSTMs would take tf32."""
    if device.type == "cuda" and precision == "fp32":
        torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]  # made when torch is imported
