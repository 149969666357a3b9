"""Weights from a safetensors file, checked against the model before they are used."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from protloc.errors import UserError

FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
"""Types of weights that are numbers with a point, by their names in the file."""


def check_weights(path: Path, model: nn.Module) -> None:
    """Compare the file's header with a model's weights; nothing is read yet.

    Args:
        path: the file.
        model: may be on the device `meta`.

    Raises:
        UserError: the file cannot be read, lacks weights, has others, or they are of another shape or no floats.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
            shapes = {name: tuple(part.get_shape()) for name, part in found.items()}
            kinds = {name: part.get_dtype() for name, part in found.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as safetensors: {str(error).splitlines()[0]}") from error
    missing = sorted(wanted.keys() - shapes.keys())
    if missing:
        raise UserError(f"{path} lacks {len(missing)} weights of the model, {missing[0]} first: they would be random")
    unknown = sorted(shapes.keys() - wanted.keys())
    if unknown:
        raise UserError(f"{path} has {len(unknown)} weights that the model does not know, {unknown[0]} first")
    for name, shape in sorted(wanted.items()):
        if shapes[name] != shape:
            raise UserError(f"{path}: {name} has the shape {shapes[name]}, config.json says {shape}")
        if kinds[name] not in FLOATS:
            raise UserError(f"{path}: {name} is of type {kinds[name]}, must be one of {', '.join(FLOATS)}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights as float32, each a number.

    Raises:
        UserError: one is infinite or no number.
    """
    weights = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - no dictionary
            weights[name] = file.get_tensor(name).float()
            if not bool(torch.isfinite(weights[name]).all()):
                raise UserError(f"{path}: {name} holds values that are infinite or no number")
    return weights
