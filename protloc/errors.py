"""The exceptions that end a run without a traceback of ours."""

from __future__ import annotations

import signal


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
