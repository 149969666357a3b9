"""The server's queue: requests computed together, in turn, and all of them answered."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.serving.batcher import Batcher, ClosedError, FullError
from tests.models import proteins, saved


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("batcher"))


class Slow:
    """A predictor that waits to be let go."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.begun, self.go = predictor, threading.Event(), threading.Event()
        self.batches: list[int] = []

    def logits(self, given: list[str]) -> np.ndarray:
        self.begun.set()
        assert self.go.wait(30)
        self.batches.append(len(given))
        return self.predictor.logits(given)

    def answers(self, *arguments: Any) -> list[dict[str, Any]]:
        return self.predictor.answers(*arguments)


@pytest.fixture
def slow(model_dir: Path) -> Slow:
    return Slow(Predictor(load_model(model_dir), device="cpu", precision="fp32"))


def test_requests_are_computed_together_and_a_full_queue_refuses(slow: Slow) -> None:
    batcher = Batcher(slow, queue=3, wait=0.01)  # type: ignore[arg-type]
    first = batcher.submit(proteins(2), 60)
    assert slow.begun.wait(30)  # it is being computed; the others wait
    others = [batcher.submit(proteins(3), 60), batcher.submit(proteins(4), 60)]
    with pytest.raises(FullError):
        batcher.submit(proteins(1), 60)
    slow.go.set()
    assert [len(future.result(30)) for future in (first, *others)] == [2, 3, 4]
    assert slow.batches == [2, 7]
    batcher.close()
    with pytest.raises(ClosedError):
        batcher.submit(proteins(1), 60)


def test_one_client_alone_waits_for_nobody_and_several_wait_for_each_other(slow: Slow) -> None:
    batcher = Batcher(slow, queue=9, wait=60.0)  # type: ignore[arg-type]
    first = batcher.submit(proteins(1), 60)
    assert slow.begun.wait(30)  # it is being computed; two more come
    others = [batcher.submit(proteins(2), 60), batcher.submit(proteins(3), 60)]
    slow.go.set()
    assert [len(future.result(30)) for future in (first, *others)] == [1, 2, 3]
    again = batcher.submit(proteins(2), 60)
    time.sleep(0.3)
    assert not again.done()  # the last batch was of two
    assert len(batcher.submit(proteins(3), 60).result(30)) == 3
    assert len(again.result(30)) == 2
    assert slow.batches == [1, 5, 5]
    batcher.close()


def test_a_short_request_is_not_held_up_by_a_long_one(slow: Slow) -> None:
    batcher = Batcher(slow, queue=9, wait=0.0, batch=64)  # type: ignore[arg-type]
    done: list[str] = []
    long = batcher.submit(proteins(1500), 60)
    long.add_done_callback(lambda _: done.append("long"))
    short = batcher.submit(proteins(1), 60)
    short.add_done_callback(lambda _: done.append("short"))
    slow.go.set()
    assert [row["id"] for row in long.result(60)] == [f"p{i}" for i in range(1500)]
    assert done == ["short", "long"]
    batcher.close()


def test_closing_finishes_what_was_taken(slow: Slow) -> None:
    batcher = Batcher(slow, queue=9, wait=0.0)  # type: ignore[arg-type]
    futures = [batcher.submit(proteins(5), 60) for _ in range(4)]
    threading.Timer(0.3, slow.go.set).start()
    batcher.close()
    assert [len(future.result(0)) for future in futures] == [5] * 4


def test_a_request_that_waits_too_long_is_dropped(slow: Slow) -> None:
    batcher = Batcher(slow, queue=9, wait=0.0)  # type: ignore[arg-type]
    first = batcher.submit(proteins(1), 60)
    assert slow.begun.wait(30)
    late = batcher.submit(proteins(1), 0.1)
    time.sleep(0.2)
    slow.go.set()
    assert len(first.result(30)) == 1
    with pytest.raises(TimeoutError):
        late.result(30)
    batcher.close()


def test_an_error_of_the_model_reaches_its_clients_only(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.go.set()
    batcher = Batcher(slow, queue=9, wait=0.0)  # type: ignore[arg-type]

    def broken(given: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(slow.predictor, "logits", broken)
        with pytest.raises(ZeroDivisionError):
            batcher.submit(proteins(1), 60).result(30)
    assert len(batcher.submit(proteins(1), 60).result(30)) == 1
    batcher.close()
