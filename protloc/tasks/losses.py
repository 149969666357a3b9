"""The loss of a global batch, however it is split.

B proteins, K towers, C classes, W what the model answers: the classes, and the membrane where it has that output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

UNKNOWN = -1
"""A target that is not known; it adds nothing to the loss."""


@dataclass(frozen=True)
class Loss(ABC):
    """A loss a protein, averaged over the proteins of the global batch.

    Trainer hands over how many proteins the optimizer step holds over all processes and accumulation steps. Dividing
    by that number, and not by the proteins at hand, makes the loss and its gradient independent of the split.

    Attributes:
        classes: C.
        label_smoothing: share of the target that is spread over the classes.
        class_weights: shape `(C,)`, float32; None weighs all alike.
        focal_gamma: answers that are nearly right count less, by `(1 - p)` to this power (Lin et al. 2017); 0: all
            alike.
        membrane_weight: of the membrane's loss beside that of the classes.
    """

    classes: int
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    focal_gamma: float = 0.0
    membrane_weight: float = 1.0

    def __call__(self, logits_BKW: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Shape `()`.

        The towers of an ensemble learn each for itself, or they would lean on each other: its loss is the mean of
        theirs.

        Args:
            logits_BKW: what each of K towers says; one without towers is an ensemble of one.
            labels: targets as `Task.targets` gives them.
            num_items_in_batch: proteins of the global batch; None: those at hand are all.
        """
        logits_BKW = logits_BKW.float()
        known = labels if labels.ndim == 1 else labels[:, : self.target_columns]
        losses_B = self.of_classes(logits_BKW[..., : self.classes], known)
        if logits_BKW.shape[-1] > self.classes:
            losses_B = losses_B + self.membrane_weight * _of_membrane(logits_BKW[..., -1], labels[:, -1])
        return losses_B.sum() / (num_items_in_batch if num_items_in_batch is not None else len(labels))

    @property
    @abstractmethod
    def target_columns(self) -> int:
        """Columns of the targets that belong to the classes."""

    @abstractmethod
    def of_classes(self, logits_BKC: Tensor, targets: Tensor) -> Tensor:
        """Shape `(B,)`: the mean over the towers."""


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """One class a protein: targets `(B,)` or `(B, 1)`, class indices. `label_smoothing` is spread evenly."""

    @property
    def target_columns(self) -> int:
        """One: the class's number."""
        return 1

    def of_classes(self, logits_BKC: Tensor, targets: Tensor) -> Tensor:
        """See `Loss.of_classes`."""
        labels_B = targets.reshape(-1).long()
        labels_BK = labels_B[:, None].expand(logits_BKC.shape[:2])
        losses_BK = nn.functional.cross_entropy(
            logits_BKC.flatten(0, 1), labels_BK.flatten(), reduction="none", label_smoothing=self.label_smoothing
        ).unflatten(0, labels_BK.shape)  # fmt: skip
        if self.focal_gamma:
            right_BK1 = logits_BKC.softmax(-1).gather(-1, labels_BK[..., None])
            losses_BK = losses_BK * (1 - right_BK1.squeeze(-1)) ** self.focal_gamma
        losses_B = losses_BK.mean(1)
        if self.class_weights is not None:
            losses_B = losses_B * self.class_weights.to(losses_B.device)[labels_B]
        return losses_B


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Any number of classes a protein: targets `(B, C)`, 1 for each of its classes. A protein's loss is the sum.

    `label_smoothing` moves a target towards the share of the training proteins that are in the class, so that rare
    classes stay rare. `class_weights` weigh what is in a class; what is not counts once.

    Attributes:
        shares: shape `(C,)`, float32, of the training proteins that are in each class; needed to smooth.
    """

    shares: Tensor | None = None

    @property
    def target_columns(self) -> int:
        """One a class."""
        return self.classes

    def of_classes(self, logits_BKC: Tensor, targets: Tensor) -> Tensor:
        """See `Loss.of_classes`."""
        wanted_BC = targets.float()
        if self.label_smoothing:
            assert self.shares is not None, "smoothed towards the classes' shares"
            spread = self.shares.to(wanted_BC.device)
            wanted_BC = wanted_BC * (1 - self.label_smoothing) + self.label_smoothing * spread
        wanted_BKC = wanted_BC[:, None].expand_as(logits_BKC)
        losses_BKC = nn.functional.binary_cross_entropy_with_logits(logits_BKC, wanted_BKC, reduction="none")
        if self.focal_gamma:
            said = logits_BKC.sigmoid()
            there = targets[:, None] > 0.5
            losses_BKC = losses_BKC * torch.where(there, 1 - said, said) ** self.focal_gamma
        if self.class_weights is not None:
            weights = self.class_weights.to(losses_BKC.device)
            losses_BKC = losses_BKC * torch.where(targets[:, None] > 0.5, weights, torch.ones_like(weights))
        return losses_BKC.sum(-1).mean(1)


def _of_membrane(logits_BK: Tensor, targets_B: Tensor) -> Tensor:
    """Binary cross-entropy `(B,)`, the mean over the towers; 0 where the target is unknown."""
    known_B = targets_B != UNKNOWN
    wanted_BK = (targets_B * known_B).float()[:, None].expand_as(logits_BK)
    losses_BK = nn.functional.binary_cross_entropy_with_logits(logits_BK, wanted_BK, reduction="none")
    return losses_BK.mean(1) * known_B


def balanced_weights(counts: np.ndarray) -> Tensor:
    """Weights inverse to the classes' counts, with mean 1 over all that were counted; 0 for a class never met.

    Args:
        counts: shape `(C,)`, training proteins of each class.

    Returns:
        Shape `(C,)`, float32.
    """
    met = np.count_nonzero(counts)
    weights = np.divide(counts.sum(), met * counts, out=np.zeros(len(counts)), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)
