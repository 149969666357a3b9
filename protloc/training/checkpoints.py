"""Checkpoints that are whole or not there, a stop between two steps, and going on.

A checkpoint is a folder that Trainer writes file by file. The last file written is ours (`complete.json`) and lists the
others with their sizes: a folder that does not match it was being written when the run was killed, or was not copied
whole, in whatever order, and is not used. Older checkpoints are removed after that.
"""

from __future__ import annotations

import json
import logging
import shutil
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from protloc.config import TrainConfig
from protloc.errors import Stopped, UserError
from protloc.files import write_json

log = logging.getLogger(__name__)

COMPLETE = "complete.json"
STATE = "trainer_state.json"


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoint folders of a run, the newest first, whole or not."""
    found = [path for path in (run_dir / "checkpoints").glob("checkpoint-*") if path.name.split("-")[-1].isdigit()]
    return sorted(found, key=lambda path: -int(path.name.split("-")[-1]))


def mark_whole(path: Path, data: str) -> None:
    """Write a checkpoint's last file.

    Args:
        path: the checkpoint, everything else in it written.
        data: the fingerprint of the proteins.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file() and COMPLETE not in file.name)
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in files}
    write_json(path / COMPLETE, {"data": data, "files": sizes})


def is_whole(path: Path) -> bool:
    """Whether all files of a checkpoint are there, at the sizes that they were written with."""
    try:
        sizes = _mark(path).get("files", {})  # older checkpoints list none
        return all((path / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def checkpoint_to_resume(config: TrainConfig, run_dir: Path, data: str) -> str | None:
    """The checkpoint that this run goes on from; None where it begins.

    Half-written checkpoints are removed, and a line says so; so are those that need a half-written one, the best one so
    far, for the run may end with its weights.

    Args:
        config: with `resume`.
        run_dir: the run.
        data: the fingerprint of the proteins.

    Raises:
        UserError: the proteins are not those of the checkpoint.
    """
    if config.resume is None:
        return None
    for path in checkpoints(run_dir):
        fault = _fault(path)
        if fault is not None:
            log.warning("%s %s: it is removed, and the one before it used", path, fault)
            shutil.rmtree(path)
            continue
        if _mark(path)["data"] != data:
            raise UserError(
                f"{path}: the proteins have changed since this checkpoint was written: bring the old files back, or "
                "begin a new run"
            )
        _relocate(path)
        log.info("going on from %s", path)
        return str(path)
    log.info("%s has no checkpoint: the run begins", run_dir)
    return None


def _fault(path: Path) -> str | None:
    if not is_whole(path):
        return "is half-written"
    best = _best(path)
    return None if is_whole(best) else f"needs {best.name}, which is half-written"


def _mark(path: Path) -> dict[str, Any]:
    mark: dict[str, Any] = json.loads((path / COMPLETE).read_text())
    return mark


def _best(path: Path) -> Path:
    """The best checkpoint when `path` was written, which may be `path` itself."""
    best = _state(path).get("best_model_checkpoint")
    return path.parent / Path(best).name if best else path


def _state(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((path / STATE).read_text())
    return state


def _relocate(path: Path) -> None:
    """The best checkpoint stands in the state by its full path; a run that has been moved has it elsewhere."""
    state, best = _state(path), str(_best(path))
    if state.get("best_model_checkpoint") not in (None, best):
        write_json(path / STATE, {**state, "best_model_checkpoint": best})
        mark_whole(path, _mark(path)["data"])


class StopSignal(TrainerCallback):
    """SIGTERM and SIGUSR1 end the run behind the step in progress, with a checkpoint.

    Where the step is the last of an epoch, its evaluation and the checkpoint after it come first: a run that goes on
    would skip them else.

    Args:
        save: writes a checkpoint.
        world: processes; they agree every `EVERY` steps, for a signal reaches each in a step of its own.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
    EVERY = 4

    def __init__(self, save: Any, world: int) -> None:
        self.save, self.world = save, world
        self.received: int = 0
        self._before: dict[int, Any] = {}
        self._steps_per_epoch = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._steps_per_epoch = len(kwargs["train_dataloader"])
        self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % self._steps_per_epoch and self._agreed(state):
            self.save()
            self._end()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._agreed(state, always=True):
            self._end()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def _agreed(self, state: TrainerState, always: bool = False) -> bool:
        if self.world == 1:
            return bool(self.received)
        if not always and state.global_step % self.EVERY:
            return False
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        received = torch.tensor(self.received, device=device)
        torch.distributed.all_reduce(received, op=torch.distributed.ReduceOp.MAX)
        self.received = int(received)
        return bool(self.received)

    def _end(self) -> None:
        self._put_back()
        log.info("stopped by %s, with a checkpoint; resume=FOLDER goes on", signal.Signals(self.received).name)
        signal.raise_signal(self.received)  # whoever took it before us: the command line, or submitit, which requeues
        raise Stopped(self.received)
