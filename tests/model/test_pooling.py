"""From residues to proteins."""

import pytest
import torch

from protloc.model.pooling import POOLINGS, ClsPooling, LightAttention, MeanPooling


def test_mean_takes_residues_only() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, 99.0]], [[5.0, 5.0], [7.0, 7.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert MeanPooling(2)(hidden, mask).tolist() == [[2.0, 4.0], [7.0, 7.0]]


def test_cls_takes_the_first_token() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert ClsPooling(2)(hidden, torch.tensor([[False, True]])).tolist() == [[1.0, 2.0]]


def test_light_attention_by_hand() -> None:
    pooling = LightAttention(1, kernel_size=1)
    with torch.no_grad():
        for conv, weight in ((pooling.values, 2.0), (pooling.scores, 1.0)):
            conv.weight.fill_(weight)
            conv.bias = torch.nn.Parameter(torch.zeros(1))
    hidden = torch.tensor([[[0.0], [torch.log(torch.tensor(3.0)).item()], [50.0]]])
    mask = torch.tensor([[True, True, False]])
    log3 = torch.log(torch.tensor(3.0)).item()
    # values 0 and 2 log 3, weights 1/4 and 3/4; the third position is padding
    assert pooling(hidden, mask)[0].tolist() == pytest.approx([1.5 * log3, 2 * log3])


@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_padding_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    pooling = POOLINGS[name](8)
    hidden = torch.randn(1, 6, 8)
    alone = pooling(hidden, torch.ones(1, 6, dtype=torch.bool))
    assert alone.shape == (1, pooling.out_features)
    padded = torch.cat([hidden, torch.randn(1, 30, 8)], dim=1)
    beside = pooling(padded, torch.arange(36)[None] < 6)
    torch.testing.assert_close(beside, alone, atol=1e-6, rtol=0)
