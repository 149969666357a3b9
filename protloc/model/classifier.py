"""The model: a backbone, a pooling head, one vector of raw logits a protein."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from protloc.data.encoding import kept_ends
from protloc.model.backbones import family_of
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.packed import Packing, unpack
from protloc.model.pooling import build_pooling
from protloc.tasks.losses import BinaryCrossEntropy, CrossEntropy, Loss


@dataclass
class ClassifierOutput(SequenceClassifierOutput):
    """What the model answers, raw.

    Attributes:
        logits: of the classes, `(B, C)`.
        loss: over the classes, `()`, where there are labels.
        membrane: logits of the membrane, `(B,)`, where the model has that output.
        members: in training, what each of K towers says, `(B, K, W)`: the classes, and behind them the membrane.
    """

    membrane: Tensor | None = None
    members: Tensor | None = None

    def joined(self) -> Tensor:
        """All that is answered: the classes, and behind them the membrane. Shape `(B, W)`."""
        assert self.logits is not None
        return self.logits if self.membrane is None else torch.cat([self.logits, self.membrane[:, None]], dim=1)


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
        if config.backbone is None:
            raise ValueError("its config.json names no backbone")
        super().__init__(config)
        self.family = family_of(config.backbone)
        self.backbone = AutoModel.from_config(config.backbone, **self.family.arguments(config.backbone))
        self.family.adapt(self.backbone)
        self.towers = self.family.towers(config.backbone)
        self.pooling = build_pooling(config.pooling, config.backbone.hidden_size, self.towers)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.pooling.out_features, config.num_labels)
        self.membrane = nn.Linear(self.pooling.out_features, 1) if config.membrane_threshold is not None else None
        self.loss_of_classes = LOSSES[config.problem_type](config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        position_ids: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> ClassifierOutput:
        """Raw logits, never squashed, and the mean loss over the classes where there are labels.

        A batch is padded, or packed: proteins behind each other without padding (see `protloc.model.packed`).

        A protein longer than `config.max_residues` is cropped here, so that every way in, a `pipeline` too, reads the
        same residues; the data path crops before it pads or packs, and then this does nothing.

        Args:
            input_ids: shape `(B, T)`, int64, padded on the right; packed: `(T,)`.
            attention_mask: shape `(B, T)`, 1 at real tokens; None means no padding.
            labels: shape `(B,)`, int64; of a model for several labels `(B, C)`, 1 for each class of a protein.
            position_ids: packed: shape `(T,)`, int64, from 0 in each protein.
            cu_seqlens: packed: shape `(B + 1,)`, int32, where each protein begins, and the end of the last.
            lengths: packed: tokens of each protein, on the host.

        Returns:
            See `ClassifierOutput`; `members` of a backbone with several towers alone.
        """
        hidden_BTD, residues_BT = self.encode(input_ids, attention_mask, position_ids, cu_seqlens, lengths)
        return answer(self, hidden_BTD, residues_BT, labels)

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """From the arguments of `forward` to the backbone's states `(B, T, D)`, and `(B, T)`, bool: residues."""
        if cu_seqlens is None:
            return self._padded(input_ids, attention_mask)
        assert position_ids is not None, "a packed batch has position_ids and lengths"
        assert lengths is not None, "a packed batch has position_ids and lengths"
        return self._packed(input_ids, position_ids, Packing(lengths, cu_seqlens, max(lengths)))

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """As transformers', with every weight under its own name.

        Else transformers gives a backbone's weights the names of its oldest checkpoints (`LayerNorm.gamma`), which
        Trainer does not find again when it goes back to the best epoch: that would keep the last one's norms.
        """
        super().save_pretrained(save_directory, **{"save_original_format": False, **kwargs})

    def _padded(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        input_ids, attention_mask = self._crop(input_ids, attention_mask)
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        residues_BT = output.get("position_mask")  # a backbone that merges residues says what is left
        if residues_BT is None:
            residues_BT = attention_mask.bool() & self._residues(input_ids)
        return output.last_hidden_state, residues_BT

    def _packed(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        position_ids = position_ids + self.family.first_position(self.config.backbone)
        output = self.backbone(input_ids=input_ids[None], position_ids=position_ids[None], packing=packing)
        return unpack(output.last_hidden_state[0], self._residues(input_ids), packing)

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


class Head(nn.Module):
    """The head of a classifier alone, over a backbone's states that are there already; it shares the weights.

    Trained instead of the whole where the backbone is frozen: nothing else is moved, saved or counted.
    """

    def __init__(self, whole: ProteinClassifier) -> None:
        super().__init__()
        self.pooling, self.dropout, self.classifier = whole.pooling, whole.dropout, whole.classifier
        self.membrane, self.towers, self.loss_of_classes = whole.membrane, whole.towers, whole.loss_of_classes

    def forward(self, hidden: Tensor, residues: Tensor, labels: Tensor | None = None) -> ClassifierOutput:
        """As `ProteinClassifier.forward`, from `hidden (B, T, D)` and which of it are residues, `residues (B, T)`."""
        return answer(self, hidden, residues, labels)


def answer(
    head: ProteinClassifier | Head, hidden_BTD: Tensor, residues_BT: Tensor, labels: Tensor | None
) -> ClassifierOutput:
    """From a backbone's states to what the model answers."""
    # The head is small and decides: it computes in the weights' precision also under autocast.
    with torch.autocast(hidden_BTD.device.type, enabled=False):
        pooled_BP = head.dropout(head.pooling(hidden_BTD.to(head.classifier.weight.dtype), residues_BT))
        logits_BC = head.classifier(pooled_BP)
        membrane_B = head.membrane(pooled_BP).squeeze(1) if head.membrane is not None else None
        layers = [layer for layer in (head.classifier, head.membrane) if layer is not None]
        apart = head.training and head.towers > 1
        members_BKW = (
            torch.cat([tower_logits(layer, pooled_BP, head.towers) for layer in layers], -1) if apart else None
        )
    loss = head.loss_of_classes(logits_BC[:, None], labels) if labels is not None else None
    return ClassifierOutput(loss=loss, logits=logits_BC, membrane=membrane_B, members=members_BKW)


LOSSES: dict[str, type[Loss]] = {
    "single_label_classification": CrossEntropy,
    "multi_label_classification": BinaryCrossEntropy,
}
"""What `forward` gives where it has labels, by `problem_type`: plain; Trainer's has the run's options."""


def tower_logits(classifier: nn.Linear, pooled_BP: Tensor, towers: int) -> Tensor:
    """What each of K towers would answer alone, `(B, K, C)`; their mean is the answer.

    The head is one linear layer over all towers; the share of it that reads one tower, K times, is that tower's head.
    """
    pooled_BKP, weight_CKP = (x.unflatten(1, (towers, -1)) for x in (pooled_BP, classifier.weight))
    return torch.einsum("bkp,ckp->bkc", pooled_BKP, weight_CKP) * towers + classifier.bias
