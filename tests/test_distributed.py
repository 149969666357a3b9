"""Several processes, stops and restarts, as users run them: two processes on the CPU, signals by process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.commands import ROOT, SMALL_TINY, fasta, run

STILL = ("model.dropout=0", "model.from_scratch.dropout=0", "model.from_scratch.substitution=0")
"""No random numbers in the model: each process would draw its own."""

LONGER = ("trainer.epochs=6", "trainer.batch_size=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FASTA files and a finished run of one process on them."""
    folder = tmp_path_factory.mktemp("runs")
    fasta(folder / "train.fasta", 97)
    fasta(folder / "test.fasta", 35, prefix="t")
    result = run("train.py", *words(folder / "alone"), *STILL, cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    return folder


def words(out: Path, *more: str) -> list[str]:
    """The command line of a small run."""
    return [
        "data=fasta", "data.train=train.fasta", "data.test=test.fasta", *SMALL_TINY, "trainer.precision=fp32",
        "trainer.gpus=0", "trainer.epochs=3", f"hydra.run.dir={out}", *more,
    ]  # fmt: skip


def figures(out: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics


def assert_same_figures(a: Path, b: Path) -> None:
    for split in ("validation", "test"):
        ours, theirs = figures(a)[split], figures(b)[split]
        assert ours["proteins"] == theirs["proteins"]
        assert ours["confusion_matrix"] == theirs["confusion_matrix"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)


def assert_same_weights(a: Path, b: Path, tolerance: float) -> None:
    ours, theirs = (load_file(out / "model" / "model.safetensors") for out in (a, b))
    for name, weight in ours.items():
        if name.endswith("scores.bias"):
            continue  # a softmax does not see it: its gradient is rounding, which Adam makes large
        np.testing.assert_allclose(weight, theirs[name], atol=tolerance, err_msg=name)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """train.py in the background, in a process group of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PROTLOC_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )  # fmt: skip


def wait_until(condition: Any, process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """Process ids below `pid`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            child = int(path.parent.name)
            found += [child, *descendants(child)]
    return found


def survivors(pids: list[int], seconds: float = 5) -> list[int]:
    """Those that are still running after some seconds."""
    end = time.monotonic() + seconds
    while (left := [pid for pid in pids if "Z" not in _state(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


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
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PROTLOC_CACHE": str(folder / "cache")}
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(ROOT / "train.py"),
         *words(out), *STILL],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert_same_figures(out, folder / "alone")
    assert list((tmp_path / "runs").iterdir()) == [out]
    assert (out / "train.log").read_text().count("epoch 3 of 3") == 1


@pytest.mark.slow
def test_sharded_weights_give_the_same_figures(folder: Path, tmp_path: Path) -> None:
    from tests.backbones import write_esm2

    backbone = write_esm2(tmp_path / "backbone")
    more = ["model=esm2_8m", f"model.name_or_path={backbone}", "model.pooling=mean", "trainer.epochs=2",
            "trainer.batch_size=8", "model.dropout=0", "trainer.learning_rate=1e-3"]  # fmt: skip
    base = [word for word in words(tmp_path / "x") if not word.startswith(("model.", "hydra"))]
    for name, strategy in (("ddp", []), ("fsdp", ["trainer.strategy=fsdp", "trainer.activation_checkpointing=true"])):
        result = run("train.py", *base, *more, "trainer.processes=2", *strategy, f"hydra.run.dir={tmp_path / name}",
                     cwd=folder, cache=folder / "cache")  # fmt: skip
        assert result.returncode == 0, result.stderr
    assert_same_figures(tmp_path / "fsdp", tmp_path / "ddp")
    assert_same_weights(tmp_path / "fsdp", tmp_path / "ddp", 1e-4)


@pytest.mark.slow
def test_a_frozen_backbone_in_two_processes(folder: Path, tmp_path: Path) -> None:
    from tests.backbones import write_esm2

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


@pytest.fixture(scope="module")
def longer(folder: Path) -> Path:
    """A finished run of six epochs, which leave time for a signal."""
    result = run("train.py", *words(folder / "longer", *LONGER), *STILL, cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    return folder / "longer"


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sigterm_then_resume_ends_as_if_nothing_had_happened(
    processes: int, folder: Path, longer: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    process = start(folder, *words(out, *LONGER, f"trainer.processes={processes}"), *STILL)
    wait_until(lambda: list(out.glob("checkpoints/*/complete.json")), process)
    children = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert said.splitlines()[-1] == "error: stopped by SIGTERM"
    assert "Traceback" not in said
    assert survivors(children) == []
    assert not (out / "metrics.json").exists()
    assert "stopped by SIGTERM, with a checkpoint; resume=FOLDER goes on" in (out / "train.log").read_text()
    result = run("train.py", f"resume={out}", cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    assert "going on from" in (out / "train.log").read_text()
    assert figures(out)["resumed_at_epoch"] > 0
    assert_same_figures(out, longer)
    assert_same_weights(out, longer, 1e-6 if processes == 1 else 1e-4)


@pytest.mark.slow
def test_kill_in_a_step_and_in_a_checkpoint_then_resume(folder: Path, tmp_path: Path) -> None:
    """With dropout: the random states go on too."""
    out = tmp_path / "killed"
    process = start(folder, *words(out, *LONGER))
    wait_until(lambda: len(list((out / "checkpoints").glob("*/complete.json"))) == 2, process)
    process.kill()
    process.communicate()
    newest = max((out / "checkpoints").iterdir(), key=lambda path: int(path.name.split("-")[1]))
    (newest / "complete.json").unlink()  # as if it had been killed while it wrote this one
    (newest / "model.safetensors").write_bytes(b"half")
    result = run("train.py", "resume=auto", *words(out, *LONGER), cwd=folder, cache=folder / "cache")
    assert result.returncode == 0, result.stderr
    log = (out / "train.log").read_text()
    assert f"{newest} is half-written: it is removed, and the one before it used" in log
    whole = run("train.py", *words(tmp_path / "whole", *LONGER), cwd=folder, cache=folder / "cache")
    assert whole.returncode == 0, whole.stderr
    assert_same_figures(out, tmp_path / "whole")
    assert_same_weights(out, tmp_path / "whole", 1e-6)
    assert len(list((out / "checkpoints").iterdir())) <= 2
    again = run("train.py", "resume=auto", *words(out, *LONGER), cwd=folder, cache=folder / "cache")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


@pytest.mark.slow
def test_other_proteins_are_no_resume(folder: Path, tmp_path: Path) -> None:
    for name in ("train.fasta", "test.fasta"):
        (tmp_path / name).write_text((folder / name).read_text())
    process = start(tmp_path, *words(tmp_path / "out", "trainer.epochs=50"))
    wait_until(lambda: list((tmp_path / "out").glob("checkpoints/*/complete.json")), process)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=60)
    assert process.returncode == 138
    kept = sorted((tmp_path / "out" / "checkpoints").rglob("*"))
    fasta(tmp_path / "train.fasta", 96)
    result = run("train.py", f"resume={tmp_path / 'out'}", cwd=tmp_path, cache=tmp_path / "cache")
    assert result.returncode == 1
    assert "the proteins have changed since this checkpoint was written" in result.stderr
    result = run("train.py", f"resume={tmp_path / 'out'}", "trainer.batch_size=9", cwd=tmp_path)
    assert result.returncode == 1
    assert "cannot go on with other options: trainer.batch_size=9 (was 8)" in result.stderr
    assert sorted((tmp_path / "out" / "checkpoints").rglob("*")) == kept


@pytest.mark.slow
def test_a_killed_rank_ends_the_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(folder, *words(out, "trainer.processes=2", "trainer.epochs=50"))
    wait_until(lambda: list(out.glob("checkpoints/*/complete.json")), process)
    children = descendants(process.pid)
    ranks = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(ranks[-1], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "of 2 failed with exit code -9 (SIGKILL); the others were ended" in said
    assert survivors(children) == []


@pytest.mark.slow
def test_ctrl_c_ends_a_sweep(folder: Path, tmp_path: Path) -> None:
    arguments = [word for word in words(tmp_path / "x") if not word.startswith("hydra")]
    process = start(
        folder, "-m", *arguments, "trainer.processes=2", "trainer.epochs=50", "seed=1,2",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )  # fmt: skip
    wait_until(lambda: list((tmp_path / "sweep").glob("0/checkpoints/*/complete.json")), process)
    children = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert survivors(children) == []
    assert not (tmp_path / "sweep" / "1").exists(), "the second run does not begin"
