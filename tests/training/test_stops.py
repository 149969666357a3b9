"""Stops and restarts, as users and schedulers cause them: signals by process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.scripts import ROOT, fasta, run
from tests.small_runs import STILL, assert_same_figures, assert_same_weights, figures, words

LONGER = ("trainer.epochs=6", "trainer.batch_size=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FASTA files."""
    folder = tmp_path_factory.mktemp("runs")
    fasta(folder / "train.fasta", 97)
    fasta(folder / "test.fasta", 35, prefix="t")
    return folder


def start(folder: Path, *arguments: str, fresh: bool = False) -> subprocess.Popen[str]:
    """train.py in the background, in a process group of its own; see scripts.run."""
    options: dict[str, Any] = {"cwd": folder, "text": True, "start_new_session": True}
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options["env"] = {**os.environ, **forked.ONE_THREAD, "PROTLOC_CACHE": str(folder / "cache")}
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    if not fresh:
        return forked.Popen(command, **options)
    # SIGINT is ignored where tests run in the background.
    return subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options)


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
    process = start(folder, *words(out, *LONGER), fresh=True)
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
    process = start(folder, *words(out, "trainer.processes=2", "trainer.epochs=50"), fresh=True)
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
        f"hydra.sweep.dir={tmp_path / 'sweep'}", fresh=True,
    )  # fmt: skip
    wait_until(lambda: list((tmp_path / "sweep").glob("0/checkpoints/*/complete.json")), process)
    children = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert survivors(children) == []
    assert not (tmp_path / "sweep" / "1").exists(), "the second run does not begin"
