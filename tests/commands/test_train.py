"""train.py as users run it, on tiny real data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.backbones import write_esm2
from tests.scripts import SMALL_TINY, run, table, train


def test_a_run_leaves_what_is_promised(folder: Path) -> None:
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {
        "config.resolved.yaml", "overrides.yaml", "train.log", "metrics.json", "predictions_test.csv",
        "mistakes_test.csv", "confusion_matrix.png", "training_curves.png", "checkpoints", "model",
        "epochs.jsonl", ".lock",
    }  # fmt: skip
    assert {path.name for path in (folder / "out" / "model").iterdir()} >= {
        "config.json", "model.safetensors", "tokenizer.json", "README.md",
    }  # fmt: skip
    assert not list((folder / "out" / "model").rglob("*.bin")), "weights are safetensors"
    assert len(list((folder / "out" / "checkpoints").iterdir())) == 2
    for plot in ("confusion_matrix.png", "training_curves.png"):
        assert (folder / "out" / plot).read_bytes().startswith(b"\x89PNG")
    config = OmegaConf.load(folder / "out" / "config.resolved.yaml")
    assert OmegaConf.select(config, "trainer.epochs") == 2
    log = (folder / "out" / "train.log").read_text()
    assert "epoch 2 of 2" in log
    assert "everything lies in " in log


def test_metrics_are_complete_and_agree_with_the_predictions(folder: Path) -> None:
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["counts"] == {
        "train": 81, "validation": 9, "test": 33,
        "sequences_of_test_in_train": 33, "sequences_of_validation_in_train": 6,
        "cropped_proteins_train": metrics["counts"]["cropped_proteins_train"],
        "cropped_residues_train": metrics["counts"]["cropped_residues_train"],
        "cropped_proteins_validation": metrics["counts"]["cropped_proteins_validation"],
        "cropped_residues_validation": metrics["counts"]["cropped_residues_validation"],
        "cropped_proteins_test": 0, "cropped_residues_test": 0,
    }  # fmt: skip
    assert metrics["counts"]["cropped_proteins_train"] + metrics["counts"]["cropped_proteins_validation"] == 24
    assert metrics["classes"] == ["Golgi", "Nucleus", "Plastid"]
    assert len(metrics["data"]["fingerprint"]) == 64
    assert metrics["seed"] == 1
    assert metrics["precision"] == "fp32"
    assert metrics["residues_per_second"] > 0
    assert metrics["versions"]["torch"]
    truth = {f"t{i}": ("Golgi", "Nucleus", "Plastid")[i % 3] for i in range(33)}
    rows = table(folder / "out" / "predictions_test.csv")
    assert [row["id"] for row in rows] == list(truth)
    right = sum(row["location"] == truth[row["id"]] for row in rows)
    assert metrics["test"]["accuracy"] == pytest.approx(right / 33)
    assert len(table(folder / "out" / "mistakes_test.csv")) == 33 - right
    for split in ("validation", "test"):
        figures = metrics[split]
        assert {"accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "mcc", "loss"} <= set(figures)
        assert set(figures["per_class"]["Golgi"]) == {"support", "precision", "recall", "f1", "mcc"}
        assert sum(map(sum, figures["confusion_matrix"])) == figures["proteins"]


def test_the_same_seed_gives_the_same_figures_and_another_does_not(folder: Path) -> None:
    figures = {}
    for name, seed in (("again", 1), ("other", 2)):
        train(folder, name, f"seed={seed}", fresh=name == "again")  # with an order of sets that is not the first run's
        metrics = json.loads((folder / name / "metrics.json").read_text())
        figures[name] = (metrics["validation"], metrics["test"])
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert figures["again"] == (metrics["validation"], metrics["test"])
    assert figures["other"][0]["loss"] != figures["again"][0]["loss"]


def test_a_used_folder_is_refused(folder: Path) -> None:
    before = (folder / "out" / "config.resolved.yaml").read_text()
    result = run("train.py", "hydra.run.dir=out", "seed=7", cwd=folder)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "holds a run already (checkpoints): give another hydra.run.dir=, or remove it" in result.stderr
    assert (folder / "out" / "config.resolved.yaml").read_text() == before


def test_a_sweep_makes_a_folder_for_each_run(folder: Path) -> None:
    result = run(
        "train.py", "-m", "data=fasta", "data.train=train.fasta", "trainer.epochs=1", "seed=1,2",
        *SMALL_TINY, "hydra.sweep.dir=sweep", cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    seeds = [json.loads((folder / "sweep" / n / "metrics.json").read_text())["seed"] for n in ("0", "1")]
    assert seeds == [1, 2]
    assert "test" not in json.loads((folder / "sweep" / "0" / "metrics.json").read_text())
    assert not (folder / "sweep" / "0" / "predictions_test.csv").exists()


def test_a_protein_language_model_from_a_local_folder(folder: Path, tmp_path: Path) -> None:
    backbone = write_esm2(tmp_path / "backbone")
    result = run(
        "train.py", "model=esm2_8m", f"model.name_or_path={backbone}", "data=fasta", "data.train=train.fasta",
        "data.test=test.fasta", "trainer.epochs=1", "trainer.batch_size=8", "trainer.max_tokens=100",
        "model.freeze_layers=1", f"hydra.run.dir={tmp_path}/run", cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    result = run("predict.py", f"model_dir={tmp_path}/run", f"input={folder}/test.fasta", f"output={tmp_path}/x.jsonl")
    assert result.returncode == 0, result.stderr
    ours = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    for a, b in zip(ours, table(tmp_path / "run" / "predictions_test.csv"), strict=True):
        assert a["Golgi"] == pytest.approx(float(b["Golgi"]), abs=1e-5)


def test_a_frozen_backbone(folder: Path, tmp_path: Path) -> None:
    backbone = write_esm2(tmp_path / "backbone")
    for name in ("first", "second"):
        result = run(
            "train.py", "model=esm2_8m", "tuning=frozen", f"model.name_or_path={backbone}", "data=fasta",
            "data.train=train.fasta", "data.test=test.fasta", "trainer.epochs=3", "trainer.precision=fp32",
            "trainer.gpus=0", f"hydra.run.dir={tmp_path}/{name}", cwd=folder, cache=tmp_path / "cache",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    first, second = ((tmp_path / name / "train.log").read_text() for name in ("first", "second"))
    assert "frozen backbone: states of 0 of " in first
    assert ", 0 to compute (0.0 GiB)" in second
    figures = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("first", "second")]
    assert figures[0]["test"] == figures[1]["test"]
    assert figures[0]["tuning"] == "frozen"
    assert 0 < figures[0]["parameters"]["trained"] < figures[0]["parameters"]["total"]
    result = run("predict.py", f"model_dir={tmp_path}/first", f"input={folder}/test.fasta",
                 f"output={tmp_path}/x.csv", "precision=fp32", "device=cpu")  # fmt: skip
    assert result.returncode == 0, result.stderr
    for a, b in zip(table(tmp_path / "x.csv"), table(tmp_path / "first" / "predictions_test.csv"), strict=True):
        assert float(a["Golgi"]) == pytest.approx(float(b["Golgi"]), abs=1e-5)


def test_a_frozen_backbone_must_know_something(folder: Path, tmp_path: Path) -> None:
    result = run("train.py", "tuning=frozen", "data=fasta", "data.train=train.fasta", f"hydra.run.dir={tmp_path}/run",
                 cwd=folder, cache=tmp_path / "cache")  # fmt: skip
    assert result.returncode == 1
    assert "error: tuning=frozen, but model=tiny starts from random weights" in result.stderr
    assert "Traceback" not in result.stderr


def test_wandb_offline_needs_no_account(folder: Path) -> None:
    pytest.importorskip("wandb", reason="needs the extra [wandb]")
    train(folder, "wandb_run", "trainer.epochs=1", "logger=wandb", "logger.mode=offline", "logger.project=cells")
    (stored,) = (folder / "wandb_run" / "wandb").glob("offline-run-*")
    (data,) = stored.glob("run-*.wandb")
    content = data.read_bytes()
    for word in (b"eval/mcc", b"test/mcc", b"cells", b"protloc"):
        assert word in content, word
    assert not (folder / "wandb").exists()


def test_tensorboard(folder: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra [tensorboard]")
    result = run(
        "train.py", "data=fasta", "data.train=train.fasta", "trainer.epochs=1", *SMALL_TINY, "logger=tensorboard",
        "hydra.run.dir=board", cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (events,) = (folder / "board" / "tensorboard").rglob("events.out.*")
    assert b"eval/mcc" in events.read_bytes()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("train.py", f"hydra.run.dir={tmp_path}/file/run")
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path}/file/run: Not a directory\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (">a Nucleus\nMK1\n", "'1' at residue 3 is no amino acid"),
        ("", "the file is empty"),
        ("MKV\n", "stands before the first header"),
    ],
)
def test_bad_training_data_stops_before_training(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.fasta").write_text(content)
    result = run("train.py", "data=fasta", "data.train=bad.fasta", "hydra.run.dir=run", cwd=tmp_path, cache=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: bad.fasta:")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()
