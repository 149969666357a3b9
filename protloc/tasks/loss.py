"""The loss of a global batch, however it is split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput


@dataclass(frozen=True)
class ClassificationLoss:
    """Cross-entropy, averaged over the proteins of the global batch.

    Trainer hands over how many proteins the optimizer step holds over all processes and accumulation steps. Dividing
    by that number, and not by the proteins at hand, makes the loss and its gradient independent of the split.

    Attributes:
        label_smoothing: probability spread evenly over all classes.
        class_weights: shape `(C,)`, float32, with mean 1 over the training proteins; None weighs all alike.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None

    def __call__(
        self, outputs: SequenceClassifierOutput, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Shape `()`; the mean over `labels (B,)` where no number of proteins is given.

        The towers of an ensemble learn each for itself, or they would lean on each other: its loss is the mean of
        theirs.
        """
        members_BKC = outputs.get("members")
        logits_BKC = (outputs.logits[:, None] if members_BKC is None else members_BKC).float()
        labels_BK = labels[:, None].expand(logits_BKC.shape[:2])
        losses_B = nn.functional.cross_entropy(
            logits_BKC.flatten(0, 1), labels_BK.flatten(), reduction="none", label_smoothing=self.label_smoothing
        ).unflatten(0, labels_BK.shape).mean(1)  # fmt: skip
        if self.class_weights is not None:
            losses_B = losses_B * self.class_weights.to(losses_B.device)[labels]
        return losses_B.sum() / (num_items_in_batch if num_items_in_batch is not None else len(labels))


def balanced_weights(labels: np.ndarray, num_classes: int) -> Tensor:
    """Weights inverse to the classes' counts, with mean 1 over the proteins; 0 for a class that never occurs.

    Args:
        labels: shape `(N,)`, class indices of the training proteins.
        num_classes: C.

    Returns:
        Shape `(C,)`, float32.
    """
    counts = np.bincount(labels, minlength=num_classes)
    met = np.count_nonzero(counts)
    weights = np.divide(len(labels), met * counts, out=np.zeros(num_classes), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)
