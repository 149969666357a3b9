"""What a model folder's `config.json` holds."""

from __future__ import annotations

from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig


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
        problem_type: `single_label_classification` or `multi_label_classification`.
        thresholds: with several labels, the probability from which each class is said to apply, by its name; None
            before training has fitted them.
        membrane_threshold: that of the membrane; None where the model has no such output.
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
        problem_type: str = "single_label_classification",
        thresholds: dict[str, float] | None = None,
        membrane_threshold: float | None = None,
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
        self.thresholds, self.membrane_threshold = thresholds, membrane_threshold
        super().__init__(problem_type=problem_type, **kwargs)
