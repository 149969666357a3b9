"""Items made ahead: in order, no further than asked, with the exceptions in their places."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from protloc.data.ahead import ahead


def test_order_and_end() -> None:
    assert list(ahead(range(100))) == list(range(100))
    assert list(ahead([])) == []


def test_it_is_a_thread_that_works_and_it_ends() -> None:
    before = threading.active_count()
    (name,) = set(ahead(threading.current_thread().name for _ in range(3)))
    assert name != threading.current_thread().name
    assert threading.active_count() == before


def test_no_further_ahead_than_asked() -> None:
    made = []
    reached = threading.Event()

    def source() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            if i == 3:
                reached.set()
            yield i

    stream = ahead(source(), depth=2)
    assert made == []
    assert next(stream) == 0
    assert reached.wait(10)  # 0 is with the caller, 1 and 2 wait, 3 is in the thread's hands
    assert len(made) == 4
    stream.close()  # type: ignore[attr-defined]
    assert len(made) == 4


def test_an_exception_comes_in_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    stream = ahead(source())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="two"):
        next(stream)


def test_a_caller_that_stops_ends_the_thread() -> None:
    before = threading.active_count()
    for item in ahead(iter(int, 1)):  # zeroes without end
        assert item == 0
        break
    assert threading.active_count() == before
