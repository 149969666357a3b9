"""Proteins from any file that prediction takes."""

from __future__ import annotations

from collections.abc import Iterator

from protloc.data.fasta import read_fasta
from protloc.data.records import Broken, Protein
from protloc.data.tabular import is_table, read_table


def read_proteins(path: str, *, id_column: str = "id", sequence_column: str = "sequence") -> Iterator[Protein | Broken]:
    """The records of `path` in order, as a stream: a table by its ending, else FASTA.

    Args:
        path: FASTA or a table, plain or gz, or `-` for FASTA on standard input.
        id_column: column with the protein's name, in a table.
        sequence_column: column with its residues, in a table.

    Raises:
        UserError: see `read_fasta` and `read_table`.
    """
    if is_table(path):
        for record, _ in read_table(path, id_column, sequence_column):
            yield record
    else:
        yield from read_fasta(path)
