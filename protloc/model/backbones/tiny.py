"""`tiny`: a small convolutional encoder of our own; its layers are in `tiny_encoder`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from protloc.config import no_option
from protloc.errors import UserError
from protloc.model.backbones.family import Family
from protloc.model.tokenizer import from_vocabulary

TOKENS = ["<pad>", "<unk>", *"ACDEFGHIKLMNPQRSTVWY", "X"]
"""The vocabulary of `tiny` in order of the ids; U, Z, O, B and J read as X."""


class TinyConfig(PreTrainedConfig):
    """The shape of `tiny`'s encoder.

    Args:
        hidden_size: channels D of the output, those of all towers together.
        towers: encoders side by side behind the motifs, an ensemble with a loss each.
        num_hidden_layers: residual blocks.
        recurrent_size: units of a tower's LSTM in each direction, behind the first block; 0 leaves it out.
        embedding_size: channels of a residue, 20 or more: they start from BLOSUM62.
        widths: widths of the parallel convolutions that read motifs, in residues.
        filters: channels of each of them.
        stride: residues that are merged into one position behind the motifs.
        kernel_size: width of the blocks' convolution, in positions.
        expansion: the blocks' inner channels are this many times D.
        distance_buckets: resolution of the distance to an end, which is read on a log scale up to 1,024 residues.
        dropout: share of channels dropped, for a whole protein at once.
        substitution: share of residues replaced while training, by what evolution would put there.
    """

    model_type = "protloc_conv"

    def __init__(
        self,
        hidden_size: int = 480,
        towers: int = 3,
        num_hidden_layers: int = 2,
        recurrent_size: int = 128,
        embedding_size: int = 32,
        widths: list[int] | None = None,
        filters: int = 64,
        stride: int = 8,
        kernel_size: int = 11,
        expansion: int = 2,
        distance_buckets: int = 40,
        dropout: float = 0.15,
        substitution: float = 0.2,
        vocab_size: int = len(TOKENS),
        **kwargs: Any,
    ) -> None:
        if hidden_size % towers:
            raise ValueError(f"hidden_size={hidden_size} cannot be shared by {towers} towers")
        widths = widths or [1, 3, 5, 9, 15, 21]
        for width in (*widths, kernel_size):  # an even one would shift what it reads
            if type(width) is not int or width < 1 or width % 2 == 0:
                raise ValueError(f"{width!r} is no width of a convolution: widths and kernel_size are odd, from 1")
        if embedding_size < len(TOKENS) - 3:
            raise ValueError(f"embedding_size={embedding_size} is less than the 20 that BLOSUM62 fills")
        for name, share in (("dropout", dropout), ("substitution", substitution)):
            if type(share) not in (int, float) or not 0 <= share < 1:
                raise ValueError(f"{name}={share!r} must be a number from 0, below 1")
        self.hidden_size, self.num_hidden_layers, self.towers = hidden_size, num_hidden_layers, towers
        self.recurrent_size = recurrent_size
        self.embedding_size, self.filters, self.stride = embedding_size, filters, stride
        self.widths = widths
        self.kernel_size, self.expansion = kernel_size, expansion
        self.distance_buckets, self.dropout, self.substitution = distance_buckets, dropout, substitution
        self.vocab_size = vocab_size
        kwargs.setdefault("pad_token_id", 0)
        super().__init__(**kwargs)

    @property
    def tower_size(self) -> int:
        """Channels of one tower."""
        return self.hidden_size // self.towers


class Tiny(Family):
    """`TinyModel`: merges residues, so it reads padded batches; no learned positions, any length."""

    model_type = TinyConfig.model_type

    def adapt(self, backbone: PreTrainedModel) -> None:
        """Nothing: it is ours."""

    def positions(self, config: PreTrainedConfig) -> int | None:
        """It knows the distance to each end, on a scale without end."""
        return None

    def towers(self, config: PreTrainedConfig) -> int:
        """As its configuration says."""
        towers: int = config.towers
        return towers

    def from_scratch(self, fields: Mapping[str, Any]) -> tuple[TinyConfig, PreTrainedTokenizerBase]:
        """See `Family.from_scratch`."""
        known = list(inspect.signature(TinyConfig.__init__).parameters)[1:-1]
        for name in fields.keys() - known:
            raise UserError(no_option(f"model.from_scratch.{name}", known), exit_code=2)
        try:
            config = TinyConfig(**fields)
        except ValueError as error:
            raise UserError(f"model.from_scratch: {error}", exit_code=2) from error
        return config, from_vocabulary(TOKENS, pad="<pad>", unknown="<unk>")
