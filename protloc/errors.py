"""The exceptions that end a run without a traceback of ours, and how a user is told."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress


class UserError(Exception):
    """A mistake in what the user gave: options, files, records.

    The command line shows its text as `error: ...` without a traceback. The text says what was found, where, and what
    is needed. `exit_code` is 2 for a mistake on the command line itself and 1 for everything else.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RankError(Exception):
    """One of several processes failed. The text holds its own traceback; the parent's would add nothing."""


class Stopped(SystemExit):
    """A signal ended the run; the exit code is 128 + its number. No `Exception`, so that a sweep ends with it too."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + int(number))
        self.name = signal.Signals(number).name


def printable(text: str, keep: str = "") -> str:
    r"""A text as a terminal may show it: what steers terminals, or hides in them, is written out (`\x1b`).

    Args:
        text: from a file, or from anybody.
        keep: characters that may stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """A line or more on standard error; where that is closed or full, nothing can be said."""
    with suppress(OSError):
        if sys.stderr is not None:
            print(printable(text, keep="\n"), file=sys.stderr, flush=True)


class Formatter(logging.Formatter):
    """Lines of a log without what steers terminals: ids and names of files are anybody's."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n\t")
