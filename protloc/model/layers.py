"""The backbone's layers: compiled, or without kept activations."""

from __future__ import annotations

from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from protloc.model.backbones import family_of

CHECKPOINTING = {"use_reentrant": False}
"""PyTorch's own advice for activation checkpointing."""


def can_checkpoint(backbone: PreTrainedModel) -> bool:
    """Whether its layers can compute their activations twice instead of keeping them."""
    return any(isinstance(module, GradientCheckpointingLayer) for module in backbone.modules())


def compile_layers(backbone: PreTrainedModel) -> None:
    """Compile each layer, in place, when it is first called.

    The layers are alike, so one of them is compiled for all; lengths are symbols (`dynamic`), so one program serves
    every batch. A whole model would take minutes and be compiled again for each new shape.
    """
    for layer in family_of(backbone.config).layers(backbone):
        layer.compile(dynamic=True)
