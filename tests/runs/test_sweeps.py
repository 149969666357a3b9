"""Sweeps as users run them: the leaderboard, failures, submitit, Ray; searches: tests/search."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.scripts import ROOT, SMALL_TINY, fasta, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps")
    fasta(folder / "train.fasta", 60)
    return folder


def sweep(folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run(
        "train.py", "-m", "data=fasta", "data.train=train.fasta", *SMALL_TINY, "trainer.precision=fp32",
        "trainer.gpus=0", "trainer.epochs=1", f"hydra.sweep.dir={name}", *more, cwd=folder, cache=folder / "cache",
    )  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_ends_with_a_leaderboard_and_a_failure_is_a_row(folder: Path) -> None:
    result = sweep(folder, "plain", "model.dropout=0.1,0.3,5", "seed=1,2")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: model.dropout=5.0: must be at most 0.9")
    found = table(folder / "plain" / "leaderboard.csv")
    assert sorted(row["model.dropout"] for row in found if not row["error"]) == ["0.1", "0.3"]
    assert [row["runs"] for row in found] == ["2", "2", "1", "1"]
    assert [row["error"] for row in found[2:]] == ["model.dropout=5.0: must be at most 0.9"] * 2
    assert "Leaderboard" in result.stdout
    assert (folder / "plain" / "leaderboard.png").exists()
    merged = forked.run(
        [sys.executable, "-m", "protloc.runs.leaderboard", str(folder / "plain"), "--output", str(folder)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    assert "model.dropout" in merged.stdout
    assert table(folder / "leaderboard.csv") == found


@pytest.mark.slow
def test_submitit_runs_two_side_by_side(folder: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra [slurm]")
    result = sweep(folder, "side", "hydra/launcher=submitit_local", "seed=1,2", "trainer.processes=2")
    assert result.returncode == 0, result.stderr
    (row,) = table(folder / "side" / "leaderboard.csv")
    assert (row["runs"], row["error"]) == ("2", "")


@pytest.mark.slow
def test_ray_runs_a_sweep(folder: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra [ray]")
    result = sweep(folder, "ray", "hydra/launcher=ray", "seed=1,2")
    assert result.returncode == 0, result.stderr
    (row,) = table(folder / "ray" / "leaderboard.csv")
    assert (row["runs"], row["error"]) == ("2", "")


def test_a_cluster_needs_a_sweep(folder: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra [slurm]")
    result = run("train.py", "cluster=slurm", "hydra.run.dir=x", cwd=folder)
    assert result.returncode == 2
    assert result.stderr == "error: this sends jobs somewhere else: add -m, for one run too\n"


def test_slurm_jobs_go_on_when_their_time_is_up() -> None:
    pytest.importorskip("submitit", reason="needs the extra [slurm]")
    result = run("train.py", "cluster=slurm", "trainer.gpus=8", "--cfg", "all", "--resolve")
    assert result.returncode == 0, result.stderr
    for line in ("SlurmLauncher", "gpus_per_node: 8", "resume: auto", "max_num_timeout: 20"):
        assert line in result.stdout, line
