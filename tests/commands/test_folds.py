"""Cross-validation as users run it: each partition held out once, every protein predicted once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.data.test_deeploc2 import HEAD, rows
from tests.scripts import SMALL_TINY, run


def test_every_protein_is_predicted_by_a_model_that_did_not_see_it(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("\n".join([HEAD, *rows()]) + "\n")
    result = run(
        "train.py", "-m", "data=deeploc2", "data.path=p.csv", "data.fold=0,1", "data.validation_share=0.3", *SMALL_TINY,
        "trainer.epochs=1", "trainer.gpus=0", "hydra.sweep.dir=folds", cwd=tmp_path, cache=tmp_path / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    folds = tmp_path / "folds"
    with open(folds / "out_of_fold.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert sorted(row["id"] for row in table) == sorted(f"P{i}" for i in range(40))
    for row in table:
        (run_dir,) = [path for path in (folds / "0", folds / "1") if f"data.fold={row['fold']}" in _words(path)]
        assert f"\n{row['id']}," in (run_dir / "predictions_test.csv").read_text()
    found = json.loads((folds / "out_of_fold.json").read_text())
    assert (found["folds"], found["proteins"], found["task"]) == (["0", "1"], 40, "multilabel")
    with open(folds / "leaderboard.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["runs"], bool(line["validation_micro_f1_sd"])) == ("2", True)
    assert "out of fold, 40 proteins in 2 folds: micro F1 " in result.stdout
    assert (folds / "0" / "multilabel_confusion.png").exists()


def test_thresholds_never_see_test_proteins(tmp_path: Path) -> None:
    """Other labels of the test proteins change the test figures, and nothing of the model."""
    given = rows()
    places = ",".join(given[33].split(",")[5:15])  # Cytoplasm
    relabelled = [",".join([*row.split(",")[:5], places, row.split(",")[15]]) for row in given[32:]]
    models, figures = [], []
    for name, lines in (("as_it_is", given), ("relabelled", [*given[:32], *relabelled])):
        (tmp_path / f"{name}.csv").write_text("\n".join([HEAD, *lines]) + "\n")
        result = run(
            "train.py", "data=deeploc2", f"data.path={name}.csv", "data.fold=1", "data.validation_share=0.3",
            *SMALL_TINY, "trainer.epochs=1", "trainer.gpus=0", f"hydra.run.dir={name}",
            cwd=tmp_path, cache=tmp_path / "c",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        models.append(
            [(tmp_path / name / "model" / file).read_bytes() for file in ("config.json", "model.safetensors")]
        )
        figures.append(json.loads((tmp_path / name / "metrics.json").read_text()))
    assert models[0] == models[1]
    assert figures[0]["validation"] == figures[1]["validation"]
    assert figures[0]["test"] != figures[1]["test"]


def _words(run_dir: Path) -> str:
    return (run_dir / "overrides.yaml").read_text()
