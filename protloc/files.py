"""Files, written whole or not at all; and where the configurations lie."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

from protloc.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write a small file; it is there complete, or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, NaN refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


class Draft:
    """A file in the making, under a name of its own beside its place; nobody else makes the same one meanwhile.

    The name is the same each time and locked by the process, so what a killed process left is taken over by the next.

    Attributes:
        path: the place.
        name: where the content goes until `keep`.

    Raises:
        UserError: another process makes this file.
        OSError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, _draft_name(path)
        self._lock = _locked(self.name, create=True)
        os.ftruncate(self._lock, 0)

    def keep(self) -> None:
        """Give the file its place; call it when the content is written and closed."""
        self.name.replace(self.path)
        os.close(self._lock)  # after the file has its place: a lock that is free says that nobody is at work

    def drop(self) -> None:
        """Remove it; nothing is left."""
        self.name.unlink(missing_ok=True)
        os.close(self._lock)


def check_no_draft(path: Path) -> None:
    """Refuse a file that another process is making.

    Raises:
        UserError: see above.
    """
    try:
        os.close(_locked(_draft_name(path), create=False))
    except OSError:  # there is none, or it cannot be opened: whoever makes the file says so
        return


def _draft_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _locked(name: Path, *, create: bool) -> int:
    while True:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        lock = os.open(name, flags, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise UserError(f"{name.with_name(name.name[1:-4])}: another process is writing this file") from None
        except OSError:
            return lock  # a file system that knows no locks
        try:
            if os.path.samestat(os.fstat(lock), os.stat(name)):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)  # its process ended between our opening and our lock: once more


def same_file(output: str | Path, source: str | Path) -> bool:
    """Whether two names lead to one regular file, by links too; `-` is standard output, and standard input."""
    try:
        ours = os.fstat(1) if str(output) == "-" else os.stat(output)
        theirs = os.fstat(0) if str(source) == "-" else os.stat(source)
    except (OSError, ValueError):  # one of them is not there; whoever opens it says so
        return False
    return stat.S_ISREG(ours.st_mode) and os.path.samestat(ours, theirs)


def conf_dir() -> Path:
    """The configuration files: inside the installed package, else the checkout's."""
    package = Path(__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"
