"""Folds together: every protein once, by a model that did not see it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from protloc.runs.leaderboard import show, update
from protloc.runs.out_of_fold import told
from tests.runs.test_leaderboard import run_folder

HEAD = "id,location,probability,A,B,length,residues_read,warnings,true"
ROWS = {
    "0": ["p0,A|B,0.9,0.9,0.8,5,5,,A|B", "p1,A,0.7,0.7,0.1,5,5,,A"],
    "1": ["p2,B,0.6,0.4,0.6,5,5,,A", "p3,B,0.8,0.2,0.8,5,5,,B"],
}


def fold(folder: Path, name: str, words: list[str], mcc: float) -> None:
    run = run_folder(folder, ["data=deeploc2", f"data.fold={name}", *words], mcc, 0.5)
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "task": "multilabel", "classes": ["A", "B"]}))
    (run / "predictions_test.csv").write_text("\n".join([HEAD, *ROWS[name]]) + "\n")


def test_the_best_setting_s_folds_are_pooled(tmp_path: Path) -> None:
    fold(tmp_path / "0", "0", ["model=a"], 0.6)
    fold(tmp_path / "1", "1", ["model=a"], 0.8)
    fold(tmp_path / "2", "0", ["model=b"], 0.5)
    rows = update([tmp_path], tmp_path)
    assert not (tmp_path / "out_of_fold.csv").exists(), "only at the end"
    show([tmp_path], tmp_path)
    assert [(row.words, len(row.runs)) for row in rows] == [({"model": "a"}, 2), ({"model": "b"}, 1)]
    assert rows[0].mean("validation", "mcc") == pytest.approx(0.7)
    with open(tmp_path / "out_of_fold.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["id"], row["fold"], row["true"]) for row in table] == [
        ("p0", "0", "A|B"), ("p1", "0", "A"), ("p2", "1", "A"), ("p3", "1", "B"),
    ]  # fmt: skip
    found = json.loads((tmp_path / "out_of_fold.json").read_text())
    assert (found["folds"], found["proteins"]) == (["0", "1"], 4)
    assert found["figures"]["subset_accuracy"] == 0.75
    assert found["figures"]["micro_f1"] == pytest.approx(2 * 4 / (5 + 5))
    assert found["figures"]["per_class"]["A"]["recall"] == pytest.approx(2 / 3)
    assert "threshold" not in found["figures"]["per_class"]["A"]
    assert told(found).startswith("out of fold, 4 proteins in 2 folds: micro F1 0.800 (")


def test_one_fold_alone_is_no_cross_validation(tmp_path: Path) -> None:
    fold(tmp_path / "0", "0", ["model=a"], 0.6)
    show([tmp_path], tmp_path)
    assert not (tmp_path / "out_of_fold.csv").exists()
