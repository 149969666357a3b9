"""What transformers' ESM-2 does in five steps, in one."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.esm.modeling_esm import EsmIntermediate


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
