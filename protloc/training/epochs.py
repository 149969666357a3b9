"""Each epoch's validation figures on disk, and an end between two epochs where the search that watches says so."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from protloc.files import write_json
from protloc.runs.epochs import pruned_metrics, read_epochs, read_verdict, write_epochs
from protloc.runs.folder import END
from protloc.training.ranks import Ranks

log = logging.getLogger(__name__)

WAIT = 60.0
"""Seconds that a run waits for an answer; one that comes late stops it an epoch later."""

SPEED = ("runtime", "samples_per_second", "steps_per_second")


class EpochFigures(TrainerCallback):
    """Writes the figures; asks whether to go on, unless the run is at its end anyway.

    Args:
        run_dir: the run's folder.
        ranks: the processes of the run; the first one writes and reads, and all stop together.
        wait: for an answer, in seconds.

    Attributes:
        pruned: whether the search has stopped the run.
    """

    def __init__(self, run_dir: Path, ranks: Ranks, wait: float = WAIT) -> None:
        self.run_dir, self.ranks, self.wait = run_dir, ranks, wait
        self.pruned = False

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.ranks.first:
            write_epochs(self.run_dir, [figures(entry) for entry in state.log_history if "eval_loss" in entry])
        if control.should_training_stop or state.global_step >= state.max_steps:
            return
        self.pruned = self.ranks.share(self.ranks.first and self._told_to_stop(state.global_step))
        if self.pruned:
            control.should_training_stop, control.should_save = True, False

    def _told_to_stop(self, step: int) -> bool:
        end = time.monotonic() + self.wait
        while (verdict := read_verdict(self.run_dir)) is not None:
            if verdict.stop or verdict.step >= step:
                return verdict.stop
            if time.monotonic() >= end:
                if self.wait:
                    log.warning("the search has not answered for %.0f s: the run goes on without it", self.wait)
                self.wait = 0.0  # it may be gone; an answer that comes after all is read at the next epoch
                break
            time.sleep(0.02)
        return False


def figures(entry: dict[str, Any]) -> dict[str, Any]:
    """An evaluation's figures by their plain names, from Trainer's log entry."""
    values = {name.removeprefix("eval_"): value for name, value in entry.items() if name.startswith("eval_")}
    return {"epoch": entry["epoch"], "step": entry["step"]} | {k: v for k, v in values.items() if k not in SPEED}


def was_pruned(trainer: Trainer) -> bool:
    """Whether its search has stopped the run."""
    return any(isinstance(part, EpochFigures) and part.pruned for part in trainer.callback_handler.callbacks)


def end_pruned(run_dir: Path, monitor: str, metrics: dict[str, Any]) -> None:
    """Bring a run to its end that its search has stopped: figures of its epochs, no model, no checkpoints.

    Args:
        run_dir: the run's folder.
        monitor: the figure that chooses the best epoch.
        metrics: what metrics.json says of every run.
    """
    found = pruned_metrics(read_epochs(run_dir), monitor)
    write_json(run_dir / END, found | metrics)
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)
    figure = found["validation"][monitor]
    log.info("stopped by its search after epoch %.3g, with validation %s %.4f; no model is kept",
             found["epochs"], monitor, float("nan") if figure is None else figure)  # fmt: skip
