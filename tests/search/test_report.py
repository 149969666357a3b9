"""What a search says at its end: the best setting, what mattered, the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from protloc.config import SearchConfig
from protloc.search.space import drawn, read_space

optuna = pytest.importorskip("optuna", reason="needs the extra [sweep]")

from protloc.search.report import importances, write_report  # noqa: E402
from protloc.search.study import open_study  # noqa: E402

PARAMS = {
    "lr": "tag(log, interval(1e-4, 1e-1))", "marks": "choice(a, '<b>')",
    "tuning": {"full": {"layers": "range(0, 3)"}, "frozen": {}},
}  # fmt: skip


def searched(folder: Path, trials: int, **more: Any) -> tuple[Any, SearchConfig, Any]:
    """A study whose figure is made by the learning rate alone; every fourth trial was stopped, one has failed."""
    options = SearchConfig(storage=f"sqlite:///{folder / 'search.db'}", **{"sampler": "random", **more})
    space, _ = read_space(PARAMS)
    study = open_study(options)
    for i in range(trials):
        trial = study.ask()
        trial.set_user_attr("words", list(drawn(trial, space)))
        if len(options.objectives) == 1:
            trial.report(-1.0, 1)
        state = optuna.trial.TrialState.PRUNED if i % 4 == 3 and len(options.objectives) == 1 else None
        if i == 5:
            trial.set_user_attr("error", "the <disk> is full")
            state = optuna.trial.TrialState.FAIL
        values = None if state else [10 * trial.params["lr"], float(i)][: len(options.objectives)]
        study.tell(trial, values, state=state)
    return study, options, space


def test_the_best_setting_is_a_command(tmp_path: Path) -> None:
    study, options, space = searched(tmp_path, 16)
    write_report(study, tmp_path, options, "mcc", ["data=csv", "data.train=my file.csv"], space)
    lines = (tmp_path / "best.txt").read_text().splitlines()
    best = study.best_trial
    assert lines[0] == "search protloc: 16 trials, 11 to their end, 4 stopped early, 1 failed"
    assert lines[1] == f"best: trial {best.number}, validation mcc {best.value:.4f}"
    assert lines[2].startswith("  python train.py data=csv 'data.train=my file.csv' lr=")
    assert f"tuning={best.params['tuning']}" in lines[2]
    assert re.match(r"what the differences come from \(fANOVA\): lr 9\d%", lines[3])
    assert lines[4] == f"pictures: {tmp_path / 'search.html'}; every run: {tmp_path / 'leaderboard.csv'}"


def test_the_page_needs_no_network_and_shows_every_trial(tmp_path: Path) -> None:
    study, options, space = searched(tmp_path, 16)
    write_report(study, tmp_path, options, "loss", [], space)
    text = (tmp_path / "search.html").read_text()
    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
    pictures = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, flags=re.S)]
    history, parallel, bars = pictures
    assert len(history.findall("circle")) == 15, "all but the one that has failed"
    assert [dot.get("fill") for dot in history.findall("circle")].count("white") == 4
    assert len(parallel.findall("polyline")) == 15
    assert sum(line.get("stroke-dasharray") is not None for line in parallel.findall("polyline")) == 4
    assert len(bars.findall("rect")) == len(importances(study)) == 3, "options that every trial has"
    assert "the &lt;disk&gt; is full" in text
    assert "<b>" not in text
    assert text.count("<tr>") == 17
    best = min(-trial.value for trial in study.trials if trial.state.name == "COMPLETE")
    assert f"<td>{best:.5g}</td>" in text, "a loss is shown with its own sign"


def test_a_search_that_has_just_begun(tmp_path: Path) -> None:
    study, options, space = searched(tmp_path, 0)
    write_report(study, tmp_path, options, "mcc", [], space)
    assert (tmp_path / "best.txt").read_text().startswith("search protloc: 0 trials\npictures: ")
    assert "<svg" not in (tmp_path / "search.html").read_text()
    study, options, space = searched(tmp_path, 1)
    write_report(study, tmp_path, options, "mcc", [], space)
    assert "best: trial 0" in (tmp_path / "best.txt").read_text()


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    study, options, space = searched(tmp_path, 9, objectives=["figure", "seconds"])
    write_report(study, tmp_path, options, "mcc", [], space)
    lines = (tmp_path / "best.txt").read_text().splitlines()
    numbers = [
        int(match[1])
        for line in lines
        if (match := re.match(r"on the Pareto front: trial (\d+), validation mcc", line))
    ]
    assert numbers == [trial.number for trial in study.best_trials]
    assert 0 in numbers
    assert len(re.findall(r"<svg", (tmp_path / "search.html").read_text())) == 4
