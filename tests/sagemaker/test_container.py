"""Jobs as SageMaker's containers run them: requests that were sent, played through the real toolkits, on the CPU."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from protloc.config import FastaData, LoggerConfig, ModelConfig, TrainConfig, TrainerConfig, TuningConfig
from protloc.sagemaker.metrics import METRICS
from protloc.sagemaker.source import source_files
from tests.sagemaker.aws import WHERE, Aws, request
from tests.sagemaker.played import Host, lose, play, prepare
from tests.scripts import DEEPLOC, ROOT, SMALL_TINY, fasta, run

pytest.importorskip("sagemaker_training", reason="needs SageMaker's toolkits, in the extra [dev]")
pytest.importorskip("sagemaker_pytorch_container", reason="needs SageMaker's toolkits, in the extra [dev]")

REAL = DEEPLOC / "deeploc_single_label.fasta"

WORDS = (
    "data=fasta", "data.train=train.fasta", "data.test=test.fasta", *SMALL_TINY, "trainer.precision=fp32",
    "trainer.gpus=0", "trainer.epochs=3", "seed=5",
    # two processes draw other random numbers than one: without any, they must agree
    "model.dropout=0", "model.from_scratch.dropout=0", "model.from_scratch.substitution=0",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fasta(tmp_path / "train.fasta", 90)
    fasta(tmp_path / "test.fasta", 20, prefix="t")
    return tmp_path


def sent(aws: Aws, *more: str) -> dict[str, Any]:
    return request(aws, *WORDS, *WHERE, *more)


def figures(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    return {
        split: {name: found[split][name] for name in ("loss", "accuracy", "mcc")} for split in ("validation", "test")
    }


def local(folder: Path, words: tuple[str, ...] = WORDS) -> dict[str, Any]:
    """What train.py finds here with the same words."""
    result = run("train.py", *words, "hydra.run.dir=local", cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    return figures(folder / "local" / "metrics.json")


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for split, values in expected.items():
        assert found[split] == pytest.approx(values, abs=1e-5), split


def ended(hosts: list[Host], seconds: float = 300) -> int:
    process = play(hosts)
    try:
        return process.wait(seconds)
    finally:
        if process.poll() is None:
            lose(process)


def test_one_machine_with_two_processes(aws: Aws, folder: Path) -> None:
    hosts = prepare(sent(aws), folder / "opt")
    assert ended(hosts) == 0, hosts[0].log
    base = hosts[0].base
    same(figures(base / "output" / "data" / "metrics.json"), local(folder))
    assert {"training_curves.png", "confusion_matrix.png", "train.log", "config.resolved.yaml"} <= {
        path.name for path in (base / "output" / "data").iterdir()
    }
    assert "torchrun --nnodes 1 --nproc_per_node 2 sagemaker_entry.py" in hosts[0].log
    assert not (base / "output" / "failure").exists()
    predicted = run("predict.py", f"model_dir={base / 'model'}", "input=test.fasta", "output=out.csv", cwd=folder)
    assert predicted.returncode == 0, predicted.stderr
    assert len((folder / "out.csv").read_text().splitlines()) == 21
    assert (base / "model" / "handler.py").exists()  # what serving needs is there
    # SageMaker reads its figures from what was printed
    shown = {name: re.findall(regex, hosts[0].log) for name, regex in METRICS.items()}
    assert {name: len(values) for name, values in shown.items() if values} == {
        "train:loss": 3, "validation:loss": 3, "validation:accuracy": 3, "validation:mcc": 3, "test:accuracy": 1,
        "test:mcc": 1, "test:macro_f1": 1, "objective": 1,
    }  # fmt: skip
    metrics = json.loads((base / "output" / "data" / "metrics.json").read_text())
    assert float(shown["objective"][0]) == pytest.approx(metrics["validation"]["mcc"], abs=1e-6)
    assert float(shown["test:accuracy"][0]) == pytest.approx(metrics["test"]["accuracy"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_file(), reason="needs the real DeepLoc proteins, which are not in the repository")
def test_real_proteins(aws: Aws, folder: Path) -> None:
    words = (*WORDS[3:], "data=deeploc", f"data.path={REAL}", "data.limit=300")
    hosts = prepare(request(aws, *words, *WHERE), folder / "opt")
    assert ended(hosts) == 0, hosts[0].log
    output = hosts[0].base / "output" / "data"
    same(figures(output / "metrics.json"), local(folder, words))
    here, there = (
        list(csv.DictReader((place / "predictions_test.csv").read_text().splitlines()))
        for place in (folder / "local", output)
    )
    assert [(row["id"], row["location"]) for row in there] == [(row["id"], row["location"]) for row in here]
    assert len(there) == 300


@pytest.mark.slow
def test_two_machines(aws: Aws, folder: Path) -> None:
    hosts = prepare(sent(aws, "cluster.instance_count=2"), folder / "opt", hosts=2, gpus=1)
    assert ended(hosts) == 0, hosts[0].log + hosts[1].log
    same(figures(hosts[0].base / "output" / "data" / "metrics.json"), local(folder))
    assert (hosts[0].base / "model" / "model.safetensors").exists()
    assert list((hosts[1].base / "model").iterdir()) == []  # one machine hands over


@pytest.mark.slow
def test_a_machine_that_is_taken_away_goes_on_elsewhere(aws: Aws, folder: Path) -> None:
    job = sent(aws, "cluster=sagemaker_spot")
    hosts = prepare(job, folder / "opt")
    process = play(hosts)
    saved = hosts[0].base / "checkpoints" / "checkpoints"
    deadline = time.monotonic() + 200
    while not list(saved.glob("*/complete.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    lose(process)
    assert not (hosts[0].base / "checkpoints" / "metrics.json").exists()
    hosts = prepare(job, folder / "opt")
    assert ended(hosts) == 0, hosts[0].log
    assert "going on from" in hosts[0].log
    same(figures(hosts[0].base / "output" / "data" / "metrics.json"), local(folder))
    # And once more: the run is at its end, only the results are handed over.
    hosts = prepare(job, folder / "opt")
    assert ended(hosts) == 0, hosts[0].log
    assert "the run has come to its end; nothing to do" in hosts[0].log
    assert (hosts[0].base / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_job_that_fails_says_why(aws: Aws, folder: Path) -> None:
    (folder / "train.fasta").write_text(">p1 Golgi\nMK1V\n>p2 Plastid\nMKV\n")
    hosts = prepare(sent(aws), folder / "opt")
    assert ended(hosts) != 0
    assert hosts[0].failure.startswith(str(hosts[0].base / "input/data/data_train/train.fasta") + ":1: p1: ")
    assert "Traceback" not in hosts[0].failure
    assert list((hosts[0].base / "model").iterdir()) == []


@pytest.mark.slow
def test_smddp_that_is_not_there_is_an_error(aws: Aws, folder: Path) -> None:
    job = sent(aws)
    words = json.loads(job["HyperParameters"]["overrides"])
    job["HyperParameters"]["overrides"] = json.dumps([*words, "trainer.backend=smddp"])
    hosts = prepare(job, folder / "opt")
    assert ended(hosts) != 0
    assert hosts[0].failure.startswith("trainer.backend=smddp needs SageMaker's smdistributed.dataparallel")


@pytest.mark.slow
def test_an_image_that_sees_no_gpu_is_an_error(aws: Aws, folder: Path) -> None:
    job = sent(aws)
    words = [word for word in json.loads(job["HyperParameters"]["overrides"]) if word != "trainer.gpus=0"]
    job["HyperParameters"]["overrides"] = json.dumps(words)
    hosts = prepare(job, folder / "opt")
    assert ended(hosts) != 0
    assert hosts[0].failure == "trainer.gpus=2, but this machine has no CUDA device\n"


def test_the_source_is_all_that_the_container_has(tmp_path: Path) -> None:
    """The package in the archive is complete: it trains without the checkout."""
    config = TrainConfig(FastaData(), ModelConfig(), TrainerConfig(), LoggerConfig(), TuningConfig())
    for name, content in source_files(config).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    result = subprocess.run(
        [sys.executable, "-c", "import protloc, protloc.cli.main as c; print(protloc.__file__, c.conf_dir())"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert result.stdout.split() == [str(tmp_path / "protloc" / "__init__.py"), str(tmp_path / "conf")]
    assert str(ROOT) not in result.stdout
