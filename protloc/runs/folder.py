"""A run's folder: the files that say how it was begun, how it ended, and why where it failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protloc.files import write_text

CONFIG, OVERRIDES, END, ERROR = "config.resolved.yaml", "overrides.yaml", "metrics.json", "error.txt"
"""Every option; the words that made them; the figures, written last; why the run of a sweep failed."""

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
