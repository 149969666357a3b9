"""Tables, written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from protloc.errors import UserError
from protloc.files import same_file

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")


class TableWriter:
    """A table written row by row: `.csv`, `.tsv`, `.jsonl` or `.parquet` by its ending, `-` for CSV on standard output.

    Used as a context manager. Rows go to a temporary file in the same folder; leaving the context gives it its name,
    leaving it by an exception removes it. Floats are written with seven digits, more than float32 holds.

    Args:
        path: the table.
        columns: names of the columns, in order.
        overwrite: replace an existing file.

    Raises:
        UserError: the ending is unknown, the file exists, or its folder cannot be written; nothing is written then.
    """

    def __init__(self, path: str | Path, columns: Sequence[str], *, overwrite: bool = False) -> None:
        self.columns = list(columns)
        self.path = None if str(path) == "-" else Path(path)
        check_output(path, overwrite=overwrite)
        self._file: TextIO | None = None
        self._parquet: Any = None

    def __enter__(self) -> Self:
        if self.path is None:
            self._start_text(sys.stdout)
            return self
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.suffix != ".parquet":
                self._start_text(open(self._temporary, "w", encoding="utf-8", newline=""))
            else:
                self._temporary.touch()
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error
        return self

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows; each has every column.

        Raises:
            UserError: the disk is full or the output is gone.
        """
        rounded = [{name: plain(row[name]) for name in self.columns} for row in rows]
        try:
            if self.path is not None and self.path.suffix == ".parquet":
                self._write_parquet(rounded)
            elif self.path is not None and self.path.suffix == ".jsonl":
                self._text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rounded)
            else:
                self._csv.writerows([row[name] for name in self.columns] for row in rounded)
                self._text.flush()
        except BrokenPipeError as error:
            raise UserError("the reader of the output is gone") from error
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.path is None:
            return
        try:
            if kind is None and self.path.suffix == ".parquet" and self._parquet is None:
                self._write_parquet([])
            for file in (self._file, self._parquet):
                if file is not None:
                    file.close()
            if kind is None:
                self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    @property
    def _text(self) -> TextIO:
        assert self._file is not None, "write inside the context"
        return self._file

    def _start_text(self, file: TextIO) -> None:
        self._file = file
        if self.path is None or self.path.suffix != ".jsonl":
            delimiter = "\t" if self.path is not None and self.path.suffix == ".tsv" else ","
            self._csv = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            self._csv.writerow(self.columns)

    def _write_parquet(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._parquet is None:
            schema = pa.Table.from_pylist(rows).schema if rows else pa.schema([(c, pa.string()) for c in self.columns])
            self._parquet = pq.ParquetWriter(self._temporary, schema)
        self._parquet.write_table(pa.Table.from_pylist(rows, schema=self._parquet.schema))


def check_output(path: str | Path, *, overwrite: bool, source: str | None = None) -> None:
    """Refuse an output before any work is done for it.

    Args:
        path: the table, or `-`.
        overwrite: it may exist.
        source: the file that is read for it, or `-`.

    Raises:
        UserError: it is the source itself, by whatever name; the ending is unknown; or the file exists and `overwrite`
            is false.
    """
    if source is not None and same_file(path, source):
        names = [("standard output" if str(path) == "-" else path), ("standard input" if source == "-" else source)]
        raise UserError(f"output={names[0]}: this is the file of input={names[1]}; name another, or it would be lost")
    if str(path) == "-":
        return
    file = Path(path)
    if file.suffix not in ENDINGS:
        raise UserError(f"{file}: unknown ending {file.suffix!r}; take one of {', '.join(ENDINGS)}", exit_code=2)
    if file.is_dir():
        raise UserError(f"{file}: this is a folder; name a file in it")
    if file.exists() and not overwrite:
        raise UserError(f"{file} exists; give overwrite=true to replace it")


def plain(value: Any) -> Any:
    """A cell as every table has it: floats with seven digits."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
