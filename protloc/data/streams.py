"""Files as streams of bytes and lines, each of a size that the memory holds, whatever the file is."""

from __future__ import annotations

import gzip
import io
import logging
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from protloc.errors import UserError

log = logging.getLogger(__name__)

GZIP_MAGIC = b"\x1f\x8b"

LONGEST = 100_000_000
"""Bytes of a line and of a record, a thousand times the longest protein known; more is no file of proteins."""

PATIENCE = 3.0
"""Seconds of silence after which a pipe is said to be waited for."""


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """A file, plain or gz by its first bytes, or standard input for `-`.

    Raises:
        UserError: it is missing, a folder, not readable, empty, or a broken gz; the last also while it is read.
    """
    name = shown(path)
    try:
        with _standard_input() if path == "-" else _opened(path) as raw:
            buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
            start = buffered.peek(2)[:2]
            if not start:
                raise UserError(f"{name}: the file is empty")
            yield cast(BinaryIO, gzip.GzipFile(fileobj=buffered) if start == GZIP_MAGIC else buffered)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name}: broken gz file: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{name}: this is a folder; give a file") from error
    except PermissionError as error:
        raise UserError(f"{name}: no permission to read it") from error
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror or error}") from error


def shown(path: str) -> str:
    """The path as messages name it."""
    return "standard input" if path == "-" else path


def comes_once(path: str) -> bool:
    """Whether this is standard input, a pipe or a device: what was read is gone, and reading may wait for ever."""
    if path == "-":
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # whoever opens it says so
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UserError("standard input: it is closed")
    return sys.stdin.buffer


def _opened(path: str) -> BinaryIO:
    """The file; where it is a pipe that nobody writes into, a word on what is waited for."""
    if not stat.S_ISFIFO(os.stat(path).st_mode):
        return open(path, "rb")
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else it is the opening that waits
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    if not waiting.poll(PATIENCE * 1000):
        log.warning("%s: a pipe that nothing comes out of yet: waiting for the program that writes into it", path)
        waiting.poll()
    os.set_blocking(pipe, True)
    return open(pipe, "rb")


def lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines with their ends.

    Raises:
        UserError: one is longer than `LONGEST`.
    """
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise UserError(too_long(f"{name}:{number}", "line"))
        yield line


class TextLines:
    """The lines of a text whose records may span several, as Python's csv module asks for them.

    Args:
        text: read with its line ends as they are.
        name: of the source, for messages.
    """

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name, self._held = text, name, 0

    def __iter__(self) -> TextLines:
        return self

    def __next__(self) -> str:
        """Raises UserError where the record is longer than `LONGEST` characters by now."""
        line = self._text.readline(LONGEST + 1)
        self._held += len(line)
        if self._held > LONGEST:
            raise UserError(too_long(self._name, "row"))
        if not line:
            raise StopIteration
        return line

    def next_record(self) -> None:
        """What was read so far is a record's whole."""
        self._held = 0


def too_long(where: str, what: str) -> str:
    """The message for a line or a record that no file of proteins has."""
    return f"{where}: a {what} longer than {LONGEST // 10**6} MB: this is no file of proteins"
