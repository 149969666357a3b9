"""Runs side by side."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from protloc.errors import UserError
from protloc.runs.leaderboard import read_runs, rows, update


def run_folder(
    folder: Path, words: list[str], mcc: float | None = None, test: float = 0.0, error: str = "", seconds: float = 10.0
) -> Path:
    """A run as train.py leaves it."""
    folder.mkdir(parents=True)
    (folder / "config.resolved.yaml").write_text("trainer:\n  monitor: mcc\n")
    (folder / "overrides.yaml").write_text(json.dumps(words))
    if error:
        (folder / "error.txt").write_text(error + "\n")
    if mcc is not None:
        metrics: dict[str, Any] = {
            "validation": {"mcc": mcc, "accuracy": mcc + 0.1}, "test": {"mcc": test, "accuracy": test + 0.1},
            "seconds": {"total": seconds}, "epochs": 4.0, "parameters": {"trained": 5, "total": 8},
        }  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two models, two seeds; one run failed, one was killed."""
    base = ["data=demo", "hydra.x=1"]
    run_folder(tmp_path / "sweep" / "0", [*base, "model=a", "seed=1", "trainer.gpus=1"], 0.5, 0.4)
    run_folder(tmp_path / "sweep" / "1", [*base, "model=a", "seed=2"], 0.7, 0.2)
    run_folder(tmp_path / "sweep" / "2", [*base, "model=b", "seed=1"], 0.65, 0.9)
    run_folder(tmp_path / "sweep" / "3", [*base, "model=b", "seed=2"], error="the disk is full")
    run_folder(tmp_path / "sweep" / "4", [*base, "model=c", "seed=2"])
    return tmp_path / "sweep"


def test_seeds_are_one_row_and_validation_decides(sweep: Path) -> None:
    found = rows(read_runs([sweep]))
    assert [row.words for row in found] == [{"model": "b"}, {"model": "a"}, {"model": "b"}, {"model": "c"}]
    assert [row.error for row in found] == ["", "", "the disk is full", "not at its end"]
    best, second = found[0], found[1]
    assert (best.mean("validation", "mcc"), best.deviation("validation", "mcc")) == (0.65, None)
    assert second.mean("validation", "mcc") == pytest.approx(0.6)
    assert second.deviation("test", "mcc") == pytest.approx(0.02**0.5)


def test_the_table_has_everything(sweep: Path) -> None:
    update([sweep], sweep)
    with open(sweep / "leaderboard.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["model"] for row in table] == ["b", "a", "b", "c"]
    first, second = table[:2]
    assert (second["runs"], second["validation_mcc_mean"], second["validation_mcc_sd"]) == ("2", "0.6", "0.141421")
    assert (first["test_accuracy_mean"], first["parameters_trained"], first["seconds"]) == ("1", "5", "10")
    assert second["folders"] == f"{sweep / '0'} {sweep / '1'}"
    assert (sweep / "leaderboard.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in sweep.iterdir()} == {"0", "1", "2", "3", "4", "leaderboard.csv", "leaderboard.png"}


def test_sweeps_and_single_runs_are_merged(sweep: Path, tmp_path: Path) -> None:
    single = run_folder(tmp_path / "single", ["model=b", "seed=9", "data=demo"], 0.75)
    found = rows(read_runs([sweep, single]))
    assert [len(row.runs) for row in found] == [2, 2, 1, 1]
    assert found[0].mean("validation", "mcc") == pytest.approx(0.7)


def test_runs_that_were_stopped_early_are_rows_of_their_own_behind_the_others(sweep: Path) -> None:
    folder = run_folder(sweep / "5", ["model=b", "seed=3", "data=demo"], 0.95)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics = {"pruned": True, "validation": metrics["validation"], "epochs": 2.0, "seconds": {"total": 3.0}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    found = update([sweep], sweep)
    assert [(row.words["model"], row.note) for row in found] == [
        ("b", ""), ("a", ""), ("b", "stopped early"), ("b", "the disk is full"), ("c", "not at its end"),
    ]  # fmt: skip
    with open(sweep / "leaderboard.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["epochs"], row["pruned"]) for row in table] == [("4", ""), ("4", ""), ("2", "yes"), ("", ""), ("", "")]
    assert (table[2]["validation_mcc_mean"], table[2]["test_mcc_mean"], table[2]["runs"]) == ("0.95", "", "1")


def test_the_front_of_a_search_with_several_objectives(tmp_path: Path) -> None:
    for i, (mcc, seconds) in enumerate([(0.5, 10.0), (0.6, 30.0), (0.4, 20.0)]):
        run_folder(tmp_path / str(i), [f"model=m{i}"], mcc, seconds=seconds)
    assert not any(row.on_front for row in update([tmp_path], tmp_path))
    (tmp_path / "search.json").write_text('{"objectives": ["figure"]}')
    assert not any(row.on_front for row in update([tmp_path], tmp_path))
    (tmp_path / "search.json").write_text('{"objectives": ["figure", "seconds"]}')
    assert [row.note for row in update([tmp_path], tmp_path)] == ["Pareto front", "Pareto front", ""]
    with open(tmp_path / "leaderboard.csv", newline="") as file:
        assert [row["pareto_front"] for row in csv.DictReader(file)] == ["yes", "yes", ""]


def test_a_folder_without_runs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run of train\.py is there"):
        read_runs([tmp_path])
