"""FASTA: what is read, and what is refused with file, line and id."""

from __future__ import annotations

import gzip
import io
import re
import sys
from pathlib import Path

import pytest

from protloc.data.fasta import read_fasta, write_fasta
from protloc.data.records import Broken, Protein
from protloc.errors import UserError


def written(folder: Path, content: bytes | str, name: str = "p.fasta") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_records_in_order_with_line_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, ">a first protein\nMKV\nLA G\n\n>b\tx\r\nacd*\r\n>c\nUZOBXJ")
    assert list(read_fasta(path)) == [
        Protein("a", "MKVLAG", "first protein", 1),
        Protein("b", "ACD", "x", 5, lower=True, stop=True),
        Protein("c", "UZOBXJ", "", 7),
    ]


@pytest.mark.parametrize("name", ["p.fasta.gz", "named_like_a_plain_file.fasta"])
def test_gz_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, gzip.compress(b">a\nMK\n"), name)
    assert list(read_fasta(path)) == [Protein("a", "MK", "", 1)]


def test_byte_order_mark(tmp_path: Path) -> None:
    assert list(read_fasta(written(tmp_path, b"\xef\xbb\xbf>a\nMK\n"))) == [Protein("a", "MK", "", 1)]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b">a\nMK\n")))
    assert list(read_fasta("-")) == [Protein("a", "MK", "", 1)]


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        (">b\n\n", Broken("b", 3, "the sequence is empty")),
        (">b\n*\n", Broken("b", 3, "the sequence is empty")),
        (">\nMK\n", Broken("(no id)", 3, "the record has no id")),
        (">b\x1b[2J\nMK\n", Broken("b\x1b[2J", 3, "the id has a control character in it")),
        (">b\x85c\nMK\n", Broken("b\x85c", 3, "the id has a control character in it")),
        (">a again\nMK\n", Broken("a", 3, "the id has been there before")),
        (
            ">b\nMK1\n",
            Broken("b", 3, "'1' at residue 3 is no amino acid (allowed: ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)"),
        ),
        (
            ">b\nM*K\n",
            Broken("b", 3, "'*' at residue 2 is no amino acid (allowed: ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)"),
        ),
        (
            ">b\nMKé\n",
            Broken("b", 3, "'é' at residue 3 is no amino acid (allowed: ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)"),
        ),
    ],
)
def test_a_broken_record_keeps_its_place(tmp_path: Path, record: str, broken: Broken) -> None:
    path = written(tmp_path, f">a\nMK\n{record}>z\nMK\n")
    assert list(read_fasta(path)) == [Protein("a", "MK", "", 1), broken, Protein("z", "MK", "", 3 + record.count("\n"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path}: the file is empty"),
        (b"\n\n", "{path}: no records: a FASTA record starts with `>`"),
        (b"MKV\n>a\nMK\n", "{path}:1: 'MKV' stands before the first header (`>id ...`)"),
        (b">a\nMK\0\n", "{path}:2: a zero byte: this is a binary file, not FASTA"),
        (b"\x7fELF\0\0\n", "{path}:1: a zero byte: this is a binary file, not FASTA"),
        (b">a\rMK\r>b\rMK\r", "{path}:1: a carriage return inside a line, as old Macs end lines"),
        (b">a\nMK\rMK\n", "{path}:2: a carriage return inside a line, as old Macs end lines"),
        (b">\xff\xfe\nMK\n", "{path}:1: the header is no UTF-8 text"),
        (gzip.compress(b">a\nMK\n" * 1000, mtime=0)[:-20], "{path}: broken gz file: "),
        (b"\x1f\x8b nothing", "{path}: broken gz file: "),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError, match="^" + re.escape(message.format(path=path))):
        list(read_fasta(path))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.fasta: no such file"):
        list(read_fasta(str(tmp_path / "nowhere.fasta")))
    with pytest.raises(UserError, match="this is a folder; give a file"):
        list(read_fasta(str(tmp_path)))


def test_the_stream_is_read_as_far_as_it_is_asked_for(tmp_path: Path) -> None:
    """A broken end does not keep the start from being read: nothing is held back or read ahead."""
    path = written(tmp_path, b">a\nMK\n>b\nMK\n>c\nMK\0\n")
    stream = read_fasta(path)
    assert next(stream) == Protein("a", "MK", "", 1)
    assert next(stream) == Protein("b", "MK", "", 3)
    with pytest.raises(UserError, match="zero byte"):
        next(stream)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out.fasta"
    write_fasta(path, [("a Nucleus", "M" * 130), ("b", "K")])
    assert path.read_text() == f">a Nucleus\n{'M' * 60}\n{'M' * 60}\n{'M' * 10}\n>b\nK\n"
    assert [p.sequence for p in read_fasta(str(path)) if isinstance(p, Protein)] == ["M" * 130, "K"]
    assert list(tmp_path.iterdir()) == [path]
