"""`tiny`: a small convolutional encoder, trained from scratch on a CPU.

From a few thousand proteins, convolutions learn sorting signals far faster than a transformer does. Parallel
convolutions of several widths read motifs, the distance to each end tells where a motif stands (signals sit at the
ends), and a few residual blocks combine neighbouring motifs.

B proteins, T positions, D channels. Positions that are padding hold zeroes before every convolution, which is what a
convolution sees behind a protein that stands alone: so the answer does not depend on the batch.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput

from protloc.model.configuration import TOKENS, TinyConfig
from protloc.model.tokenizer import from_vocabulary

def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Raw residues to the ids of `TOKENS`, without start and end tokens."""
    return from_vocabulary(TOKENS, pad="<pad>", unknown="<unk>")


class Conv(nn.Module):
    """A convolution over positions on `(B, T, channels)`."""

    def __init__(self, inputs: int, outputs: int, width: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, width, padding="same", groups=groups)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.conv(x_BTC.transpose(1, 2)).transpose(1, 2)


class Embeddings(nn.Module):
    """Residues, their motifs, and where these stand."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.buckets = config.distance_buckets
        motifs = config.filters * len(config.widths)
        self.residues = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.motifs = nn.ModuleList(Conv(config.embedding_size, config.filters, width) for width in config.widths)
        self.norm = nn.LayerNorm(motifs)
        self.mix = nn.Linear(motifs, config.hidden_size)
        self.from_start = nn.Embedding(config.distance_buckets, config.hidden_size)
        self.from_end = nn.Embedding(config.distance_buckets, config.hidden_size)

    def forward(self, input_ids: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, T, D)`."""
        residues_BTE = self.residues(input_ids) * mask_BT[..., None]
        motifs_BTM = torch.cat([motif(residues_BTE) for motif in self.motifs], dim=-1)
        start_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
        end_BT = (mask_BT.sum(1, keepdim=True) - 1 - start_BT).clamp(min=0)
        places_BTD = self.from_start(self._bucket(start_BT)) + self.from_end(self._bucket(end_BT))
        return self.mix(self.norm(nn.functional.gelu(motifs_BTM))) + places_BTD

    def _bucket(self, distance: Tensor) -> Tensor:
        steps = torch.log2(distance.float() + 1) * ((self.buckets - 1) / math.log2(1024))
        return steps.long().clamp(max=self.buckets - 1)


class Block(nn.Module):
    """A residual block: grouped convolution, then a mix of the channels."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size)
        self.conv = Conv(config.hidden_size, config.hidden_size, config.kernel_size, config.groups)
        self.mix = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout1d(config.dropout)

    def forward(self, x_BTD: Tensor, mask_BT1: Tensor) -> Tensor:
        h_BTD = self.mix(nn.functional.gelu(self.conv(self.norm(x_BTD) * mask_BT1)))
        return x_BTD + self.dropout(h_BTD.transpose(1, 2)).transpose(1, 2)


class Encoder(nn.Module):
    """The residual blocks; named as in BERT, so that freezing layers works alike."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, x_BTD: Tensor, mask_BT1: Tensor) -> Tensor:
        for block in self.layer:
            x_BTD = block(x_BTD, mask_BT1)
        return self.norm(x_BTD)


class TinyModel(PreTrainedModel):
    """The encoder as a backbone like any other: `AutoModel` builds and loads it."""

    config_class = TinyConfig
    base_model_prefix = "tiny"
    main_input_name = "input_ids"

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **kwargs: Any) -> BaseModelOutput:
        """Hidden states `(B, T, D)`, zero at padding, from `input_ids (B, T)` and `attention_mask (B, T)`."""
        mask_BT1 = attention_mask[..., None].to(self.dtype)
        hidden_BTD = self.encoder(self.embeddings(input_ids, attention_mask), mask_BT1) * mask_BT1
        return BaseModelOutput(last_hidden_state=hidden_BTD)
