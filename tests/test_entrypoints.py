"""train.py and predict.py as users run them, on tiny real data."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.backbones import write_esm2
from tests.commands import ROOT, SMALL_TINY, fasta, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own FASTA files and one finished run on them."""
    folder = tmp_path_factory.mktemp("run")
    fasta(folder / "train.fasta", 90)
    fasta(folder / "test.fasta", 33, prefix="t")
    train(folder, "out")
    return folder


def train(folder: Path, name: str, *more: str) -> None:
    """Train on the folder's files, two epochs unless `more` says otherwise, into `folder / name`."""
    result = run(
        "train.py", "data=fasta", "data.train=train.fasta", "data.test=test.fasta", "trainer.epochs=2", *SMALL_TINY,
        "model.max_residues=40", "trainer.precision=fp32", "trainer.gpus=0", f"hydra.run.dir={name}", *more,
        cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_is_promised(folder: Path) -> None:
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {
        "config.resolved.yaml", "overrides.yaml", "train.log", "metrics.json", "predictions_test.csv",
        "mistakes_test.csv", "confusion_matrix.png", "training_curves.png", "checkpoints", "model",
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


def test_predict_agrees_with_the_run_on_the_same_proteins(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "locations.csv"
    result = run(
        "predict.py", f"model_dir={folder}/out/model", f"input={folder}/test.fasta", f"output={output}",
        "device=cpu", "precision=fp32",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    ours, theirs = table(output), table(folder / "out" / "predictions_test.csv")
    assert list(ours[0]) == [
        "id", "location", "probability", "Golgi", "Nucleus", "Plastid", "length", "residues_read", "warnings",
    ]  # fmt: skip
    for a, b in zip(ours, theirs, strict=True):
        for name in a:
            if name in ("probability", "Golgi", "Nucleus", "Plastid"):
                assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-5)
            else:
                assert a[name] == b[name]
    assert list(tmp_path.iterdir()) == [output], "nothing is left but the output"
    first, *counts = result.stderr.splitlines()
    assert first.startswith("33 proteins in ")
    assert sum(int(line.split()[0]) for line in counts) == 33


def test_the_same_seed_gives_the_same_figures_and_another_does_not(folder: Path) -> None:
    figures = {}
    for name, seed in (("again", 1), ("other", 2)):
        train(folder, name, f"seed={seed}")
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
    assert not (tmp_path / "run" / "checkpoints").exists()


# --- predict.py ------------------------------------------------------------------------------------------------------


def predict(folder: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return run("predict.py", f"model_dir={folder}/out/model", *arguments, stdin=stdin)


def test_every_input_gives_the_same_answers(folder: Path, tmp_path: Path) -> None:
    text = (folder / "test.fasta").read_text()
    (tmp_path / "x.fasta.gz").write_bytes(gzip.compress(text.encode()))
    records = [record.split("\n") for record in text.lstrip(">").split(">")]
    cells = "".join(f"{header.split()[0]},{sequence}\n" for header, sequence, _ in records)
    (tmp_path / "x.csv").write_text("acc,residues\n" + cells)
    answers = []
    for arguments, stdin in (
        ([f"input={folder}/test.fasta"], None),
        ([f"input={tmp_path}/x.fasta.gz"], None),
        ([f"input={tmp_path}/x.csv", "id_column=acc", "sequence_column=residues"], None),
        (["input=-"], text),
    ):
        result = predict(folder, *arguments, "output=-", stdin=stdin)
        assert result.returncode == 0, result.stderr
        answers.append(result.stdout)
    assert answers[0].count("\n") == 34
    assert answers == [answers[0]] * 4


def test_where_the_output_goes_by_itself(folder: Path, tmp_path: Path) -> None:
    result = run(
        "predict.py", f"model_dir={folder}/out", f"input={folder}/test.fasta", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["test.locations.csv"]


def test_an_output_is_not_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    output.write_text("precious")
    result = predict(folder, f"input={folder}/test.fasta", f"output={output}")
    assert (result.returncode, output.read_text()) == (1, "precious")
    assert result.stderr == f"error: {output} exists; give overwrite=true to replace it\n"
    result = predict(folder, f"input={folder}/test.fasta", f"output={output}", "overwrite=true")
    assert (result.returncode, len(table(output))) == (0, 33)


def test_a_broken_record_stops_or_is_skipped_and_changes_are_counted(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.fasta"
    source.write_text(f">a\nMKVLA\n>b\nMK1\n>c\nmkv*\n>d\n{'MKVLA' * 20}\n")
    output = tmp_path / "x.csv"
    result = predict(folder, f"input={source}", f"output={output}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {source}:3: b: '1' at residue 3 is no amino acid")
    assert [path.name for path in tmp_path.iterdir()] == ["x.fasta"]
    result = predict(folder, f"input={source}", f"output={output}", "on_error=skip")
    assert result.returncode == 0
    rows = table(output)
    assert [row["id"] for row in rows] == ["a", "c", "d"]
    assert (rows[2]["length"], rows[2]["residues_read"]) == ("100", "40")
    assert rows[2]["warnings"] == "60 of 100 residues not read"
    said = result.stderr
    assert "skipped b (line 3): '1' at residue 3" in said
    for line in (
        "1  broken records skipped", "1  proteins longer than the model reads, cropped",
        "1  proteins with lower-case residues, read as upper case", "1  proteins whose final * was taken off",
    ):  # fmt: skip
        assert line in said, line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["input=nowhere.fasta"], "error: nowhere.fasta: no such file"),
        (["input=-"], "error: input=- needs output=: a file, or - for CSV on standard output"),
        (["input=x.fasta", "output=x.xlsx"], "error: x.xlsx: unknown ending '.xlsx'; take one of"),
        (["input=x.fasta", "precision=fp16", "device=cpu"], "error: precision=fp16 needs a GPU"),
        (["input=x.fasta", "batch_tokens=0"], "error: batch_tokens=0: must be at least 1"),
        (["input=x.fasta", "outptu=x.csv"], "error: no option 'outptu'; did you mean output?"),
    ],
)
def test_mistakes_of_predict(folder: Path, arguments: list[str], line: str, tmp_path: Path) -> None:
    result = run("predict.py", f"model_dir={folder}/out/model", *arguments, cwd=tmp_path)
    assert result.returncode in (1, 2)
    (said,) = result.stderr.splitlines()
    assert said.startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_traceback(folder: Path, tmp_path: Path) -> None:
    """`predict.py output=- | head -1`."""
    big = fasta(tmp_path / "big.fasta", 3000, labels=False)
    command = (
        f"{sys.executable} {ROOT}/predict.py model_dir={folder}/out/model input={big} output=- window=100 | head -1"
    )
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "2"}
    )
    assert result.stdout.startswith("id,location,probability")
    assert result.stderr == "error: the reader of the output is gone\n"


def test_stopped_by_the_keyboard_leaves_no_half_table(folder: Path, tmp_path: Path) -> None:
    import signal
    import time

    big = fasta(tmp_path / "big.fasta", 100_000, labels=False)
    output = tmp_path / "x.csv"
    process = subprocess.Popen(
        [
            sys.executable, str(ROOT / "predict.py"), f"model_dir={folder}/out/model", f"input={big}",
            f"output={output}", "window=50",
        ],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not [path for path in tmp_path.glob(".x.csv.*.tmp") if path.stat().st_size > 1000]:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "error: stopped by the keyboard\n")
    assert [path.name for path in tmp_path.iterdir()] == ["big.fasta"]
