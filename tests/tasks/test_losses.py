"""The losses: by hand, against PyTorch, and the same however a batch is split."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from protloc.config import TrainerConfig
from protloc.tasks.labels import LabelSpace
from protloc.tasks.losses import BinaryCrossEntropy, CrossEntropy, Loss, balanced_weights
from protloc.tasks.multilabel import Multilabel
from protloc.tasks.single import SingleLabel

OPTIONS = TrainerConfig(class_weights="balanced", label_smoothing=0.1, focal_gamma=1.5, membrane_weight=0.5)
LETTERS = ["S", "M", "U", "M", None, "S"]


def cases() -> list[tuple[Loss, torch.Tensor]]:
    """Both tasks with every option, with and without the membrane; the targets of six proteins."""
    found = []
    for has_membrane in (False, True):
        one = SingleLabel(LabelSpace(("A", "B", "C")), has_membrane)
        several = Multilabel(LabelSpace(("A", "B", "C")), has_membrane)
        for task, locations in ((one, list("ABCABA")), (several, ["A", "A|B", "C", "B|C", "A|B|C", "A"])):
            targets = task.targets(locations, LETTERS)
            found.append((task.loss(OPTIONS, targets), torch.from_numpy(targets)))
    return found


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("towers", [1, 3])
def test_a_batch_in_parts_gives_the_loss_and_gradient_of_the_whole(case: int, towers: int) -> None:
    loss, labels = cases()[case]
    width = 3 + (labels.ndim > 1 and labels.shape[1] in (2, 4))
    torch.manual_seed(0)
    whole = torch.randn(6, towers, width, requires_grad=True)
    loss(whole, labels).backward()
    split = whole.detach().clone().requires_grad_()
    parts = [loss(split[at], labels[at], 6) for at in (slice(0, 1), slice(1, 4), slice(4, 6))]
    torch.stack(parts).sum().backward()
    assert sum(part.item() for part in parts) == pytest.approx(loss(whole, labels).item(), rel=1e-6)
    torch.testing.assert_close(split.grad, whole.grad)


def test_cross_entropy_is_pytorch_s() -> None:
    logits, labels = torch.randn(5, 1, 4), torch.tensor([0, 1, 2, 3, 0])
    expected = nn.functional.cross_entropy(logits[:, 0], labels, label_smoothing=0.1)
    torch.testing.assert_close(CrossEntropy(4, 0.1)(logits, labels), expected)


def test_binary_cross_entropy_by_hand() -> None:
    logits, labels = torch.tensor([[[0.0, 2.0]]]), torch.tensor([[1.0, 0.0]])
    expected = math.log(2) + math.log(1 + math.exp(2))
    assert BinaryCrossEntropy(2)(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_smoothing_goes_towards_the_share_of_each_class() -> None:
    shares, labels = torch.tensor([0.5, 0.01]), torch.tensor([[1.0, 0.0]])
    smoothed = BinaryCrossEntropy(2, 0.1, shares=shares)
    best = torch.tensor([[[0.9 + 0.1 * 0.5, 0.1 * 0.01]]]).logit().requires_grad_()
    smoothed(best, labels).backward()
    torch.testing.assert_close(best.grad, torch.zeros(1, 1, 2), atol=1e-7, rtol=0)


def test_focal_loss_forgets_what_is_nearly_right() -> None:
    sure, labels = torch.tensor([[[4.0, -4.0]]]), torch.tensor([[1.0, 0.0]])
    plain, focal = BinaryCrossEntropy(2)(sure, labels), BinaryCrossEntropy(2, focal_gamma=2.0)(sure, labels)
    wrong = 1 - torch.tensor(4.0).sigmoid().item()
    assert focal.item() == pytest.approx(plain.item() * wrong**2, rel=1e-5)
    one = CrossEntropy(2, focal_gamma=2.0)(torch.zeros(1, 1, 2), torch.tensor([0]))
    assert one.item() == pytest.approx(math.log(2) / 4)


def test_an_unknown_membrane_adds_nothing() -> None:
    loss = BinaryCrossEntropy(1, membrane_weight=2.0)
    logits = torch.zeros(2, 1, 2, requires_grad=True)
    loss(logits, torch.tensor([[1.0, -1.0], [1.0, 1.0]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 1] == 0.0
    assert logits.grad[1, 0, 1] == pytest.approx(-2.0 * 0.5 / 2)


def test_weights_of_what_is_in_a_class() -> None:
    weights = balanced_weights(np.array([6, 0, 2]))
    assert weights.tolist() == pytest.approx([8 / 12, 0.0, 2.0])
    logits, labels = torch.zeros(1, 1, 3), torch.tensor([[0.0, 0.0, 1.0]])
    weighted = BinaryCrossEntropy(3, class_weights=weights)(logits, labels)
    assert weighted.item() == pytest.approx(math.log(2) * (1 + 1 + 2))
