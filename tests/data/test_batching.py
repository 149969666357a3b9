"""Proteins to batches."""

from functools import partial

import numpy as np
import torch

from protloc.data.batching import (
    BatchOrder,
    Collator,
    RankBatches,
    as_batch,
    by_length,
    pad,
    pad_states,
    parts,
    shares,
)
from protloc.data.encoding import ResidueEncoder
from tests.models import tiny_tokenizer


def test_pad_fills_on_the_right() -> None:
    batch = pad([np.array([5, 6, 7]), np.array([8])], pad_id=1)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == torch.int64


def test_collator_encodes_and_labels() -> None:
    encoder = ResidueEncoder(tiny_tokenizer(), None, "middle")
    collator = Collator(encoder.encode, partial(as_batch, pad_id=0, packed=False), max_tokens=100)
    batch = collator([{"sequence": "Y", "label": 0}, {"sequence": "AC", "label": 2}])
    assert batch["labels"].tolist() == [0, 2]
    assert batch["order"] == [1, 0]
    (part,) = batch["parts"]
    assert part["input_ids"].tolist() == [[2, 3], [21, 0]]
    assert part["labels"].tolist() == [2, 0]


def test_by_length_respects_the_budget_and_loses_nothing() -> None:
    lengths = [3, 10, 1, 4, 4, 25, 2]
    batches = list(by_length(lengths, max_tokens=12))
    assert batches == [[5], [1], [3, 4, 0], [6, 2]]  # 25 alone exceeds the budget and still is read
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))


def test_packed_batches_hold_more_under_the_same_budget() -> None:
    assert by_length([3, 10, 1, 4, 4, 25, 2], max_tokens=12, packed=True) == [[5], [1], [3, 4, 0], [6, 2]]
    assert by_length([10, 1, 1], max_tokens=12, packed=True) == [[0, 1, 2]]
    assert by_length([10, 1, 1], max_tokens=12) == [[0], [1, 2]]


def test_pad_states_fills_with_zeroes() -> None:
    batch = pad_states([np.ones((1, 2), np.float16), np.full((3, 2), 0.5, np.float16)])
    assert batch["hidden"].tolist() == [[[1, 1], [0, 0], [0, 0]], [[0.5, 0.5]] * 3]
    assert batch["residues"].tolist() == [[True, False, False], [True, True, True]]
    assert (batch["hidden"].dtype, batch["residues"].dtype) == (torch.float16, torch.bool)


def test_a_batch_ends_where_padding_would_cost_more_than_another() -> None:
    assert by_length([10, 1, 9, 2, 1], max_tokens=100, max_padding=5) == [[0, 2], [3, 1, 4]]
    assert by_length([10, 1, 9, 2, 1], max_tokens=100) == [[0, 2, 3, 1, 4]]
    assert by_length([10, 1, 9, 2, 1], max_tokens=100, max_padding=0, packed=True) == [[0, 2, 3, 1, 4]]


def test_by_length_of_nothing() -> None:
    assert list(by_length([], max_tokens=12)) == []


def test_every_protein_comes_once_an_epoch_in_batches_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(5, 1000, size=1003)
    order = BatchOrder(lengths, batch_size=8, seed=1)
    batches = order.batches(0)
    assert len(order) == len(batches) == 125
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert [len(batch) for batch in batches] == [8] * 124 + [11], "the rest joins the last batch"
    sizes = lengths[np.array(batches[:-1])]
    assert (np.diff(sizes, axis=1) <= 0).all(), "the longest first inside a batch"
    assert sizes.sum() / (sizes[:, :1] * 8).sum() > 0.95, "little padding"
    assert sizes[0, 0] == lengths.max()
    assert abs(np.corrcoef(np.arange(len(sizes)), sizes[:, 0])[0, 1]) < 0.2, "no drift from long to short"


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    lengths = np.arange(5, 205)

    def first(seed: int, epoch: int) -> list[int]:
        return np.concatenate(BatchOrder(lengths, 4, seed).batches(epoch)).tolist()

    assert first(1, 0) == first(1, 0)
    assert first(1, 0) != first(1, 1)
    assert first(1, 0) != first(2, 0)


def test_other_orders() -> None:
    lengths = np.arange(20)
    sequential = BatchOrder(lengths, 8, 0, "sequential").batches(3)
    assert [batch.tolist() for batch in sequential] == [list(range(8)), list(range(8, 20))]
    random = BatchOrder(lengths, 8, 0, "random").batches(3)
    assert [len(batch) for batch in random] == [8, 12]
    assert sorted(np.concatenate(random)) == list(range(20))
    assert np.concatenate(random).tolist() != list(range(20))


def test_fewer_proteins_than_a_batch() -> None:
    (batch,) = BatchOrder(np.array([3, 9, 5]), 8, seed=0).batches(0)
    assert batch.tolist() == [1, 2, 0]


def test_processes_share_each_batch_whole_and_evenly() -> None:
    lengths = np.random.default_rng(0).integers(40, 1000, size=500)
    order = BatchOrder(lengths, batch_size=32, seed=1)
    for world in (1, 2, 3, 8):
        ranks = [RankBatches(order, rank, world, quadratic=1e-3) for rank in range(world)]
        for sampler in ranks:
            sampler.set_epoch(2)
        dealt = list(zip(*ranks, strict=True))
        assert [sorted(i for share in shared for i in share) for shared in dealt] == [
            sorted(batch.tolist()) for batch in order.batches(2)
        ]
        for shared in dealt:
            costs = [float((lengths[share] + 1e-3 * lengths[share] ** 2.0).sum()) for share in shared]
            assert all(shared)
            assert max(costs) <= 4 / 3 * sum(costs) / world


def test_a_long_protein_costs_more_than_its_residues() -> None:
    """By residues alone 600 equals 300 + 300; its attention costs twice as much as theirs."""
    lengths = np.array([600, 300, 300, 100])
    assert shares(lengths, 2, quadratic=0.0) == [[0, 3], [1, 2]]
    assert shares(lengths, 2, quadratic=1.0) == [[0], [1, 2, 3]]
    assert shares(np.array([5, 5, 5]), 3) == [[0], [1], [2]]


def test_parts_hold_every_protein_once_whatever_the_mix() -> None:
    """Hostile mixes: one giant, all equal, all 1, longer than the budget alone, random."""
    rng = np.random.default_rng(0)
    mixes = [
        [5000, 1, 1, 1],
        [7] * 20,
        [1] * 33,
        [300],
        [300, 300],
        *(rng.integers(1, 400, 40).tolist() for _ in range(50)),
    ]
    for lengths in mixes:
        for packed in (True, False):
            for budget in (1, 100, 256, 10_000):
                made = parts(lengths, budget, packed=packed)
                assert sorted(i for part in made for i in part) == list(range(len(lengths)))
                for part in made:
                    sizes = [lengths[i] for i in part]
                    assert sizes == sorted(sizes, reverse=True)
                    assert len(part) == 1 or (sum(sizes) if packed else sizes[0] * len(part)) <= budget


def test_parts_are_few_and_even() -> None:
    made = parts([10] * 12, 50, packed=True)
    assert [len(part) for part in made] == [4, 4, 4]
    assert len(parts([10] * 12, 120, packed=True)) == 1
    assert len(parts([30, 10, 10], 60, packed=False)) == 2


def test_collator_keeps_labels_beside_their_proteins() -> None:
    tokenizer = tiny_tokenizer()
    encoder = ResidueEncoder(tokenizer, None, "middle")
    rows = [{"sequence": "ACD"[: i % 3 + 1] * (i + 1), "label": i} for i in range(9)]
    for packed in (True, False):
        made = partial(as_batch, pad_id=tokenizer.pad_token_id, packed=packed)
        batch = Collator(encoder.encode, made, max_tokens=20, packed=packed)(rows)
        assert len(batch["parts"]) > 2
        assert batch["labels"].tolist() == list(range(9))
        assert [label for part in batch["parts"] for label in part["labels"].tolist()] == batch["order"]
        for part in batch["parts"]:
            sizes = part["lengths"] if packed else part["attention_mask"].sum(1).tolist()
            assert sizes == [len(rows[i]["sequence"]) for i in part["labels"]]
