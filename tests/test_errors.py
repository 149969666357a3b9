"""What a user is told: nothing that steers a terminal, and nothing where nobody can hear."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import pytest

from protloc.errors import Formatter, printable, say


def test_printable() -> None:
    assert printable("Zellkern, é 漢") == "Zellkern, é 漢"
    assert printable("a\x1b[2J\x9b\u202e\ud800\n\tb") == r"a\x1b[2J\x9b\u202e\ud800\n\tb"
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"


def test_say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say("first\n  second \x1b[31m")
    assert capsys.readouterr().err == "first\n  second \\x1b[31m\n"
    monkeypatch.setattr(sys, "stderr", None)
    say("nobody hears")
    with suppress(OSError), open("/dev/full", "w") as full:  # its end says so again
        monkeypatch.setattr(sys, "stderr", full)
        say("nobody hears")
        heard = True
    assert heard


def test_log_lines() -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "data %s:\n\tread", ("a\x1b[2Jb",), None)
    assert Formatter("%(message)s").format(record) == "data a\\x1b[2Jb:\n\tread"
