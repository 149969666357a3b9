"""Each epoch's figures on disk, and an end between two epochs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from accelerate import PartialState
from transformers import TrainerControl, TrainerState, TrainingArguments

from protloc.runs.epochs import Verdict, best_epoch, pruned_metrics, read_epochs, write_epochs, write_verdict
from protloc.training.epochs import EpochFigures, end_pruned
from protloc.training.ranks import Ranks


def evaluated(
    folder: Path, step: int, *, ends: bool = False, wait: float = 0.0, callback: EpochFigures | None = None
) -> tuple[EpochFigures, TrainerControl]:
    """The callback after an evaluation at `step` of 30."""
    callback = callback or EpochFigures(folder, Ranks(PartialState(cpu=True)), wait=wait)
    entries = [
        {"epoch": i / 10, "step": i, "eval_loss": 1 / i, "eval_mcc": i / 100, "eval_runtime": 3.0}
        for i in range(10, step + 1, 10)
    ]
    state = TrainerState(global_step=step, max_steps=30, log_history=[{"loss": 0.5, "step": 5, "epoch": 0.5}, *entries])
    control = TrainerControl(should_training_stop=ends, should_save=True)
    callback.on_evaluate(TrainingArguments(output_dir=str(folder), use_cpu=True), state, control)
    return callback, control


def test_each_epoch_is_a_line(tmp_path: Path) -> None:
    evaluated(tmp_path, 20)
    lines = (tmp_path / "epochs.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"epoch": 1.0, "step": 10, "loss": 0.1, "mcc": 0.1}, {"epoch": 2.0, "step": 20, "loss": 0.05, "mcc": 0.2},
    ]  # fmt: skip


def test_a_run_that_nobody_watches_goes_on(tmp_path: Path) -> None:
    callback, control = evaluated(tmp_path, 10, wait=1e9)
    assert (callback.pruned, control.should_training_stop, control.should_save) == (False, False, True)


@pytest.mark.parametrize(
    ("verdict", "pruned"),
    [
        (Verdict(20, stop=True), True),
        (Verdict(20, stop=False), False),
        (Verdict(10, stop=True), True),  # it came late
    ],
)
def test_the_search_is_obeyed(tmp_path: Path, verdict: Verdict, pruned: bool) -> None:
    write_verdict(tmp_path, verdict)
    callback, control = evaluated(tmp_path, 20, wait=1e9)
    assert (callback.pruned, control.should_training_stop, control.should_save) == (pruned, pruned, not pruned)


def test_a_search_that_is_gone_is_waited_for_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_verdict(tmp_path, Verdict(0, stop=False))
    callback, control = evaluated(tmp_path, 10, wait=0.05)
    assert not control.should_training_stop
    assert callback.wait == 0
    assert "the search has not answered" in caplog.text
    write_verdict(tmp_path, Verdict(10, stop=True))  # it answers after all
    _, control = evaluated(tmp_path, 20, callback=callback)
    assert control.should_training_stop


def test_a_run_at_its_end_is_not_asked_about(tmp_path: Path) -> None:
    write_verdict(tmp_path, Verdict(30, stop=True))
    for step, ends in ((30, False), (20, True)):  # its last epoch; patience has ended it
        callback, control = evaluated(tmp_path, step, ends=ends)
        assert (callback.pruned, control.should_save) == (False, True)


def test_the_end_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-10").mkdir(parents=True)
    evaluated(tmp_path, 20)
    end_pruned(tmp_path, "mcc", {"seed": 3})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "pruned": True, "validation": {"loss": 0.05, "mcc": 0.2}, "best_epoch": 2.0, "epochs": 2.0, "seed": 3,
    }  # fmt: skip
    assert not (tmp_path / "checkpoints").exists()


def test_the_best_epoch_is_the_one_whose_weights_would_be_kept(tmp_path: Path) -> None:
    write_epochs(tmp_path, [{"epoch": i, "step": i, "loss": loss} for i, loss in enumerate([3.0, 1.0, 1.0, math.nan])])
    found = read_epochs(tmp_path)
    assert found[3]["loss"] is None
    assert best_epoch(found, "loss")["step"] == 1
    assert pruned_metrics(found, "loss")["epochs"] == 3
    assert read_epochs(tmp_path / "nowhere") == []
