"""From one vector a residue to one vector a protein.

B proteins, T positions, D channels. Each pooling reads `hidden_BTD` and `mask_BT`, true at residues: not at padding,
not at the backbone's special tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mean(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over residues, `(B, D)`; zeros for a protein without any."""
    return (hidden_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True).clamp(min=1)


class MeanPooling(nn.Module):
    """The mean over residues."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.out_features = size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, D)`; zeros for a protein without residues."""
        return mean(hidden_BTD, mask_BT)


class ClsPooling(nn.Module):
    """The backbone's first token, which its pretraining meant for the whole protein."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.out_features = size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, D)`."""
        return hidden_BTD[:, 0]


class LightAttention(nn.Module):
    """Attention over residues for each channel apart, beside the maximum over residues.

    Two convolutions over the residues make the values and their attention scores, as in Stärk et al. 2021, "Light
    attention predicts protein location from the language of life".
    """

    def __init__(self, size: int, kernel_size: int = 9) -> None:
        super().__init__()
        self.values = nn.Conv1d(size, size, kernel_size, padding="same")
        self.scores = nn.Conv1d(size, size, kernel_size, padding="same")
        self.out_features = 2 * size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, 2 D)`: the attended values, then the maxima."""
        # Zeroes at padding are what the convolution sees behind a protein that stands alone.
        hidden_BDT = (hidden_BTD * mask_BT[..., None]).transpose(1, 2)
        outside_B1T = ~mask_BT[:, None]
        values_BDT = self.values(hidden_BDT)
        lowest = torch.finfo(values_BDT.dtype).min
        weights_BDT = self.scores(hidden_BDT).masked_fill(outside_B1T, lowest).softmax(-1)
        attended_BD = (values_BDT * weights_BDT).sum(-1)
        return torch.cat([attended_BD, values_BDT.masked_fill(outside_B1T, lowest).amax(-1)], dim=-1)


class AttentionPooling(nn.Module):
    """A few learned questions to the residues, beside their maximum and mean.

    Each head is one softmax over residues, from one score a residue: it finds a signal wherever it stands. The maximum
    says whether a motif occurs at all, the mean what the protein is made of.
    """

    def __init__(self, size: int, heads: int = 8) -> None:
        super().__init__()
        self.scores = nn.Linear(size, heads)
        self.out_features = (heads + 2) * size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, (heads + 2) D)`: what the heads found, the maxima, the means."""
        outside_BT1 = ~mask_BT[..., None]
        lowest = torch.finfo(hidden_BTD.dtype).min
        weights_BTH = self.scores(hidden_BTD).masked_fill(outside_BT1, lowest).softmax(1)
        found_BHD = weights_BTH.transpose(1, 2) @ hidden_BTD
        highest_BD = hidden_BTD.masked_fill(outside_BT1, lowest).amax(1)
        return torch.cat([found_BHD.flatten(1), highest_BD, mean(hidden_BTD, mask_BT)], dim=-1)


Pooling = MeanPooling | ClsPooling | LightAttention | AttentionPooling

POOLINGS: dict[str, type[Pooling]] = {
    "mean": MeanPooling,
    "cls": ClsPooling,
    "light_attention": LightAttention,
    "attention": AttentionPooling,
}


class PoolingByTower(nn.Module):
    """A pooling for each tower's share of the channels; the towers' vectors follow each other."""

    def __init__(self, name: str, size: int, towers: int) -> None:
        super().__init__()
        made = [POOLINGS[name](size // towers) for _ in range(towers)]
        self.towers = nn.ModuleList(made)
        self.out_features = sum(pooling.out_features for pooling in made)

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Shape `(B, towers x P)`, P what the pooling makes of one share."""
        shares = hidden_BTD.chunk(len(self.towers), dim=-1)
        return torch.cat([tower(share, mask_BT) for tower, share in zip(self.towers, shares, strict=True)], dim=-1)


def build_pooling(name: str, size: int, towers: int = 1) -> Pooling | PoolingByTower:
    """The pooling `name` over D channels, `size`, of one or several towers; it has `out_features`."""
    return POOLINGS[name](size) if towers == 1 else PoolingByTower(name, size, towers)
