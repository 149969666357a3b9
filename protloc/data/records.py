"""One protein as read from a file, or the reason why it cannot be used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from protloc.errors import printable

LETTERS = b"ACDEFGHIKLMNPQRSTVWYUZOBXJ"
"""The twenty amino acids, selenocysteine U, pyrrolysine O, the ambiguous B, Z and J, and the unknown X."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Protein:
    """A record with an id and a sequence.

    Attributes:
        id: the first word of a FASTA header, or a table's id column.
        sequence: residues in upper case, without a final `*`.
        description: the rest of the header.
        line: line of the record in its file, from 1; the row in a Parquet file.
        lower: lower-case residues were folded to upper case.
        stop: a final `*` was taken off.
    """

    id: str
    sequence: str
    description: str = ""
    line: int = 0
    lower: bool = False
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be used, and why."""

    id: str
    line: int
    reason: str

    def told(self, source: str) -> str:
        """What is wrong, and where, as a user is told."""
        return f"{source}:{self.line}: {printable(self.id)}: {self.reason}"


class Unlabelled(Broken):
    """A record that is sound, but of which its file does not say where the protein lives."""


def check(id: str, raw: bytes, description: str, line: int) -> Protein | Broken:
    """A protein from raw residues, or what is wrong with them.

    Args:
        id: the record's name; empty means that it has none.
        raw: residues in any case, a final `*` allowed.
        description: the rest of the header.
        line: where the record starts.
    """
    if not id:
        return Broken("(no id)", line, "the record has no id")
    if CONTROL.search(id):
        return Broken(id, line, "the id has a control character in it")
    stop = raw.endswith(b"*")
    upper = raw.upper()
    residues = upper.removesuffix(b"*")
    if not residues:
        return Broken(id, line, "the sequence is empty")
    if residues.translate(None, LETTERS):
        return Broken(id, line, _fault(residues))
    return Protein(id, residues.decode("ascii"), description, line, lower=upper != raw, stop=stop)


def _fault(residues: bytes) -> str:
    at = next(i for i, letter in enumerate(residues) if letter not in LETTERS)
    letter = residues[at:].decode("utf-8", errors="replace")[0]
    return f"{letter!r} at residue {at + 1} is no amino acid (allowed: {LETTERS.decode()}, and * at the end)"
