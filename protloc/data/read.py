"""Proteins from any file that prediction takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protloc.data.fasta import read_fasta
from protloc.data.records import Broken, Protein
from protloc.data.streams import shown
from protloc.data.tabular import Row, is_table, read_table
from protloc.errors import UserError


def read_proteins(path: str, *, id_column: str = "id", sequence_column: str = "sequence") -> Iterator[Protein | Broken]:
    """The records of `path` in order, as a stream: a table by its ending, else FASTA.

    Args:
        path: FASTA or a table, plain or gz, or `-` for FASTA on standard input.
        id_column: column with the protein's name, in a table.
        sequence_column: column with its residues, in a table.

    Raises:
        UserError: see `read_fasta` and `read_table`.
    """
    for record, _ in _rows(path, [id_column, sequence_column], ()):
        yield record


def read_rows(
    path: str, *, id_column: str = "id", sequence_column: str = "sequence", others: Sequence[str] = ()
) -> Iterator[Row]:
    """As `read_proteins`, with what else the file says of each: other columns; of FASTA `description` alone.

    Raises:
        UserError: also where one of `others` is not there; it says what to type for predict.py.
    """
    options = ["id_column", "sequence_column", *("keep" for _ in others)]
    return _rows(path, [id_column, sequence_column, *others], options)


def _rows(path: str, columns: Sequence[str], options: Sequence[str]) -> Iterator[Row]:
    id_column, sequence_column, *others = columns
    if is_table(path):
        yield from read_table(path, id_column, sequence_column, others, options)
        return
    for name in others:
        if name != "description":
            raise UserError(f"{shown(path)}: no column {name!r}: of FASTA only `description`, the header behind the id")
    for record in read_fasta(path):
        described = record.description if isinstance(record, Protein) else ""
        yield record, dict.fromkeys(others, described)
