"""`tiny`'s encoder: small, convolutional, trained from scratch on a CPU.

From a few thousand proteins, convolutions learn sorting signals far faster than a transformer does. Parallel
convolutions of several widths read motifs; the strongest of every few residues go on, so that all that is wide runs on
a few of the positions; the distance to each end tells where a motif stands (signals sit at the ends); residual blocks
in the manner of ConvNeXt (Liu et al. 2022) and an LSTM combine neighbouring motifs.

Behind the motifs several towers stand side by side, each with channels of its own, and each with a loss of its own
(`ClassifierOutput.members`). Their mean is right more often than one tower of all their width: an ensemble (Hansen and
Salamon 1990) that shares its costliest layer.

B proteins, T residues, S positions, D channels. Whatever is padding holds zeroes before every convolution, which is
what a convolution sees behind a protein that stands alone: so the answer does not depend on the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from protloc.model.backbones.blosum import RESIDUES, scores, substitutions
from protloc.model.backbones.tiny import TOKENS, TinyConfig

FIRST_RESIDUE = TOKENS.index(RESIDUES[0])
assert TOKENS[FIRST_RESIDUE : FIRST_RESIDUE + len(RESIDUES)] == list(RESIDUES)


@dataclass
class TinyOutput(BaseModelOutput):
    """Hidden states `(B, S, D)` and which positions hold residues: `position_mask (B, S)`, bool."""

    position_mask: Tensor | None = None


class Conv(nn.Conv2d):
    """A convolution over positions on `(B, T, channels)`; on a CPU this layout is the fast one."""

    def __init__(self, inputs: int, outputs: int, width: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, (1, width), padding=(0, width // 2), groups=groups)

    def forward(self, x_BTC: Tensor) -> Tensor:
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        x_BC1T = x_BTC.transpose(1, 2).unsqueeze(2)
        return self._conv_forward(x_BC1T, weight, self.bias).squeeze(2).transpose(1, 2)


class ChannelDropout(nn.Module):
    """Dropout of whole channels of a protein; drawing a number for each position would take a sixth of a CPU step."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x_BTC: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_BTC
        kept_B1C = torch.rand(x_BTC.shape[0], 1, x_BTC.shape[2], device=x_BTC.device) >= self.p
        return x_BTC * kept_B1C.to(x_BTC.dtype) / (1 - self.p)


class SideBySide(nn.Module):
    """One module a tower, each on its own share of the channels."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(modules)

    def forward(self, shares: Sequence[Tensor], *more: Tensor) -> list[Tensor]:
        return [tower(share, *more) for tower, share in zip(self.towers, shares, strict=True)]


class Embeddings(nn.Module):
    """Residues, their motifs, and where these stand."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.stride, self.buckets = config.stride, config.distance_buckets
        self.substitution = config.substitution
        motifs = config.filters * len(config.widths)
        self.residues = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.motifs = nn.ModuleList(Conv(config.embedding_size, config.filters, width) for width in config.widths)
        self.motif_norm = nn.LayerNorm(motifs)
        self.dropout = ChannelDropout(config.dropout)
        self.mix = nn.ModuleList(nn.Linear(motifs, config.tower_size) for _ in range(config.towers))
        self.from_start = nn.Embedding(config.distance_buckets, config.hidden_size)
        self.from_end = nn.Embedding(config.distance_buckets, config.hidden_size)
        self.norm = SideBySide([nn.LayerNorm(config.tower_size) for _ in range(config.towers)])

    def forward(self, input_ids: Tensor, mask_BT: Tensor) -> tuple[list[Tensor], Tensor]:
        """For each of K towers `(B, S, D / K)`, zero at padding; and the mask `(B, S)`, bool; S = T / stride, up."""
        lengths_B1 = mask_BT.sum(1, keepdim=True)
        # A multiple of the stride, so that the last position of a protein reads the same zeroes in any batch.
        fill = -input_ids.shape[1] % self.stride
        input_ids, mask_BT = nn.functional.pad(input_ids, (0, fill)), nn.functional.pad(mask_BT, (0, fill))
        if self.training and self.substitution:
            input_ids = self._substituted(input_ids)
        residues_BTE = self.residues(input_ids) * mask_BT[..., None]
        motifs_BTM = torch.cat([motif(residues_BTE) for motif in self.motifs], dim=-1)
        mask_BS = mask_BT[:, :: self.stride] > 0
        motifs_BSM = motifs_BTM.unflatten(1, (-1, self.stride)).amax(2) * mask_BS[..., None]
        motifs_BSM = self.motif_norm(nn.functional.gelu(motifs_BSM))
        start_1S = torch.arange(mask_BS.shape[1], device=mask_BT.device)[None] * self.stride
        end_BS = (lengths_B1 - 1 - start_1S).clamp(min=0)
        places_BSD = self.from_start(self._bucket(start_1S)) + self.from_end(self._bucket(end_BS))
        shares = [mix(self.dropout(motifs_BSM)) for mix in self.mix]
        placed = zip(shares, places_BSD.chunk(len(shares), dim=-1), strict=True)
        normed = self.norm([nn.functional.gelu(share + places) for share, places in placed])
        return [share * mask_BS[..., None] for share in normed], mask_BS

    def _bucket(self, distance: Tensor) -> Tensor:
        steps = torch.log2(distance.float() + 1) * (self.buckets / math.log2(1024))
        return steps.long().clamp(max=self.buckets - 1)

    def _substituted(self, input_ids: Tensor) -> Tensor:
        """A share of the residues replaced, each by what BLOSUM62 makes likely: a relative of the protein."""
        known = (input_ids >= FIRST_RESIDUE) & (input_ids < FIRST_RESIDUE + len(RESIDUES))
        chosen = known & (torch.rand(input_ids.shape, device=input_ids.device) < self.substitution)
        old = input_ids[chosen] - FIRST_RESIDUE
        if not len(old):
            return input_ids
        new = torch.multinomial(substitutions().to(input_ids.device)[old], 1).squeeze(1) + FIRST_RESIDUE
        return input_ids.masked_scatter(chosen, new)


class Block(nn.Module):
    """A residual block: each channel over its neighbourhood, then the channels among themselves."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        size, inner = config.tower_size, config.expansion * config.tower_size
        self.conv = Conv(size, size, config.kernel_size, groups=size)
        self.norm = nn.LayerNorm(size)
        self.widen, self.narrow = nn.Linear(size, inner), nn.Linear(inner, size)
        self.dropout = ChannelDropout(config.dropout)
        self.scale = nn.Parameter(torch.full((size,), 0.3))

    def forward(self, x_BSD: Tensor, mask_BS1: Tensor) -> Tensor:
        h_BSD = self.narrow(nn.functional.gelu(self.widen(self.norm(self.conv(x_BSD)))))
        return (x_BSD + self.dropout(h_BSD) * self.scale) * mask_BS1


class Recurrence(nn.Module):
    """A residual layer that reads the protein from both ends (Hochreiter and Schmidhuber 1997).

    Two LSTMs, the second over the reversed protein, and not one that is bidirectional: with padding behind the residues
    in both, neither meets padding before it has read the last residue.
    """

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        size, inner = config.tower_size, config.recurrent_size
        self.norm = nn.LayerNorm(size)
        self.forwards = nn.LSTM(size, inner, batch_first=True)
        self.backwards = nn.LSTM(size, inner, batch_first=True)
        self.out = nn.Linear(2 * inner, size)
        self.dropout = ChannelDropout(config.dropout)

    def forward(self, x_BSD: Tensor, mask_BS1: Tensor) -> Tensor:
        h_BSD = self.norm(x_BSD) * mask_BS1
        order_BS1 = self._reversed(mask_BS1)
        ahead_BSH = self.forwards(h_BSD)[0]
        back_BSH = self.backwards(h_BSD.gather(1, order_BS1.expand_as(h_BSD)))[0]
        back_BSH = back_BSH.gather(1, order_BS1.expand_as(back_BSH))
        return (x_BSD + self.dropout(self.out(torch.cat([ahead_BSH, back_BSH], dim=-1)))) * mask_BS1

    def _reversed(self, mask_BS1: Tensor) -> Tensor:
        """Where each position's opposite stands; padding stays where it is. It is its own inverse."""
        places_1S1 = torch.arange(mask_BS1.shape[1], device=mask_BS1.device)[None, :, None]
        last_B11 = mask_BS1.sum(1, keepdim=True).long() - 1
        return torch.where(places_1S1 <= last_B11, last_B11 - places_1S1, places_1S1)


class Encoder(nn.Module):
    """The layers over positions; named as in BERT, so that freezing layers works alike."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        kinds: list[Any] = [Block] * config.num_hidden_layers
        if config.recurrent_size:
            kinds.insert(1, Recurrence)
        kinds.append(lambda config: nn.LayerNorm(config.tower_size))
        *layers, self.norm = (SideBySide([kind(config) for _ in range(config.towers)]) for kind in kinds)
        self.layer = nn.ModuleList(layers)
        self.share = 1 / config.towers

    def forward(self, shares: Sequence[Tensor], mask_BS1: Tensor) -> Tensor:
        """From each tower's `(B, S, D / K)` to `(B, S, D)`."""
        for layer in self.layer:
            shares = layer(shares, mask_BS1)
        # A linear head over all channels sums the towers' answers; scaled so, the sum is their mean.
        return torch.cat(self.norm(shares), dim=-1) * (mask_BS1 * self.share)


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

    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own draws, but for the embeddings: residues start as BLOSUM62 sees them, distances near zero."""
        if isinstance(module, Embeddings):
            with torch.no_grad():
                table = module.residues.weight.normal_(std=0.1)
                rows = slice(FIRST_RESIDUE, FIRST_RESIDUE + len(RESIDUES))
                table[rows, : len(RESIDUES)] += scores()[:, : table.shape[1]] / 2
                table[module.residues.padding_idx] = 0
                module.from_start.weight.normal_(std=0.1)
                module.from_end.weight.normal_(std=0.1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **kwargs: Any) -> TinyOutput:
        """Read `input_ids (B, T)` and `attention_mask (B, T)`, both int64, padded on the right."""
        shares, mask_BS = self.embeddings(input_ids, attention_mask)
        hidden_BSD = self.encoder(shares, mask_BS[..., None].to(shares[0].dtype))
        return TinyOutput(last_hidden_state=hidden_BSD, position_mask=mask_BS)
