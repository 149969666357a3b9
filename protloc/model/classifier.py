"""The model: a backbone, a pooling head, one vector of raw logits a protein."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.auto.modeling_auto import MODEL_MAPPING, AutoModel

from protloc.data.encoding import kept_ends
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.packed import Packing, enable_packing, unpack
from protloc.model.pooling import POOLINGS


class ProteinClassifier(PreTrainedModel):
    """A protein language model with a pooling head over its residues."""

    config_class = ProteinClassifierConfig
    base_model_prefix = "backbone"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: ProteinClassifierConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModel.from_config(config.backbone, **without_pooler(config.backbone))
        drop_unused(self.backbone)
        enable_packing(self.backbone)
        self.pooling = POOLINGS[config.pooling](config.backbone.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.pooling.out_features, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        position_ids: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> SequenceClassifierOutput:
        """Raw logits, never squashed, and the mean cross-entropy where there are labels.

        A batch is padded, or packed: proteins behind each other without padding (see `protloc.model.packed`).

        A protein longer than `config.max_residues` is cropped here, so that every way in, a `pipeline` too, reads the
        same residues; the data path crops before it pads or packs, and then this does nothing.

        Args:
            input_ids: shape `(B, T)`, int64, padded on the right; packed: `(T,)`.
            attention_mask: shape `(B, T)`, 1 at real tokens; None means no padding.
            labels: shape `(B,)`, int64.
            position_ids: packed: shape `(T,)`, int64, from 0 in each protein.
            cu_seqlens: packed: shape `(B + 1,)`, int32, where each protein begins, and the end of the last.
            lengths: packed: tokens of each protein, on the host.

        Returns:
            `logits (B, C)` and `loss ()`.
        """
        if cu_seqlens is None:
            hidden_BTD, residues_BT = self._padded(input_ids, attention_mask)
        else:
            assert position_ids is not None, "a packed batch has position_ids and lengths"
            assert lengths is not None, "a packed batch has position_ids and lengths"
            hidden_BTD, residues_BT = self._packed(input_ids, position_ids, Packing(lengths, cu_seqlens, max(lengths)))
        # The head is small and decides: it computes in the weights' precision also under autocast.
        with torch.autocast(hidden_BTD.device.type, enabled=False):
            pooled_BP = self.pooling(hidden_BTD.to(self.classifier.weight.dtype), residues_BT)
            logits_BC = self.classifier(self.dropout(pooled_BP))
        loss = nn.functional.cross_entropy(logits_BC, labels) if labels is not None else None
        return SequenceClassifierOutput(loss=loss, logits=logits_BC)

    def _padded(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Hidden states `(B, T, D)` and which of them are residues `(B, T)`, bool."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        input_ids, attention_mask = self._crop(input_ids, attention_mask)
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        residues_BT = output.get("position_mask")  # a backbone that merges residues says what is left
        if residues_BT is None:
            residues_BT = attention_mask.bool() & self._residues(input_ids)
        return output.last_hidden_state, residues_BT

    def _packed(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """The same from a packed batch."""
        backbone = self.config.backbone
        if backbone.model_type == "esm" and backbone.position_embedding_type == "absolute":
            position_ids = position_ids + backbone.pad_token_id + 1
        output = self.backbone(input_ids=input_ids[None], position_ids=position_ids[None], packing=packing)
        hidden_BTD, real_BT = unpack(output.last_hidden_state[0], packing.lengths)
        residues_BT = real_BT.clone()
        residues_BT[real_BT] = self._residues(input_ids)
        return hidden_BTD, residues_BT

    def _residues(self, input_ids: Tensor) -> Tensor:
        """False at the backbone's special tokens."""
        residues = torch.ones_like(input_ids, dtype=torch.bool)
        for special in self.config.special_token_ids:
            residues &= input_ids != special
        return residues

    def _crop(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        frame = self.config.start_tokens + self.config.end_tokens
        if self.config.max_residues is None or input_ids.shape[1] <= self.config.max_residues + frame:
            return input_ids, attention_mask
        lengths_B = attention_mask.sum(1).tolist()
        rows = []
        for length in lengths_B:
            head, tail = kept_ends(length - frame, self.config.max_residues, self.config.crop)
            end = tail + self.config.end_tokens
            rows.append([*range(self.config.start_tokens + head), *range(length - end, length)])
        width = max(len(row) for row in rows)
        kept_BT = torch.tensor([row + [row[-1]] * (width - len(row)) for row in rows], device=input_ids.device)
        real_BT = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
        mask_BT = real_BT.to(attention_mask)
        padded = torch.full_like(kept_BT, self.config.pad_token_id or 0)
        return torch.where(mask_BT.bool(), input_ids.gather(1, kept_BT), padded), mask_BT


def without_pooler(config: PreTrainedConfig) -> dict[str, bool]:
    """Arguments that leave out the backbone's own pooler: unused weights would upset distributed training."""
    parameters = inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}


def drop_unused(backbone: PreTrainedModel) -> None:
    """Remove ESM-2's contact head: a classification loss gives it no gradient."""
    if hasattr(backbone, "contact_head"):
        del backbone.contact_head
