"""The runs of a search while they go on, and how they ended: one piece for every launcher, for all of it is on disk."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from protloc.config import maximized
from protloc.runs.epochs import Verdict, read_epochs, read_verdict, write_verdict
from protloc.runs.folder import END, ERROR

if TYPE_CHECKING:
    from optuna.trial import Trial

POLL = 0.05
"""Seconds between two looks at the folders; a run waits for the answer between two epochs."""


class Watch:
    """Tells Optuna each epoch of some runs, and the runs whether they go on.

    Args:
        trials: by the folders of their runs.
        monitor: the figure that is judged.
        known: epochs that Optuna has already, by folder; a run that goes on writes them again.
        stops: whether runs may be stopped; else their epochs are noted alone.
    """

    def __init__(self, trials: Mapping[Path, Trial], monitor: str, known: Mapping[Path, set[int]], stops: bool) -> None:
        self.trials, self.monitor, self.stops = trials, monitor, stops
        self._known = {folder: set(known.get(folder, ())) for folder in trials}
        self._over = threading.Event()
        self._error: BaseException | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the body runs.

        Raises:
            Exception: whatever has ended the watch; the runs go on without it, to their end.
        """
        for folder in self.trials:
            folder.mkdir(parents=True, exist_ok=True)
            if self.stops and read_verdict(folder) is None:
                write_verdict(folder, Verdict(0, stop=False))
        thread = threading.Thread(target=self._watch, name="search", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        if self._error is not None:
            raise self._error
        self.look(answer=False)

    def _watch(self) -> None:
        try:
            while not self._over.wait(POLL):
                self.look()
        except BaseException as error:
            self._error = error

    def look(self, answer: bool = True) -> None:
        """Take note of the epochs that are new, and answer the runs that wait."""
        for folder, trial in self.trials.items():
            epochs = read_epochs(folder)
            for number, epoch in enumerate(epochs, 1):
                if number not in self._known[folder]:
                    value = epoch[self.monitor]
                    trial.report(math.nan if value is None else maximized(self.monitor, value), number)
                    self._known[folder].add(number)
            said = read_verdict(folder) if answer and epochs else None
            if said and not said.stop and said.step < epochs[-1]["step"]:
                write_verdict(folder, Verdict(epochs[-1]["step"], stop=bool(trial.should_prune())))


class Ended(NamedTuple):
    """How a run has ended.

    Attributes:
        metrics: the content of metrics.json; None where it failed.
        error: why.
    """

    metrics: dict[str, Any] | None
    error: str = ""

    @property
    def pruned(self) -> bool:
        """Whether its search has stopped it."""
        return bool(self.metrics and self.metrics.get("pruned"))


def ended(folder: Path) -> Ended | None:
    """How the run in a folder has ended; None where it has not."""
    if (folder / END).exists():
        return Ended(json.loads((folder / END).read_text()))
    if (folder / ERROR).exists():
        return Ended(None, (folder / ERROR).read_text().strip() or "failed without a word")
    return None
