"""Searches as users run them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.scripts import ROOT, SMALL_TINY, fasta, run, table

pytest.importorskip("optuna", reason="needs the extra [sweep]")

BASE = (
    "-m", "experiment=search", "data=fasta", "data.train=train.fasta", *SMALL_TINY, "trainer.precision=fp32",
    "trainer.gpus=0", "model.freeze_layers=0", "model.max_residues=40",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    fasta(folder / "train.fasta", 90)
    fasta(folder / "test.fasta", 33, prefix="t")
    return folder


def search(folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run("train.py", *BASE, f"hydra.sweep.dir={name}", *more, cwd=folder, cache=folder / "cache")


def start(folder: Path, name: str, *more: str) -> forked.Popen[bytes]:
    """A search in the background."""
    environment = {**os.environ, **forked.ONE_THREAD, "PROTLOC_CACHE": str(folder / "cache")}
    command = [sys.executable, str(ROOT / "train.py"), *BASE, f"hydra.sweep.dir={name}", *more]
    with open(folder / f"{name}.log", "ab") as log:
        return forked.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def trials(sweep: Path) -> list[tuple[int, str, float | None]]:
    """Number, state and value of each trial, from the database."""
    with sqlite3.connect(sweep / "search.db") as database:
        rows = database.execute(
            "SELECT number, state, value FROM trials LEFT JOIN trial_values USING (trial_id) ORDER BY number, objective"
        ).fetchall()
    return rows


def metrics(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "metrics.json").read_text())
    return found


def wait_until(condition: Any, process: forked.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


HOPELESS = "hydra.sweeper.enqueue=[recipe,{trainer.learning_rate: 1e-5, model.dropout: 0.5}]"
"""The recipe, which learns, and then a rate at which nothing is learnt."""


def test_a_search_stops_hopeless_runs_and_says_what_it_has_found(folder: Path) -> None:
    words = (
        "data.test=test.fasta", "trainer.epochs=4", "trainer.learning_rate=tag(log, interval(1e-5, 5e-3))",
        "hydra.sweeper.n_trials=3", HOPELESS, "hydra.sweeper.pruner_options={n_startup_trials: 1}",
    )  # fmt: skip
    result = search(folder, "stops", *words)
    assert result.returncode == 0, result.stderr
    sweep = folder / "stops"
    found = trials(sweep)
    assert [(number, state) for number, state, _ in found[:2]] == [(0, "COMPLETE"), (1, "PRUNED")]
    assert len(found) == 3
    whole, hopeless = metrics(sweep / "0"), metrics(sweep / "1")
    assert found[0][2] == pytest.approx(whole["validation"]["mcc"])
    assert whole["epochs"] == 4
    assert "pruned" not in whole
    assert (hopeless["pruned"], hopeless["epochs"], "test" in hopeless) == (True, 2, False)
    assert {path.name for path in (sweep / "1").iterdir()} == {
        ".lock", "config.resolved.yaml", "overrides.yaml", "epochs.jsonl", "metrics.json", "train.log",
    }  # fmt: skip
    assert len((sweep / "1" / "epochs.jsonl").read_text().splitlines()) == 2
    rows = {Path(row["folders"]).name: row for row in table(sweep / "leaderboard.csv")}
    assert (rows["0"]["epochs"], rows["0"]["pruned"]) == ("4", "")
    assert (rows["1"]["epochs"], rows["1"]["pruned"], rows["1"]["test_mcc_mean"]) == ("2", "yes", "")
    assert float(rows["1"]["trainer.learning_rate"]) == 1e-5
    assert "stopped by its search after epoch 2" in (sweep / "1" / "train.log").read_text()
    said = (sweep / "best.txt").read_text()
    assert result.stdout.endswith(said)
    command = re.search(r"best: trial \d+, validation mcc .*\n  python (.*)\n", said)
    assert command is not None
    assert (sweep / "search.html").exists()
    again = search(folder, "stops", *words)
    assert again.returncode == 0, again.stderr
    assert trials(sweep) == found, "it has its trials"
    other = search(folder, "stops", *words, "trainer.label_smoothing=0.3")
    assert other.returncode == 1
    assert "was begun with other words (trainer.label_smoothing=0.3): give the same" in other.stderr


def test_killed_in_a_run_it_goes_on_with_it(folder: Path) -> None:
    words = ("trainer.epochs=6", "trainer.batch_size=4", "hydra.sweeper.n_trials=3", "hydra.sweeper.pruner=null")
    process = start(folder, "killed", *words)
    sweep = folder / "killed"
    wait_until(lambda: list((sweep / "1" / "checkpoints").glob("*/complete.json")), process)
    process.kill()
    process.wait()
    assert [state for _, state, _ in trials(sweep)] == ["COMPLETE", "RUNNING"]
    result = search(folder, "killed", *words)
    assert result.returncode == 0, result.stderr
    assert [(number, state) for number, state, _ in trials(sweep)] == [(i, "COMPLETE") for i in range(3)]
    assert metrics(sweep / "1")["resumed_at_epoch"] >= 1
    assert "going on from" in (sweep / "1" / "train.log").read_text()
    for number, _, value in trials(sweep):
        assert metrics(sweep / str(number))["validation"]["mcc"] == pytest.approx(value)


def test_a_search_belongs_to_one_process_and_its_end_by_sigterm_is_no_failure(folder: Path) -> None:
    words = ("trainer.epochs=200", "hydra.sweeper.n_trials=2")
    process = start(folder, "alone", *words)
    sweep = folder / "alone"
    wait_until(lambda: list((sweep / "0" / "checkpoints").glob("*/complete.json")), process)
    other = search(folder, "alone", *words)
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1] == (
        f"error: another process works on the search in {sweep.resolve()}: wait for it, or end it"
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    assert [state for _, state, _ in trials(sweep)] == ["RUNNING"]
    assert "1 trials, 1 not at their end" in (sweep / "best.txt").read_text()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("hydra.sweeper.n_trial=3", "no option 'hydra.sweeper.n_trial'; did you mean hydra.sweeper.n_trials?"),
        ("hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials=0: must be at least 1"),
        ("hydra.sweeper.objectives=[test]", "hydra.sweeper.objectives=[test]: give one or more of figure"),
        (
            "trainer.learning_rat=interval(0.1, 0.2)",
            "no option 'trainer.learning_rat'; did you mean trainer.learning_rate?",
        ),
        ("model=choice(tiny, tinny)", "no config 'model/tinny'; did you mean 'tiny'?"),
    ],
)
def test_a_mistake_is_one_line_and_no_trial(folder: Path, word: str, line: str) -> None:
    result = search(folder, "mistakes", word)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {line}"), result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "mistakes" / "search.db").exists()


@pytest.mark.slow
def test_failures_are_rows_with_their_reason_and_too_many_end_the_search(folder: Path) -> None:
    words = ("trainer.epochs=1", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler=bruteforce")
    space = ("trainer.learning_rate=1e-3", "model.dropout=choice(0.1, 0.5, 7)", "hydra.sweeper.enqueue=[]")
    result = search(folder, "failures", *words, *space)
    assert result.returncode == 0, result.stderr
    states = sorted(state for _, state, _ in trials(folder / "failures"))
    assert states == ["COMPLETE", "COMPLETE", "FAIL"], "everything was tried: three settings"
    rows = table(folder / "failures" / "leaderboard.csv")
    assert [row["error"] for row in rows] == ["", "", "model.dropout=7.0: must be at most 0.9"]
    with sqlite3.connect(folder / "failures" / "search.db") as database:
        attributes = database.execute("SELECT value_json FROM trial_user_attributes WHERE key = 'error'").fetchall()
    assert attributes == [(json.dumps("model.dropout=7.0: must be at most 0.9"),)]
    result = search(folder, "hopeless", *words, "trainer.learning_rate=1e-3", "model.dropout=choice(5, 6, 7)")
    assert result.returncode == 1
    assert re.fullmatch(
        r"error: 2 of 2 runs have failed, more than hydra\.sweeper\.max_failure_rate=0\.2: "
        r"model\.dropout=[567]\.0: must be at most 0\.9; the same command goes on", result.stderr.splitlines()[-1],
    )  # fmt: skip


@pytest.mark.slow
def test_options_under_a_choice_and_several_objectives(folder: Path) -> None:
    result = search(
        folder, "several", "trainer.epochs=1", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler=bruteforce",
        "hydra.sweeper.objectives=[figure,parameters]", "trainer.learning_rate=2e-3", "model.dropout=0.3",
        "hydra.sweeper.params={model.pooling: {attention: {model.crop: 'choice(head, tail)'}, mean: {}}}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "runs are not stopped early: with several objectives" in result.stdout
    rows = table(folder / "several" / "leaderboard.csv")
    assert len(rows) == 3, "there are no more settings"
    assert {bool(row["model.crop"]) for row in rows if row["model.pooling"] == "attention"} == {True}
    assert {bool(row["model.crop"]) for row in rows if row["model.pooling"] == "mean"} == {False}
    front = {Path(row["folders"]).name for row in rows if row["pareto_front"]}
    said = re.findall(r"on the Pareto front: trial (\d+), validation mcc \S+, [\d,]+ parameters", result.stdout)
    assert front == set(said)
    assert front


@pytest.mark.slow
def test_ten_kills_at_random_lose_no_trial_and_count_none_twice(folder: Path) -> None:
    words = ("trainer.epochs=3", "hydra.sweeper.n_trials=30")
    sweep, moments = folder / "ten", random.Random(20)
    for _ in range(10):
        process = start(folder, "ten", *words)
        time.sleep(moments.uniform(1, 12))
        process.kill()
        process.wait()
    assert "COMPLETE" in {state for _, state, _ in trials(sweep)}, "some came to their end in between"
    result = search(folder, "ten", *words)
    assert result.returncode == 0, result.stderr
    found = trials(sweep)
    assert [number for number, _, _ in found] == list(range(30))
    assert {state for _, state, _ in found} <= {"COMPLETE", "PRUNED"}
    for number, state, value in found:
        ended = metrics(sweep / str(number))
        assert bool(ended.get("pruned")) == (state == "PRUNED")
        if state == "COMPLETE":
            assert ended["validation"]["mcc"] == pytest.approx(value)
    assert len(table(sweep / "leaderboard.csv")) == 30
    settings = {(sweep / str(number) / "overrides.yaml").read_text() for number, _, _ in found}
    assert len(settings) == 30


@pytest.mark.slow
def test_submitit_runs_two_side_by_side_stops_them_and_they_outlive_their_search(folder: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra [slurm]")
    rates = ",".join(f"{{trainer.learning_rate: {rate}, model.dropout: 0.5}}" for rate in (4e-3, 1e-5, 2e-5))
    words = (
        "hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=4", "trainer.epochs=20",
        "trainer.learning_rate=tag(log, interval(1e-5, 5e-3))", f"hydra.sweeper.enqueue=[recipe,{rates}]",
        "hydra.sweeper.pruner_options={n_startup_trials: 1}",
    )  # fmt: skip
    process = start(folder, "side", *words)
    sweep = folder / "side"
    wait_until(lambda: all((sweep / name / "epochs.jsonl").exists() for name in "01"), process)
    process.kill()
    process.wait()
    result = search(folder, "side", *words)
    assert result.returncode == 0, result.stderr
    assert "going on with 2 trials that were begun" in result.stdout
    states = [(number, state) for number, state, _ in trials(sweep)]
    assert states == [(0, "COMPLETE"), (1, "COMPLETE"), (2, "PRUNED"), (3, "PRUNED")]
    for number, _ in states:
        log = (sweep / str(number) / "train.log").read_text()
        assert log.count("81 train, 9 validation proteins") == 1, (
            "its job outlived the search, and nobody began it again"
        )


@pytest.mark.slow
def test_several_processes_of_a_run_stop_together(folder: Path) -> None:
    result = search(
        folder, "ranks", "trainer.processes=2", "trainer.epochs=4", "hydra.sweeper.n_trials=2", HOPELESS,
        "trainer.learning_rate=tag(log, interval(1e-5, 5e-3))", "hydra.sweeper.pruner_options={n_startup_trials: 1}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [state for _, state, _ in trials(folder / "ranks")] == ["COMPLETE", "PRUNED"]
    assert metrics(folder / "ranks" / "1")["epochs"] == 2
