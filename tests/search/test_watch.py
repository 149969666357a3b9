"""A run and its search, which speak by two files: here the run is written by hand, the search is Optuna's."""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from protloc.runs.epochs import Verdict, read_verdict, write_epochs
from protloc.search.watch import Ended, Watch, ended

optuna = pytest.importorskip("optuna", reason="needs the extra [sweep]")


def epochs(*figures: float | None) -> list[dict[str, Any]]:
    return [{"epoch": i, "step": 10 * i, "mcc": figure, "loss": figure} for i, figure in enumerate(figures, 1)]


def study_after(*curves: list[float]) -> Any:
    """A study that stops at once what is below the median of trials that have ended with these curves."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for curve in curves:
        trial = study.ask()
        for step, figure in enumerate(curve, 1):
            trial.report(figure, step)
        study.tell(trial, curve[-1])
    return study


def test_a_run_is_stopped_where_others_were_better(tmp_path: Path) -> None:
    study = study_after([0.5, 0.6, 0.7])
    folders = {tmp_path / name: study.ask() for name in ("good", "bad", "late")}
    watch = Watch(folders, "mcc", {}, stops=True)
    with watch.watching():
        assert {read_verdict(folder) for folder in folders} == {Verdict(0, stop=False)}
        write_epochs(tmp_path / "good", epochs(0.55))
        write_epochs(tmp_path / "bad", epochs(0.1))
        _until(lambda: read_verdict(tmp_path / "bad") == Verdict(10, stop=True))
        _until(lambda: read_verdict(tmp_path / "good") == Verdict(10, stop=False))
        write_epochs(tmp_path / "good", epochs(0.55, 0.65))
        _until(lambda: read_verdict(tmp_path / "good") == Verdict(20, stop=False))
        assert read_verdict(tmp_path / "late") == Verdict(0, stop=False)
    write_epochs(tmp_path / "late", epochs(0.3))
    watch.look(answer=False)
    assert [trial.intermediate_values for trial in study.trials[1:]] == [{1: 0.55, 2: 0.65}, {1: 0.1}, {1: 0.3}]
    assert read_verdict(tmp_path / "late") == Verdict(0, stop=False), "it has ended: nobody reads an answer"


def test_a_run_that_goes_on_is_told_once(tmp_path: Path) -> None:
    """After a kill it writes its last epochs again; Optuna has them."""
    study = study_after()
    trial = study.ask()
    trial.report(0.4, 1)
    write_epochs(tmp_path, epochs(0.4, 0.5))
    Watch({tmp_path: trial}, "mcc", {tmp_path: {1}}, stops=True).look()
    assert study.trials[0].intermediate_values == {1: 0.4, 2: 0.5}


def test_a_loss_counts_with_its_sign_turned_and_no_figure_is_none(tmp_path: Path) -> None:
    study = study_after()
    write_epochs(tmp_path, epochs(2.5, math.inf))
    Watch({tmp_path: study.ask()}, "loss", {}, stops=False).look()
    values = study.trials[0].intermediate_values
    assert values[1] == -2.5
    assert math.isnan(values[2])
    assert read_verdict(tmp_path) is None, "runs that are not to be stopped do not wait"


def test_what_ends_the_watch_is_raised_and_the_run_goes_on(tmp_path: Path) -> None:
    broken = tmp_path / "run"
    watch = Watch({broken: study_after().ask()}, "mcc", {}, stops=True)
    went_on = threading.Event()
    with pytest.raises(json.JSONDecodeError), watch.watching():  # noqa: PT012 - raised at the end, not where it is seen
        (broken / "epochs.jsonl").write_text("{")
        _until(lambda: watch._error is not None)
        went_on.set()
    assert went_on.is_set()


def test_how_a_run_has_ended(tmp_path: Path) -> None:
    assert ended(tmp_path) is None
    (tmp_path / "error.txt").write_text("the disk is full\n")
    assert ended(tmp_path) == Ended(None, "the disk is full")
    (tmp_path / "metrics.json").write_text('{"pruned": true}')
    found = ended(tmp_path)
    assert found is not None
    assert (found.error, found.pruned) == ("", True), "the figures count: the error is that of a job that came too late"
    assert not Ended({"validation": {}}).pruned


def _until(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
