"""The backbone's layers: compiled, without kept activations, with one kernel for what transformers does in five."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.esm.modeling_esm import EsmIntermediate

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
    layers: nn.ModuleList = backbone.encoder.layer
    for layer in layers:
        layer.compile(dynamic=True)


class FusedIntermediate(EsmIntermediate):
    """ESM-2's wide layer with PyTorch's own exact GELU.

    transformers writes the function out, in five steps over the model's widest states: each is read, written and kept
    for the backward pass, and in half precision rounded.
    """

    def forward(self, hidden_states: Tensor) -> Tensor:
        """From `(..., D)` to `(..., inner)`."""
        return nn.functional.gelu(self.dense(hidden_states))


def fuse(backbone: PreTrainedModel) -> None:
    """Let an ESM-2 backbone compute its GELUs in one step each, in place; weights and names stay."""
    for module in backbone.modules():
        if type(module) is EsmIntermediate:
            module.__class__ = FusedIntermediate
