"""The configurations that a model folder holds; apart from the models, so that transformers can read them alone."""

from __future__ import annotations

from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig

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
        self.hidden_size, self.num_hidden_layers, self.towers = hidden_size, num_hidden_layers, towers
        self.recurrent_size = recurrent_size
        self.embedding_size, self.filters, self.stride = embedding_size, filters, stride
        self.widths = widths or [1, 3, 5, 9, 15, 21]
        self.kernel_size, self.expansion = kernel_size, expansion
        self.distance_buckets, self.dropout, self.substitution = distance_buckets, dropout, substitution
        self.vocab_size = vocab_size
        kwargs.setdefault("pad_token_id", 0)
        super().__init__(**kwargs)

    @property
    def tower_size(self) -> int:
        """Channels of one tower."""
        return self.hidden_size // self.towers


class ProteinClassifierConfig(PreTrainedConfig):
    """Everything that prediction needs to know beside the weights; saved as `config.json`.

    Args:
        backbone: the backbone's own configuration, `model_type` included.
        backbone_name: where the backbone came from, for the record.
        pooling: a key of `POOLINGS`.
        dropout: dropout before the linear layer.
        max_residues: longest protein read whole, in residues; None means any length.
        crop: what a longer protein keeps: `middle` (both ends), `head` or `tail`.
        shortest: residues of the shortest training protein.
        special_token_ids: ids that are no residue, left out of the pooling.
        start_tokens: how many of them stand before the residues.
        end_tokens: how many stand behind.
    """

    model_type = "protloc"
    sub_configs = {"backbone": AutoConfig}  # noqa: RUF012 - transformers' own way to name a nested configuration

    def __init__(
        self,
        backbone: PreTrainedConfig | dict[str, Any] | None = None,
        backbone_name: str = "",
        pooling: str = "mean",
        dropout: float = 0.1,
        max_residues: int | None = None,
        crop: str = "middle",
        shortest: int | None = None,
        special_token_ids: list[int] | None = None,
        start_tokens: int = 0,
        end_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        if isinstance(backbone, dict):
            backbone = AutoConfig.for_model(**backbone)
        self.backbone: Any = backbone
        self.backbone_name = backbone_name
        self.pooling, self.dropout = pooling, dropout
        self.max_residues, self.crop, self.shortest = max_residues, crop, shortest
        self.special_token_ids = special_token_ids or []
        self.start_tokens, self.end_tokens = start_tokens, end_tokens
        kwargs.setdefault("problem_type", "single_label_classification")
        super().__init__(**kwargs)
