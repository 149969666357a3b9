"""Streams: no file takes all memory or waits without a word."""

from __future__ import annotations

import gzip
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from protloc.data import streams
from protloc.data.parse import content_hash
from protloc.data.read import read_proteins
from protloc.data.records import Protein
from protloc.data.streams import comes_once
from protloc.errors import UserError
from tests.scripts import ROOT


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One megabyte is the longest line and record."""
    monkeypatch.setattr(streams, "LONGEST", 1_000_000)


def written(path: Path, text: str) -> str:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("name", "text", "where", "what"),
    [
        ("p.fasta", ">a\n" + "M" * 1_000_000 + "\n", ":2", "line"),
        ("p.fasta", ">" + "a" * 1_000_000, ":1", "line"),
        ("p.fasta", "\n>a\n" + ("M" * 1000 + "\n") * 1001, ":2", "record"),
        ("p.fa.gz", ">a\n" + "M" * 1_000_000 + "\n", ":2", "line"),
        ("p.csv", "i" * 1_000_001, "", "row"),
        ("p.csv", "id,sequence\na," + "M" * 1_000_000, "", "row"),
        ("p.csv", 'id,sequence\na,"' + "MK\n" * 400_000 + '"\n', "", "row"),
        ("p.csv", "id,sequence\na,MK" + ',"\n"' * 300_000, "", "row"),
        ("p.tsv.gz", "id\tsequence\na\t" + "M" * 1_000_000, "", "row"),
    ],
)
def test_a_line_and_a_record_have_an_end(tmp_path: Path, name: str, text: str, where: str, what: str) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(UserError) as caught:
        list(read_proteins(path))
    assert str(caught.value) == f"{path}{where}: a {what} longer than 1 MB: this is no file of proteins"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["p.fasta", "p.csv"])
def test_many_records_may_be_more_than_one(tmp_path: Path, name: str) -> None:
    rows = [(f"p{i}", "M" * 999) for i in range(2000)]
    if name == "p.csv":
        text = "id,sequence\n" + "".join(f'{id},"{residues}\n"\n' for id, residues in rows)
    else:
        text = "".join(f">{id}\n{residues}\n" for id, residues in rows)
    found = [(p.id, p.sequence) for p in read_proteins(written(tmp_path / name, text)) if isinstance(p, Protein)]
    assert found == rows


READ = "import sys; from protloc.data.read import read_proteins; list(read_proteins(sys.argv[1]))"


@pytest.mark.parametrize("name", ["/dev/zero", "bomb.fasta.gz", "bomb.csv.gz"])
def test_an_endless_line_does_not_take_the_memory(tmp_path: Path, name: str) -> None:
    """In 1.5 GiB; the archives of a few hundred kB hold 300 MB of one letter."""
    path = tmp_path / name
    if name != "/dev/zero":
        with gzip.open(path, "wb", compresslevel=1) as out:
            out.write(b"id,sequence\na," if ".csv" in name else b">a\n")
            for _ in range(300):
                out.write(b"A" * 1_000_000)
    result = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**29, 3 * 2**29)),
    )  # fmt: skip
    assert result.stderr.splitlines()[-1].startswith(f"protloc.errors.UserError: {path}")
    assert "longer than 100 MB: this is no file of proteins" in result.stderr


def test_a_pipe_is_waited_for_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.05)
    pipe = tmp_path / "pipe.fasta"
    os.mkfifo(pipe)
    reader = read_proteins(str(pipe))
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(reader))
    thread.start()
    while not caplog.messages:  # the word comes before anybody writes
        thread.join(0.01)
        assert thread.is_alive()
    pipe.write_bytes(gzip.compress(b">a\nMK\n"))
    thread.join()
    assert found == [Protein("a", "MK", "", 1)]
    assert caplog.messages == [
        f"{pipe}: a pipe that nothing comes out of yet: waiting for the program that writes into it"
    ]


def test_what_comes_once_is_not_trained_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text(">a\nMK\n")
    for path in ("-", "/dev/zero", str(tmp_path / "pipe")):
        assert comes_once(path)
        with pytest.raises(UserError, match="training reads its proteins twice: give a file, no pipe and no device"):
            content_hash(path)
    for other in (tmp_path / "file", tmp_path, tmp_path / "nowhere", tmp_path / ("long" * 100)):
        assert not comes_once(str(other))
    os.symlink("/dev/zero", tmp_path / "zero.parquet")
    with pytest.raises(UserError, match="Parquet cannot be read from a pipe or a device"):
        list(read_proteins(str(tmp_path / "zero.parquet")))


def test_what_the_system_says_is_one_line(tmp_path: Path) -> None:
    os.symlink("loop", tmp_path / "loop")
    for path, line in (
        (tmp_path / ("x" * 300), "File name too long"), (tmp_path / "loop", "Too many levels of symbolic links"),
    ):  # fmt: skip
        for read in (read_proteins, content_hash):
            with pytest.raises(UserError, match=f"cannot be read: {line}"):
                list(read(str(path)))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(UserError, match="cannot be read: No such device or address"):
            list(read_proteins(str(tmp_path / "socket")))


def test_a_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="standard input: it is closed"):
        list(read_proteins("-"))
