"""A run's folder belongs to one process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from protloc.errors import UserError
from protloc.runs.folder import LOCK, alone, is_at_work

HOLD = """
import sys, time
from pathlib import Path
from protloc.runs.folder import alone
with alone(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_seen_and_refused_until_it_is_gone(tmp_path: Path) -> None:
    assert not is_at_work(tmp_path), "no run was begun there"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / LOCK)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        assert is_at_work(tmp_path)
        with (
            pytest.raises(UserError, match="another process works on the run: wait for it, or end it"),
            alone(tmp_path / LOCK, "the run"),
        ):
            pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not is_at_work(tmp_path)
    with alone(tmp_path / LOCK, "the run"):
        assert is_at_work(tmp_path)
    assert not is_at_work(tmp_path)
