"""CSV, TSV and Parquet with named columns, read as a stream and checked."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from protloc.config import typed
from protloc.data import streams
from protloc.data.records import Broken, Protein, check
from protloc.data.seen import Seen
from protloc.data.streams import TextLines, comes_once, open_bytes
from protloc.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
Cells = Generator[tuple[int, list[str] | Broken], None, None]
"""Each row's line, and its cells in the columns that were asked for, or why it has none."""

Row = tuple[Protein | Broken, dict[str, str]]


def is_table(path: str) -> bool:
    """Whether the file's ending names a table."""
    return path.lower().endswith(ENDINGS)


def read_table(
    path: str, id_column: str, sequence_column: str, others: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[Row]:
    """The records of a table in order, with the text of other columns.

    Args:
        path: `.csv` or `.tsv`, plain or gz, or `.parquet`.
        id_column: column with the protein's name.
        sequence_column: column with its residues.
        others: columns to be given as they are, empty where the cell is.
        options: what names these columns on the command line, in their order, for messages.

    Yields:
        The protein, or why it cannot be used, and `{column: text}` of `others`.

    Raises:
        UserError: the file cannot be read, lacks a column, or has no rows.
    """
    if path.lower().endswith(".parquet"):
        yield from _checked(_parquet(path, [id_column, sequence_column, *others], options), path, others)
        return
    with open_bytes(path) as stream:
        yield from table_records(stream, path, id_column, sequence_column, others, options)


def table_records(
    stream: BinaryIO, name: str, id_column: str, sequence_column: str, others: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[Row]:  # fmt: skip
    """As `read_table`, from an open file; `name` says whether it is CSV or TSV, and stands in messages."""
    yield from _checked(_delimited(stream, name, [id_column, sequence_column, *others], options), name, others)


def _checked(cells: Cells, name: str, others: Sequence[str]) -> Iterator[Row]:
    empty = True
    with closing(Seen()) as seen, closing(cells):  # the cells before the file that they are read from
        for line, row in cells:
            empty = False
            if isinstance(row, Broken):
                yield row, dict.fromkeys(others, "")
                continue
            id, sequence, *more = row
            raw = "".join(sequence.split()).encode("utf-8")
            record = seen.checked(check(id.strip(), raw, "", line))
            yield record, {name: cell.strip() for name, cell in zip(others, more, strict=True)}
    if empty:
        raise UserError(f"{name}: no rows below the column names")


def _places(path: str, wanted: Sequence[str], there: Sequence[str], options: Sequence[str]) -> list[int]:
    """Where the wanted columns are.

    Raises:
        UserError: one is not there, or twice; with the words to type.
    """
    for name, option in zip_longest(wanted, options[: len(wanted)]):
        if name not in there:
            near = _nearest(name, there)
            hint = f"did you mean {near!r}? " if near else ""
            if option:
                hint += f"type {typed(option, near)}; " if near else f"name it by {option}=; "
            raise UserError(f"{path}: no column {name!r}; {hint}there are: {', '.join(there)}")
        if there.count(name) > 1:
            raise UserError(f"{path}: {there.count(name)} columns are named {name!r}; rename all but one")
    return [there.index(name) for name in wanted]


def _nearest(name: str, there: Sequence[str]) -> str:
    """The column that is named most alike, or holds the name; empty where none does."""
    known = {column.casefold(): column for column in reversed(there)}
    near = difflib.get_close_matches(name.casefold(), known, 1) or [c for c in known if name.casefold() in c]
    return known[near[0]] if near else ""


def _delimited(stream: BinaryIO, name: str, wanted: Sequence[str], options: Sequence[str]) -> Cells:
    csv.field_size_limit(streams.LONGEST)  # by itself it is 131,072 characters: a protein may be longer
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    lines = TextLines(text, name)
    try:
        first = next(lines, "")
        # Excel separates what it calls CSV by semicolons where the decimal sign is a comma.
        delimiter = "\t" if ".tsv" in Path(name).name.lower() else max(",;", key=first.count)
        reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
        names = [title.strip() for title in next(reader, [])]
        places = _places(name, wanted, names, options)
        line = reader.line_num + 1
        lines.next_record()
        for values in reader:
            lines.next_record()
            if values and len(values) != len(names):
                yield line, Broken("(no id)", line, f"{len(values)} cells, but {len(names)} column names")
            elif values:
                yield line, [values[place] for place in places]
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: no UTF-8 text: is it a binary file?") from error
    except csv.Error as error:
        raise UserError(f"{name}: {error}") from error
    finally:
        text.detach()


def _parquet(path: str, wanted: Sequence[str], options: Sequence[str]) -> Cells:
    """Only the columns that are asked for are read: what is wrong with another harms nobody."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if comes_once(path):
        raise UserError(f"{path}: Parquet cannot be read from a pipe or a device: give a file")
    line = 0
    try:
        with pq.ParquetFile(path) as file:
            _places(path, wanted, file.schema_arrow.names, options)
            for batch in file.iter_batches(batch_size=1024, columns=list(dict.fromkeys(wanted))):
                for cells in zip(*(_texts(batch.column(name)) for name in wanted), strict=True):
                    line += 1
                    yield line, list(cells)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{line + 1}: no UTF-8 text") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _texts(column: pa.Array) -> Iterator[str]:
    """The cells of a column as text, empty where there is nothing."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    readable = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
                pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)  # fmt: skip
    if not any(is_kind(kind) for is_kind in readable):
        column = column.cast(pa.string())
    for cell in column:
        value = cell.as_py()
        yield value.decode() if isinstance(value, bytes) else value or ""
