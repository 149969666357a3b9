"""CSV, TSV and Parquet with named columns, read as a stream and checked."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from protloc.data import streams
from protloc.data.records import Broken, Protein, check
from protloc.data.seen import Seen
from protloc.data.streams import TextLines, comes_once, open_bytes
from protloc.errors import UserError

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
Cells = Generator[tuple[int, dict[str, str]], None, None]
"""Each row's line and its cells by column; line 0 has the names of the columns alone."""

Row = tuple[Protein | Broken, dict[str, str]]


def is_table(path: str) -> bool:
    """Whether the file's ending names a table."""
    return path.lower().endswith(ENDINGS)


def read_table(path: str, id_column: str, sequence_column: str, others: Sequence[str] = ()) -> Iterator[Row]:
    """The records of a table in order, with the text of other columns.

    Args:
        path: `.csv` or `.tsv`, plain or gz, or `.parquet`.
        id_column: column with the protein's name.
        sequence_column: column with its residues.
        others: columns to be given as they are, empty where the cell is.

    Yields:
        The protein, or why it cannot be used, and `{column: text}` of `others`.

    Raises:
        UserError: the file cannot be read, lacks a column, or has no rows.
    """
    if path.lower().endswith(".parquet"):
        yield from _checked(_parquet(path), path, id_column, sequence_column, others)
        return
    with open_bytes(path) as stream:
        yield from table_records(stream, path, id_column, sequence_column, others)


def table_records(
    stream: BinaryIO, name: str, id_column: str, sequence_column: str, others: Sequence[str] = ()
) -> Iterator[Row]:
    """As `read_table`, from an open file; `name` says whether it is CSV or TSV, and stands in messages."""
    yield from _checked(_delimited(stream, name), name, id_column, sequence_column, others)


def _checked(cells: Cells, name: str, id_column: str, sequence_column: str, others: Sequence[str]) -> Iterator[Row]:
    empty = True
    with closing(Seen()) as seen, closing(cells):  # the cells before the file that they are read from
        for line, row in cells:
            if line == 0:  # the column names come first
                _need(name, [id_column, sequence_column, *others], list(row))
                continue
            empty = False
            id, raw = row[id_column].strip(), "".join(row[sequence_column].split()).encode("utf-8")
            yield seen.checked(check(id, raw, "", line)), {name: row[name].strip() for name in others}
    if empty:
        raise UserError(f"{name}: no rows below the column names")


def _need(path: str, wanted: Sequence[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(f"{path}: no column {name!r}; {hint}there are: {', '.join(there)}")


def _delimited(stream: BinaryIO, name: str) -> Cells:
    csv.field_size_limit(streams.LONGEST)  # by itself it is 131,072 characters: a protein may be longer
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    lines = TextLines(text, name)
    try:
        first = next(lines, "")
        # Excel separates what it calls CSV by semicolons where the decimal sign is a comma.
        delimiter = "\t" if ".tsv" in Path(name).name.lower() else max(",;", key=first.count)
        reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
        names = [title.strip() for title in next(reader, [])]
        yield 0, dict.fromkeys(names, "")
        line = reader.line_num + 1
        lines.next_record()
        for values in reader:
            lines.next_record()
            if values:
                if len(values) != len(names):
                    raise UserError(f"{name}:{line}: {len(values)} cells, but {len(names)} column names")
                yield line, dict(zip(names, values, strict=True))
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: no UTF-8 text: is it a binary file?") from error
    except csv.Error as error:
        raise UserError(f"{name}: {error}") from error
    finally:
        text.detach()


def _parquet(path: str) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if comes_once(path):
        raise UserError(f"{path}: Parquet cannot be read from a pipe or a device: give a file")
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            yield 0, dict.fromkeys(names, "")
            line = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    line += 1
                    yield line, {name: "" if row[name] is None else str(row[name]) for name in names}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {error}") from error
