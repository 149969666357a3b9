"""Work on the next items while the caller is busy with this one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 0.1
"""Seconds between two looks at whether the caller has gone."""


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The items in order, made by a thread up to `depth` items ahead of the caller.

    The thread starts with the first item that is asked for, and ends with the generator: at its end, when the caller
    stops early, or by an exception. An exception of `items` is raised where its item would have come.

    Args:
        items: made in the thread; must not block for ever.
        depth: items that may wait.
    """
    made: Queue[tuple[str, object]] = Queue(maxsize=depth)
    gone = threading.Event()

    def put(kind: str, value: object = None) -> bool:
        while not gone.is_set():
            try:
                made.put((kind, value), timeout=PATIENCE)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end")
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # type: ignore[misc]
    finally:
        gone.set()
        thread.join()
