"""Requests that come at the same time, computed together: one thread runs the model, everyone else waits.

The thread fills a batch with a piece of every request that waits; so a short one is not held up by a whole proteome
before it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from protloc.data.records import Protein
from protloc.inference.predictor import Predictor

Rows = list[dict[str, Any]]


class FullError(Exception):
    """As many requests wait as may."""


class ClosedError(Exception):
    """The server is going down and takes nothing new."""


@dataclass
class Request:
    """Proteins of one client, the classes that they cannot have, and their rows so far."""

    proteins: Sequence[Protein]
    deadline: float
    excluded: Collection[int] = ()
    rows: Rows = field(default_factory=list)
    future: Future[Rows] = field(default_factory=Future)

    @property
    def left(self) -> Sequence[Protein]:
        """Those without an answer."""
        return self.proteins[len(self.rows) :]


class Batcher:
    """The queue before a model, and the thread that empties it.

    Args:
        predictor: the model.
        queue: requests that may wait.
        wait: seconds that a batch waits at most for as many requests as the last one had.
        batch: proteins taken at once; the predictor sorts them and keeps to its token budget.
    """

    def __init__(self, predictor: Predictor, *, queue: int, wait: float, batch: int = 1024) -> None:
        self.predictor, self.queue, self.wait, self.batch = predictor, queue, wait, batch
        self._requests: deque[Request] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._together = 1  # requests of the last batch
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._requests)

    def submit(self, proteins: Sequence[Protein], timeout: float, excluded: Collection[int] = ()) -> Future[Rows]:
        """The rows of `proteins`, in their order, when they are there.

        Args:
            proteins: one or more.
            timeout: seconds after which the request is dropped, as `TimeoutError`.
            excluded: numbers of classes that they cannot have.

        Raises:
            FullError: too many requests wait.
            ClosedError: the server is going down.
        """
        request = Request(proteins, time.monotonic() + timeout, excluded)
        with self._changed:
            if self._closed:
                raise ClosedError
            if len(self._requests) >= self.queue:
                raise FullError
            self._requests.append(request)
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Take nothing new, finish what is there, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._requests or self._closed)
                if not self._requests:
                    return
                self._changed.wait_for(self._enough, self.wait)
            self._step()

    def _enough(self) -> bool:
        """Clients that were just answered together will soon ask again; one that was alone waits for nobody."""
        waiting = sum(len(request.left) for request in self._requests)
        return self._closed or len(self._requests) >= self._together or waiting >= self.batch

    def _step(self) -> None:
        """One batch."""
        pieces = self._take()
        proteins = [protein for _, piece in pieces for protein in piece]
        self._together = len(pieces)
        if not proteins:
            return
        try:
            logits = self.predictor.logits([protein.sequence for protein in proteins])
        except Exception as error:
            for request, _ in pieces:
                self._end(request, error=error)
            return
        start = 0
        for request, piece in pieces:
            request.rows += self.predictor.answers(piece, logits[start : start + len(piece)], request.excluded)
            start += len(piece)
            if len(request.rows) == len(request.proteins):
                self._end(request)

    def _take(self) -> list[tuple[Request, Sequence[Protein]]]:
        """Equal shares of a batch for all that wait; what one does not need is shared by the others."""
        now = time.monotonic()
        with self._changed:
            waiting = list(self._requests)
        for request in waiting:
            if request.deadline < now or request.future.cancelled():
                self._end(request, error=TimeoutError())
        hungry = [request for request in waiting if not request.future.done()]
        hungry.sort(key=lambda request: len(request.left))  # who needs little leaves more for the others
        pieces, room = [], self.batch
        for i, request in enumerate(hungry):
            piece = request.left[: max(1, room // (len(hungry) - i))] if room else []
            room -= len(piece)
            pieces.append((request, piece))
        return [(request, piece) for request, piece in pieces if piece]

    def _end(self, request: Request, error: Exception | None = None) -> None:
        with self._changed:
            if request in self._requests:
                self._requests.remove(request)
        if request.future.set_running_or_notify_cancel():
            request.future.set_exception(error) if error else request.future.set_result(request.rows)
