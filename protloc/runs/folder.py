"""A run's folder: the files that say how it was begun, how it ended, and why where it failed."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from protloc.errors import UserError
from protloc.files import write_text

CONFIG, OVERRIDES, END, ERROR = "config.resolved.yaml", "overrides.yaml", "metrics.json", "error.txt"
"""Every option; the words that made them; the figures, written last; why the run of a sweep failed."""

LOCK = ".lock"
"""Held by the process that works on the run."""

SEARCH, BEST = "search.json", "best.txt"
"""In the folder of a search: what it is for, and what it has found, in lines for a person."""

LOG = "train.log"
"""What was said, by Hydra's logging."""

PLACE = (
    "resume", "logger.", "data.cache_dir", "trainer.gpus", "trainer.processes", "trainer.nodes", "trainer.rendezvous",
    "trainer.backend", "trainer.max_tokens", "trainer.keep_checkpoints", "trainer.activation_checkpointing",
    "trainer.compile",
)  # fmt: skip
"""Options that say where and how a run computes, not what."""


def store_run(run_dir: Path, resolved: Any, overrides: list[str]) -> None:
    """Write every option of a run, and the words that made them."""
    import yaml

    write_text(run_dir / CONFIG, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    write_text(run_dir / OVERRIDES, yaml.safe_dump(overrides))


def has_run(folder: Path) -> bool:
    """Whether a run has begun here."""
    return (folder / CONFIG).exists() and (folder / OVERRIDES).exists()


@dataclass(frozen=True)
class Place:
    """A run's folder as it was before the run.

    Attributes:
        folder: the run's.
        empty: nothing was in it, or it was not there.
        missing: it and the folders above it that were not there, the deepest first.
    """

    folder: Path
    empty: bool
    missing: Sequence[Path]

    @classmethod
    def of(cls, folder: Path) -> Place:
        """How the folder is now."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        return cls(folder, bool(missing) or not any(folder.iterdir()), missing)

    def clear(self) -> None:
        """After a run that failed before it did anything: remove its words, its log and the folders made for it."""
        if not self.empty or not self.folder.is_dir():
            return
        left = {path.name for path in self.folder.iterdir()}
        if left - {CONFIG, OVERRIDES, LOG, LOCK}:
            return
        with suppress(OSError):  # somebody else uses them by now
            for name in left:
                (self.folder / name).unlink()
            for path in self.missing:
                path.rmdir()


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold a file while one works on what it stands for; the system lets go when the process ends, however it ends.

    Args:
        path: the file; it is made where it is not there.
        what: it stands for, for messages.

    Raises:
        UserError: another process holds it.
    """
    with path.open("a") as file:
        if not _locked(file, fcntl.LOCK_EX, attempts=20):
            raise UserError(f"another process works on {what}: wait for it, or end it")
        yield


def is_at_work(folder: Path) -> bool:
    """Whether a process works on the run in this folder."""
    try:
        with (folder / LOCK).open() as file:
            return not _locked(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _locked(file: IO[str], kind: int, attempts: int = 1) -> bool:
    """Whether the lock is ours, after a few attempts: who only asks holds it for a moment too."""
    for attempt in range(attempts):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02 if attempt + 1 < attempts else 0)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                return True  # a file system without locks: nobody can be told apart
            raise
        else:
            return True
    return False
