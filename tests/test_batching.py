"""Proteins to batches."""

import numpy as np
import torch

from protloc.data.batching import Collator, LengthGroupedSampler, by_length, pad
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


def test_every_protein_comes_once_an_epoch_in_batches_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(5, 1000, size=1003)
    sampler = LengthGroupedSampler(lengths, batch_size=8, seed=1)
    order = np.array(list(sampler))
    assert sorted(order) == list(range(1003))
    assert len(sampler) == 1003
    batches = lengths[order[:1000]].reshape(-1, 8)
    assert (np.diff(batches, axis=1) <= 0).all(), "the longest first inside a batch"
    assert batches.sum() / (batches[:, :1] * 8).sum() > 0.95, "little padding"
    assert batches[0, 0] == batches.max()
    assert abs(np.corrcoef(np.arange(len(batches)), batches[:, 0])[0, 1]) < 0.2, "no drift from long to short"


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    lengths = np.arange(5, 205)
    first = list(LengthGroupedSampler(lengths, 4, seed=1))
    again = LengthGroupedSampler(lengths, 4, seed=1)
    assert list(again) == first
    again.set_epoch(1)
    assert list(again) != first
    assert list(LengthGroupedSampler(lengths, 4, seed=2)) != first


def test_fewer_proteins_than_a_batch() -> None:
    assert list(LengthGroupedSampler(np.array([3, 9, 5]), 8, seed=0)) == [1, 2, 0]
