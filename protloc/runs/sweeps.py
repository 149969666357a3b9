"""What happens around runs: where one begins, a sweep's leaderboard after each, an error put down where one fails."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from protloc.errors import UserError
from protloc.files import write_text
from protloc.runs.folder import BEST, CONFIG, ERROR, Place, is_at_work
from protloc.runs.leaderboard import show, update

SWEEPS: list[Path] = []
"""Folders of the sweeps of this process."""

PLACES: list[Place] = []
"""Where the single runs of this process began."""


class SweepCallback(Callback):
    """Named in conf/train.yaml; Hydra calls it in the process of each run."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with suppress(OSError):  # what is wrong with the name is found when the folder is made
            PLACES.append(Place.of(Path(config.hydra.run.dir)))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        sweep = Path(config.hydra.sweep.dir).resolve()
        sweep.mkdir(parents=True, exist_ok=True)  # a search puts its trials there before the first run
        SWEEPS.append(sweep)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if config.hydra.mode is None or config.hydra.mode.name != "MULTIRUN":
            return
        sweep, run_dir = Path(config.hydra.sweep.dir), Path(config.hydra.runtime.output_dir)
        if job_return.status == JobStatus.FAILED and not is_at_work(run_dir):  # it may be another process's run
            error = job_return._return_value
            known = isinstance(error, UserError)
            write_text(run_dir / ERROR, (str(error) if known else f"{type(error).__name__}: {error}") + "\n")
        if has_begun(sweep):
            update([sweep], sweep)


def has_begun(sweep: Path) -> bool:
    """Whether one of the sweep's runs was begun: a leaderboard has something to list."""
    return any(sweep.glob(f"*/{CONFIG}"))


def tell() -> None:
    """Print the leaderboard of a sweep that this process has run, and what a search has found."""
    for sweep in SWEEPS:
        if has_begun(sweep):
            show([sweep], sweep)
            print(f"leaderboard.csv and leaderboard.png are in {sweep}")
        if (sweep / BEST).exists():
            print((sweep / BEST).read_text(), end="")
