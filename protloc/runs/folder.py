"""A run's folder: the files that say how it was begun, how it ended, and why where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protloc.files import write_text

CONFIG, OVERRIDES, END, ERROR = "config.resolved.yaml", "overrides.yaml", "metrics.json", "error.txt"
"""Every option; the words that made them; the figures, written last; why the run of a sweep failed."""

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
        if left - {CONFIG, OVERRIDES, LOG}:
            return
        with suppress(OSError):  # somebody else uses them by now
            for name in left:
                (self.folder / name).unlink()
            for path in self.missing:
                path.rmdir()
