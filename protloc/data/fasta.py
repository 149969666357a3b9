"""FASTA, read as a stream and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from protloc.data import streams
from protloc.data.records import Broken, Protein, check
from protloc.data.seen import Seen
from protloc.data.streams import lines, open_bytes, shown, too_long
from protloc.errors import UserError

OLD_MAC = "a carriage return inside a line, as old Macs end lines: tr '\\r' '\\n' < FILE > NEW mends it"


def read_fasta(path: str) -> Iterator[Protein | Broken]:
    """The records of a FASTA file in order, one in memory at a time; see `fasta_records`.

    Args:
        path: a file, plain or gz, or `-` for standard input.

    Raises:
        UserError: the file as a whole cannot be read (see `open_bytes`, `fasta_records`).
    """
    with open_bytes(path) as stream:
        yield from fasta_records(stream, shown(path))


def fasta_records(stream: BinaryIO, name: str) -> Iterator[Protein | Broken]:
    """The records of FASTA text in order, one in memory at a time.

    A record that cannot be used comes as `Broken` in its place: empty, without id, with a letter that is no amino
    acid, or with an id that has been there before. Blank lines and Windows line ends are fine.

    Args:
        stream: the text.
        name: of the source, for messages.

    Raises:
        UserError: it is no text, has residues before the first header, a line or record beyond all measure, or no
            record at all.
    """
    empty = True
    with closing(Seen()) as seen:
        for header, line, residues in _records(stream, name):
            empty = False
            id, _, description = header.partition(" ")
            yield seen.checked(check(id, residues, description.strip(), line))
    if empty:
        raise UserError(f"{name}: no records: a FASTA record starts with `>`")


def _records(stream: BinaryIO, name: str) -> Iterator[tuple[str, int, bytes]]:
    """Header without `>`, its line, and the raw residues, white space taken out."""
    header, start, parts, held = None, 0, list[bytes](), 0
    for number, line in enumerate(lines(stream, name), start=1):
        if line.startswith(b">"):
            if header is not None:
                yield header, start, b"".join(parts)
            header, start, parts, held = _header(line, name, number), number, [], 0
            continue
        if number == 1 and line.startswith(b"\xef\xbb\xbf>"):  # a byte order mark
            header, start = _header(line[3:], name, number), number
            continue
        text = line.strip()
        if b"\r" in text:
            raise UserError(f"{name}:{number}: {OLD_MAC}")
        if b"\0" in text:
            raise UserError(f"{name}:{number}: a zero byte: this is a binary file, not FASTA")
        if not text:
            continue
        if header is None:
            what = text[:20].decode("utf-8", errors="replace")
            raise UserError(f"{name}:{number}: {what!r} stands before the first header (`>id ...`)")
        held += len(text)
        if held > streams.LONGEST:
            raise UserError(too_long(f"{name}:{start}", "record"))
        parts.append(b"".join(text.split()) if b" " in text or b"\t" in text else text)
    if header is not None:
        yield header, start, b"".join(parts)


def _header(line: bytes, name: str, number: int) -> str:
    try:
        text = line[1:].decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UserError(f"{name}:{number}: the header is no UTF-8 text") from error
    if "\r" in text:
        raise UserError(f"{name}:{number}: {OLD_MAC}")
    if "\0" in text:
        raise UserError(f"{name}:{number}: a zero byte: this is a binary file, not FASTA")
    return text.replace("\t", " ")


def write_fasta(path: Path, records: Iterable[tuple[str, str]]) -> None:
    """Write `(header, sequence)` pairs, 60 residues a line; the file appears when it is complete."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8", newline="\n") as out:
        for header, sequence in records:
            lines = "\n".join(sequence[i : i + 60] for i in range(0, len(sequence), 60))
            out.write(f">{header}\n{lines}\n")
    temporary.replace(path)
