"""What protloc needs to know of a family of backbones, and what holds for most of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from protloc.errors import UserError
from protloc.model.packed import enable_packing


class Family:
    """Backbones that transformers builds from one code, known by the `model_type` in their configuration.

    This class is what holds for an encoder of BERT's shape, and serves families without a module of their own: they
    read padded batches.

    Attributes:
        model_type: as in `config.json`.
        packs: its attention is the only place where a protein meets its neighbours in a packed row.
        spaces: its tokenizers want a space between residues, unless `model.spaces` says otherwise.
    """

    model_type = ""
    packs = False
    spaces = False

    def layers(self, backbone: PreTrainedModel) -> nn.ModuleList:
        """The stack that is frozen from below, compiled, and dealt out over GPUs layer by layer."""
        stack = getattr(getattr(backbone, "encoder", None), "layer", None)
        if not isinstance(stack, nn.ModuleList):
            raise UserError(
                f"a {backbone.config.model_type} backbone keeps its layers where protloc does not find them: leave out "
                "model.freeze_layers, trainer.compile and trainer.strategy=fsdp"
            )
        return stack

    def embeddings(self, backbone: PreTrainedModel) -> nn.Module:
        """What makes token ids to vectors; frozen before the first layer is."""
        embeddings: nn.Module = backbone.embeddings
        return embeddings

    def layer_class(self, backbone: PreTrainedModel) -> str:
        """Name of the class that FSDP wraps: that of the layers which were built."""
        return type(self.layers(backbone)[0]).__name__

    def arguments(self, config: PreTrainedConfig) -> dict[str, Any]:
        """Further arguments of the model's class: no pooler of its own, whose unused weights would upset DDP."""
        parameters = inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
        return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}

    def adapt(self, backbone: PreTrainedModel) -> None:
        """What is done to a backbone of transformers, in place; its weights keep their names."""
        enable_packing(backbone, self.can_pack(backbone.config))

    def can_pack(self, config: PreTrainedConfig) -> bool:
        """Whether it reads packed batches; the packed attention knows no dropout."""
        return self.packs and not getattr(config, "attention_probs_dropout_prob", 0.0)

    def first_position(self, config: PreTrainedConfig) -> int:
        """The number of a protein's first position."""
        return 0

    def positions(self, config: PreTrainedConfig) -> int | None:
        """How many tokens it has positions for; None where they have no end, as rotary ones."""
        if getattr(config, "position_embedding_type", "absolute") == "rotary":
            return None
        there: int | None = getattr(config, "max_position_embeddings", None)
        return None if there is None else there - self.first_position(config)

    def attention_cost(self, config: PreTrainedConfig) -> float:
        """What attention adds to the cost of a protein, as q in `n + q * n**2` for n tokens.

        A layer takes 8 D² operations a token for queries, keys, values and their output, 4 D I for the two matrices in
        between, and 4 D for each token attended to.
        """
        size, inner = config.hidden_size, getattr(config, "intermediate_size", None)
        return 4 * size / (8 * size**2 + 4 * size * inner) if inner else 0.0

    def towers(self, config: PreTrainedConfig) -> int:
        """Encoders side by side, each with channels and a loss of its own."""
        return 1

    def from_scratch(self, fields: Mapping[str, Any]) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
        """The configuration and the tokenizer of a backbone for which nothing is loaded.

        Args:
            fields: `model.from_scratch` without `model_type`.

        Raises:
            UserError: a field is unknown, or they do not fit each other; or the family is loaded only.
        """
        raise UserError(f"a {self.model_type} backbone is loaded: give model.name_or_path=", exit_code=2)
