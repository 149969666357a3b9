"""A frozen backbone's states: computed once, kept, and worth the same as the backbone itself."""

from __future__ import annotations

import logging
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protloc.data.batching import as_batch, pad_states
from protloc.data.encoding import ResidueEncoder
from protloc.errors import UserError
from protloc.model.classifier import Head, ProteinClassifier
from protloc.model.folder import encoder_of
from protloc.model.forward import Forward
from protloc.model.states import StateStore, frozen_states
from tests.models import build

CPU = torch.device("cpu")


def sequences(count: int = 9) -> list[str]:
    """Proteins of 1 to 90 residues, shorter and longer than the crop at 40."""
    rng = np.random.default_rng(2)
    return ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWYX"), size=rng.integers(1, 90))) for _ in range(count)]


def made(folder: Path, kind: str = "esm2", **changes: Any) -> tuple[ProteinClassifier, ResidueEncoder, Forward]:
    model, tokenizer = build(kind, folder / kind, **changes)
    forward = Forward(model, tokenizer.pad_token_id, device=CPU, precision="fp32", max_tokens=100)
    return model, encoder_of(model, tokenizer), forward


def whole(model: ProteinClassifier, encoder: ResidueEncoder, given: list[str]) -> torch.Tensor:
    """The logits of the whole model, protein by protein."""
    with torch.no_grad():
        return torch.cat(
            [model(**as_batch([encoder.encode(sequence)], pad_id=0, packed=False)).logits for sequence in given]
        )


@pytest.mark.parametrize("kind", ["protbert", "esm2"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "light_attention", "attention"])
def test_the_head_over_stored_states_answers_as_the_whole_model(kind: str, pooling: str, tmp_path: Path) -> None:
    model, encoder, forward = made(tmp_path, kind, pooling=pooling)
    given = sequences()
    store = frozen_states(forward, encoder, given, tmp_path / "states")
    head = Head(model).eval()
    with torch.no_grad():
        logits = head(**pad_states([store[sequence] for sequence in given])).logits
    torch.testing.assert_close(logits, whole(model, encoder, given), atol=1e-5, rtol=1e-5)
    rows = [len(store[sequence]) for sequence in given]
    assert rows == ([1] * len(given) if pooling in ("mean", "cls") else [min(len(s), 40) for s in given])
    assert store[given[0]].dtype == np.float32


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many proteins the backbone has read since it was asked last."""
    seen: list[int] = []
    original = ProteinClassifier.encode

    def encode(self: ProteinClassifier, *args: Any, **batch: Any) -> Any:
        seen.append(len(batch["lengths"]))
        return original(self, *args, **batch)

    monkeypatch.setattr(ProteinClassifier, "encode", encode)

    def ask() -> int:
        total = sum(seen)
        seen.clear()
        return total

    return ask


def test_only_what_is_new_is_computed(tmp_path: Path, counted: Callable[[], int]) -> None:
    model, encoder, forward = made(tmp_path)
    given = sequences()
    store = frozen_states(forward, encoder, [*given, given[0]], tmp_path / "states")
    assert counted() == len(given)
    first = store[given[3]].copy()
    again = frozen_states(forward, encoder, list(reversed(given)), tmp_path / "states")
    assert counted() == 0
    np.testing.assert_array_equal(again[given[3]], first)
    frozen_states(forward, encoder, [*given, "MKVLA"], tmp_path / "states")
    assert counted() == 1
    with torch.no_grad():
        next(model.backbone.parameters()).add_(1e-3)
    frozen_states(forward, encoder, given, tmp_path / "states")
    assert counted() == len(given), "other weights, other states"
    assert len(list((tmp_path / "states").iterdir())) == 2


def test_proteins_that_read_alike_share_their_states(tmp_path: Path) -> None:
    """The crop takes the middle out of a long one."""
    _, encoder, forward = made(tmp_path)
    long, longer = "A" * 20 + "W" * 30 + "K" * 20, "A" * 20 + "Y" * 50 + "K" * 20
    store = frozen_states(forward, encoder, [long, longer], tmp_path / "states")
    np.testing.assert_array_equal(store[long], store[longer])


def test_an_interrupted_shard_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protloc.model.states.SHARD", 4)
    _, encoder, forward = made(tmp_path)
    given = sequences(10)

    def told(done: int, total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frozen_states(forward, encoder, given, tmp_path / "states", told)
    (folder,) = (tmp_path / "states").iterdir()
    assert len(list(folder.iterdir())) == 1, "the first shard, and no half one"
    kept = StateStore(folder, encoder)
    assert [sequence in kept for sequence in given] == [True] * 4 + [False] * 6


def test_half_written_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "key" / ".unfinished-x").mkdir(parents=True)
    assert "MKV" not in StateStore(tmp_path / "key", made(tmp_path)[1])


def test_half_precision_is_kept_in_half_the_room(tmp_path: Path) -> None:
    model, encoder, forward = made(tmp_path, pooling="light_attention")
    forward.precision = "bf16"
    given = sequences(3)
    store = frozen_states(forward, encoder, given, tmp_path / "states")
    assert store[given[0]].dtype == np.float16
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = whole(model, encoder, given)
    found = Head(model).eval()(**pad_states([store[sequence] for sequence in given])).logits
    torch.testing.assert_close(found, logits.float(), atol=0.05, rtol=0.05)


def test_a_full_disk_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10))
    _, encoder, forward = made(tmp_path, pooling="attention")
    with pytest.raises(UserError, match=r"states take 0.0 GiB, but 0.0 GiB are free; give data.cache_dir="):
        frozen_states(forward, encoder, sequences(), tmp_path / "states")


def test_the_log_says_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, encoder, forward = made(tmp_path)
    given = sequences(5)
    with caplog.at_level(logging.INFO):
        frozen_states(forward, encoder, given[:2], tmp_path / "states")
        frozen_states(forward, encoder, given, tmp_path / "states")
    assert "states of 0 of 2 proteins are in" in caplog.text
    assert "states of 2 of 5 proteins are in" in caplog.text
    assert "3 to compute (0.0 GiB)" in caplog.text
