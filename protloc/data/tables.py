"""Tables, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from protloc.data import gff3
from protloc.errors import UserError, printable
from protloc.files import Draft, check_no_draft, same_file

Rows = Sequence[dict[str, Any]]


class TableWriter:
    """A table written row by row; its ending says how, as in `ENDINGS`, and `-` is CSV on standard output.

    Used as a context manager. Rows go to a draft in the same folder; leaving the context gives it its name, leaving it
    by an exception removes it. Floats are written with seven digits, more than float32 holds.

    Args:
        path: the table.
        columns: names of the columns, in order.
        overwrite: replace an existing file.
        escape_formulas: in CSV and TSV, put a ' before text that a spreadsheet would compute.

    Raises:
        UserError: the ending is unknown, the file exists, another process is writing it, or its folder cannot be
            written; nothing is written then.
    """

    def __init__(
        self, path: str | Path, columns: Sequence[str], *, overwrite: bool = False, escape_formulas: bool = False
    ) -> None:
        self.columns, self.escape_formulas = list(columns), escape_formulas
        self.path = None if str(path) == "-" else Path(path)
        check_output(path, overwrite=overwrite)
        self._on_terminal = self.path is None and sys.stdout.isatty()
        self._draft: Draft | None = None
        self._sink: Sink

    def __enter__(self) -> Self:
        with self._as_user_errors():
            if self.path is None:
                self._sink = _Csv(_standard_output(), self.columns, self._cell)
                return self
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._draft = Draft(self.path)
            try:
                self._sink = SINKS[self.path.suffix](self._draft.name, self.columns, self._cell)
            except BaseException:
                self._draft.drop()
                raise
        return self

    def write(self, rows: Rows) -> None:
        """Append rows; each has every column.

        Raises:
            UserError: the disk is full or the output is gone.
        """
        with self._as_user_errors():
            self._sink.write([{name: plain(row[name]) for name in self.columns} for row in rows])

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._draft is None:
            return
        if kind is not None:
            with suppress(OSError):  # the exception that is on its way says more
                self._sink.close()
            self._draft.drop()
            return
        try:
            with self._as_user_errors():
                self._sink.close()
                self._draft.keep()
        except BaseException:
            self._draft.drop()
            raise

    @contextmanager
    def _as_user_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            raise UserError("the reader of the output is gone") from error
        except OSError as error:
            where = "standard output" if self.path is None else self.path
            raise UserError(f"{where}: cannot be written: {error.strerror or error}") from error

    def _cell(self, value: Any) -> Any:
        """A cell of CSV or TSV as it is written."""
        if not isinstance(value, str):
            return value
        if self.escape_formulas and value.startswith(FORMULA) and not _is_number(value):
            value = f"'{value}"
        return printable(value) if self._on_terminal else value


class Sink(Protocol):
    """One format: rows in, bytes out."""

    def write(self, rows: Rows) -> None:
        """Append rows that have every column."""

    def close(self) -> None:
        """Write what is left."""


class _Csv:
    def __init__(self, file: TextIO, columns: Sequence[str], cell: Callable[[Any], Any], delimiter: str = ",") -> None:
        self.file, self.columns, self.cell = file, columns, cell
        self._plain = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        self._quoted = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._write(columns)

    def write(self, rows: Rows) -> None:
        for row in rows:
            self._write([row[name] for name in self.columns])
        self.file.flush()

    def _write(self, row: Sequence[Any]) -> None:
        """A lone carriage return ends a line for whoever reads it, but Python's writer does not quote it."""
        cells = [self.cell(value) for value in row]
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoted if returns else self._plain).writerow(cells)

    def close(self) -> None:
        self.file.close()


class _JsonLines:
    def __init__(self, name: Path, columns: Sequence[str], cell: Callable[[Any], Any]) -> None:
        self.file = _text(name)

    def write(self, rows: Rows) -> None:
        self.file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)

    def close(self) -> None:
        self.file.close()


class _Gff3:
    def __init__(self, name: Path, columns: Sequence[str], cell: Callable[[Any], Any]) -> None:
        self.file = _text(name)
        self.file.write(gff3.HEAD)

    def write(self, rows: Rows) -> None:
        self.file.writelines(line for row in rows for line in gff3.lines(row))

    def close(self) -> None:
        self.file.close()


class _Parquet:
    """Its schema is that of the first rows; a table without rows has columns of text."""

    def __init__(self, name: Path, columns: Sequence[str], cell: Callable[[Any], Any]) -> None:
        self.name, self.columns = name, columns
        self._writer: Any = None

    def write(self, rows: Rows) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            schema = pa.Table.from_pylist(rows).schema if rows else pa.schema([(c, pa.string()) for c in self.columns])
            self._writer = pq.ParquetWriter(self.name, schema)
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._writer.schema))

    def close(self) -> None:
        if self._writer is None:
            self.write([])
        self._writer.close()


def _text(name: Path) -> TextIO:
    return open(name, "w", encoding="utf-8", newline="")


def _standard_output() -> TextIO:
    if sys.__stdout__ is None:
        raise UserError("standard output: it is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # as files are written, wherever this runs
    return sys.stdout


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


SINKS: dict[str, Callable[..., Sink]] = {
    ".csv": lambda name, columns, cell: _Csv(_text(name), columns, cell),
    ".tsv": lambda name, columns, cell: _Csv(_text(name), columns, cell, "\t"),
    ".jsonl": _JsonLines,
    ".parquet": _Parquet,
    ".gff3": _Gff3,
}
ENDINGS = tuple(SINKS)

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet computes; one that is a number is none."""


def check_output(path: str | Path, *, overwrite: bool, source: str | None = None) -> None:
    """Refuse an output before any work is done for it.

    Args:
        path: the table, or `-`.
        overwrite: it may exist.
        source: the file that is read for it, or `-`.

    Raises:
        UserError: it is the source itself, by whatever name; the ending is unknown; the file exists and `overwrite` is
            false; or another process is writing it.
    """
    if source is not None and same_file(path, source):
        names = [("standard output" if str(path) == "-" else path), ("standard input" if source == "-" else source)]
        raise UserError(f"output={names[0]}: this is the file of input={names[1]}; name another, or it would be lost")
    if str(path) == "-":
        return
    file = Path(path)
    if file.suffix not in ENDINGS:
        raise UserError(f"{file}: unknown ending {file.suffix!r}; take one of {', '.join(ENDINGS)}", exit_code=2)
    if os.path.isdir(file):
        raise UserError(f"{file}: this is a folder; name a file in it")
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from error
    else:
        if not overwrite:
            raise UserError(f"{file} exists; give overwrite=true to replace it")
    check_no_draft(file)


def plain(value: Any) -> Any:
    """A cell as every table has it: floats with seven digits."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
