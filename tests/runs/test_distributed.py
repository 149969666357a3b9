"""Several processes, as users run them: two on the CPU, against one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.backbones import write_esm2
from tests.scripts import ROOT, fasta, run
from tests.small_runs import STILL, assert_same_figures, assert_same_weights, words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FASTA files and a finished run of one process on them."""
    folder = tmp_path_factory.mktemp("runs")
    fasta(folder / "train.fasta", 97)
    fasta(folder / "test.fasta", 35, prefix="t")
    result = run("train.py", *words(folder / "alone"), *STILL, cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    return folder


def test_two_processes_give_the_figures_of_one(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    result = run(
        "train.py", *words(out, "trainer.processes=2", "trainer.max_tokens=100"), *STILL,
        cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert_same_figures(out, folder / "alone")
    assert_same_weights(out, folder / "alone", 1e-4)
    assert {path.name for path in out.iterdir()} == {path.name for path in (folder / "alone").iterdir()}
    log = (out / "train.log").read_text()
    assert log.count("epoch 3 of 3") == 1, "one process speaks"
    assert "2 processes" in log


@pytest.mark.slow
def test_under_torchrun_it_joins(folder: Path, tmp_path: Path) -> None:
    """Two processes that each read the command line: one folder, one log, the same figures."""
    out = tmp_path / "runs" / "joined"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PROTLOC_CACHE": str(folder / "cache")}
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(ROOT / "train.py"),
         *words(out), *STILL],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert_same_figures(out, folder / "alone")
    assert list((tmp_path / "runs").iterdir()) == [out]
    assert (out / "train.log").read_text().count("epoch 3 of 3") == 1


def test_weights_are_not_sharded_on_a_cpu(folder: Path, tmp_path: Path) -> None:
    result = run("train.py", *words(tmp_path / "x", "trainer.processes=2", "trainer.strategy=fsdp"), cwd=folder)
    assert result.returncode == 1
    assert result.stderr == (
        "error: trainer.strategy=fsdp shares a model out over GPUs, and this run is on the CPU; take ddp\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="accelerate shares weights out over GPUs only: needs two")
def test_sharded_weights_give_the_same_figures(folder: Path, tmp_path: Path) -> None:
    backbone = write_esm2(tmp_path / "backbone")
    more = ["model=esm2_8m", f"model.name_or_path={backbone}", "model.pooling=mean", "trainer.epochs=2",
            "trainer.batch_size=8", "model.dropout=0", "trainer.learning_rate=1e-3",
            "trainer.max_tokens=60"]  # fmt: skip  # in parts, and not always as many for both
    base = [word for word in words(tmp_path / "x") if not word.startswith(("model.", "hydra", "trainer.gpus"))]
    for name, strategy in (("ddp", []), ("fsdp", ["trainer.strategy=fsdp", "trainer.activation_checkpointing=true"])):
        result = run("train.py", *base, *more, "trainer.gpus=2", *strategy, f"hydra.run.dir={tmp_path / name}",
                     cwd=folder, cache=folder / "cache")  # fmt: skip
        assert result.returncode == 0, result.stderr
    assert_same_figures(tmp_path / "fsdp", tmp_path / "ddp")
    assert_same_weights(tmp_path / "fsdp", tmp_path / "ddp", 1e-4)


@pytest.mark.slow
def test_a_frozen_backbone_in_two_processes(folder: Path, tmp_path: Path) -> None:
    backbone = write_esm2(tmp_path / "backbone")
    base = [word for word in words(tmp_path / "x") if not word.startswith(("model.", "hydra"))]
    for name, count in (("one", 1), ("two", 2)):
        result = run(
            "train.py", *base, "model=esm2_8m", "tuning=frozen", f"model.name_or_path={backbone}", "model.dropout=0",
            f"trainer.processes={count}", "trainer.epochs=2", "trainer.batch_size=8",
            f"hydra.run.dir={tmp_path / name}", f"data.cache_dir={tmp_path / name}_cache", cwd=folder,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    assert_same_figures(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_more_processes_than_proteins_in_a_batch(folder: Path, tmp_path: Path) -> None:
    result = run("train.py", *words(tmp_path / "x", "trainer.processes=2", "trainer.batch_size=1"), cwd=folder,
                 cache=folder / "cache")  # fmt: skip
    assert result.returncode == 1
    assert "error: 2 processes, but 1 proteins in a batch: give a larger trainer.batch_size=" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_bad_data_is_one_line_from_two_processes_too(tmp_path: Path) -> None:
    (tmp_path / "train.fasta").write_text(">a Nucleus\nMK1\n")
    (tmp_path / "test.fasta").write_text(">a Nucleus\nMK\n")
    result = run("train.py", *words(tmp_path / "x", "trainer.processes=2"), cwd=tmp_path, cache=tmp_path / "cache")
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "'1' at residue 3 is no amino acid" in errors[0]
    assert "Traceback" not in result.stderr
