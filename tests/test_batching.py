"""Proteins to batches."""

import numpy as np
import torch

from protloc.data.batching import Collator, by_length, pad
from protloc.data.encoding import ResidueEncoder
from protloc.model.tiny import tiny_tokenizer


def test_pad_fills_on_the_right() -> None:
    batch = pad([np.array([5, 6, 7]), np.array([8])], pad_id=1)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == torch.int64


def test_collator_encodes_and_labels() -> None:
    collator = Collator(ResidueEncoder(tiny_tokenizer(), None, "middle"), pad_id=0)
    batch = collator([{"sequence": "AC", "label": 2}, {"sequence": "Y", "label": 0}])
    assert batch["input_ids"].tolist() == [[2, 3], [21, 0]]
    assert batch["labels"].tolist() == [2, 0]
    assert "labels" not in collator([{"sequence": "AC"}])


def test_by_length_respects_the_budget_and_loses_nothing() -> None:
    lengths = [3, 10, 1, 4, 4, 25, 2]
    batches = list(by_length(lengths, max_tokens=12))
    assert batches == [[5], [1], [3, 4, 0], [6, 2]]  # 25 alone exceeds the budget and still is read
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))


def test_by_length_of_nothing() -> None:
    assert list(by_length([], max_tokens=12)) == []
