"""GPUs for runs side by side; the locks need no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from protloc.runs.devices import leased, own_gpus
from tests.scripts import ROOT

HOLD = """
import sys, time
from pathlib import Path
from protloc.runs.devices import leased
with leased(int(sys.argv[2]), ["0", "1", "2"], Path(sys.argv[1])) as mine:
    print(*mine, flush=True)
    time.sleep(float(sys.argv[3]))
    Path(sys.argv[1] + ".ended").touch()
"""


def hold(folder: Path, count: int, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(count), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_each_process_has_its_own(tmp_path: Path) -> None:
    first, second = hold(tmp_path, 1, 30), hold(tmp_path, 2, 30)
    try:
        assert first.stdout is not None
        assert second.stdout is not None
        taken = first.stdout.readline().split() + second.stdout.readline().split()
        assert sorted(taken) == ["0", "1", "2"]
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    with leased(3, ["0", "1", "2"], tmp_path) as mine:
        assert mine == ["0", "1", "2"], "a killed process holds nothing"


def test_it_waits_until_there_are_enough(tmp_path: Path) -> None:
    other = hold(tmp_path / "locks", 2, 1.5)
    assert other.stdout is not None
    other.stdout.readline()
    with leased(2, ["0", "1", "2"], tmp_path / "locks"):
        assert (tmp_path / "locks.ended").exists()
    other.communicate()


def test_what_the_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with own_gpus(1, 2):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7", "alone on the machine"
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    with own_gpus(1, 2):
        first = os.environ["CUDA_VISIBLE_DEVICES"]
        assert first in ("4", "7")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"
