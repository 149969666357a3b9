"""What a person sees while a model trains: a bar, a line an epoch, and the end where the loss is lost."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from protloc.errors import UserError
from protloc.tasks.task import Figure

log = logging.getLogger(__name__)


class TrainingProgress(TrainerCallback):
    """A progress bar with loss, residues/s and time left; one log line an epoch, which is all a log file gets.

    Args:
        residues_per_epoch: residues read in one pass over the training proteins.
        headline: the figures that stand in the line of an epoch.

    Attributes:
        seconds: time spent in training steps, without evaluation, in seconds.
        waited: how much of it the steps waited for their batches, in seconds.
        began: epochs that were there already, where a run goes on.
        history: Trainer's log entries so far, for the curves.
    """

    def __init__(self, residues_per_epoch: int, headline: Sequence[Figure]) -> None:
        self.residues_per_epoch, self.headline = residues_per_epoch, headline
        self.seconds = self.waited = 0.0
        self.began = 0.0
        self._since = 0.0
        self._loss = math.nan
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"),
            TextColumn("loss {task.fields[loss]:.3f}"), TextColumn("{task.fields[speed]:,.0f} residues/s"),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=None, loss=math.nan, speed=0)

    def residues_per_second(self, epochs: float) -> float:
        """Training speed up to `epochs` epochs, evaluation and what an earlier process has trained not counted."""
        return self.residues_per_epoch * (epochs - self.began) / self.seconds if self.seconds else 0.0

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.began = state.epoch or 0.0
        if state.is_world_process_zero:
            self._bar.update(self._task, total=state.max_steps)
            self._bar.start()

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._since = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._tick()
        speed = self.residues_per_second(state.epoch or 0)
        self._bar.update(self._task, completed=state.global_step, loss=self._loss, speed=speed)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._tick()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        self._loss = (logs or {}).get("loss", self._loss)
        if "loss" in (logs or {}) and not math.isfinite(self._loss):
            raise UserError(
                f"the training loss became {self._loss} at step {state.global_step}: give a lower "
                "trainer.learning_rate=, or trainer.precision=fp32; the checkpoints before it are kept"
            )

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and "eval_loss" in metrics and state.epoch is not None:
            log.info(
                "epoch %.3g of %.3g: training loss %.4f, validation loss %.4f, %s "
                "(%s residues/s, %.1f %% of the time waiting for data)",
                state.epoch, state.num_train_epochs, self._loss, metrics["eval_loss"],
                ", ".join(f"{figure.words} {metrics[f'eval_{figure.name}']:.4f}" for figure in self.headline),
                f"{self.residues_per_second(state.epoch):,.0f}",
                100 * self.waited / self.seconds if self.seconds else 0,
            )  # fmt: skip
        self._since = time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now


class StatesProgress:
    """A bar while a frozen backbone's states are computed; a context."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("frozen backbone"), BarColumn(), MofNCompleteColumn(), TextColumn("proteins"),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("states", total=None)

    def told(self, done: int, total: int) -> None:
        """Show it."""
        self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> StatesProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
