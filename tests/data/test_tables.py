"""Tables: the same rows in every format, there whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from protloc.data.tables import TableWriter, check_output
from protloc.errors import UserError
from protloc.files import Draft
from tests.scripts import ROOT

COLUMNS = ["id", "p", "n", "note"]
ROWS = [
    {"id": "a", "p": 0.123456789, "n": 3, "note": "x, y"},
    {"id": "b", "p": 1e-9, "n": 4, "note": ""},
    {"id": "c", "p": 1.0, "n": 5, "note": "é\t"},
]
ROUNDED = [{**row, "p": p} for row, p in zip(ROWS, [0.1234568, 1e-9, 1.0], strict=True)]


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with open(path, newline="") as file:
        rows = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        return [{**row, "p": float(row["p"]), "n": int(row["n"])} for row in rows]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_rows_come_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new" / f"t{ending}"
    with TableWriter(path, COLUMNS) as table:
        table.write(ROWS[:2])
        assert not path.exists()
        table.write(ROWS[2:])
    assert read(path) == ROUNDED
    assert list(path.parent.iterdir()) == [path]


def crash(path: Path) -> None:
    """Fail after the rows are written, before the table is complete."""
    with contextlib.suppress(ZeroDivisionError), TableWriter(path, COLUMNS, overwrite=True) as table:
        table.write(ROWS)
        raise ZeroDivisionError


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_crash_leaves_nothing(tmp_path: Path, ending: str) -> None:
    crash(tmp_path / f"t{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_crash_leaves_the_old_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    path.write_text("old")
    crash(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_without_rows_has_its_columns(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    with TableWriter(path, COLUMNS):
        pass
    names = pq.read_table(path).column_names if ending == ".parquet" else path.read_text().strip().split(",")
    assert names == COLUMNS


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with TableWriter("-", ["id", "n"]) as table:
        table.write([{"id": "a", "n": 1}])
    assert capsys.readouterr().out == "id,n\na,1\n"


FORMULAS = ["=1+1", "+A1", "-A1", "@sum", "\t=1", "-3.5", "+4e-2", "Nucleus=1", "sp|P1", ""]
ESCAPED = ["'=1+1", "'+A1", "'-A1", "'@sum", "'\t=1", "-3.5", "+4e-2", "Nucleus=1", "sp|P1", ""]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_formulas_are_text_where_that_is_asked_for(tmp_path: Path, ending: str) -> None:
    rows = [{"id": text, "p": 0.5, "n": 1, "note": ""} for text in FORMULAS]
    for escape in (False, True):
        path = tmp_path / f"t{escape}{ending}"
        with TableWriter(path, COLUMNS, escape_formulas=escape) as table:
            table.write(rows)
        assert [row["id"] for row in read(path)] == (ESCAPED if escape and ending in (".csv", ".tsv") else FORMULAS)


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_line_ends_inside_a_cell_are_quoted(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    notes = ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b;c\td", "plain"]
    with TableWriter(path, COLUMNS) as table:
        table.write([{"id": "x", "p": 0.5, "n": 1, "note": note} for note in notes])
    assert [row["note"] for row in read(path)] == notes


def test_a_terminal_gets_no_control_characters(tmp_path: Path) -> None:
    """A real terminal, one of the system's pairs."""
    ours, theirs = pty.openpty()
    write = (
        "from protloc.data.tables import TableWriter\nwith TableWriter('-', ['id']) as table:\n"
        "    table.write([{'id': 'a\\x1b]0;title\\x07b é'}])\n"
    )
    subprocess.run([sys.executable, "-c", write], cwd=ROOT, stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 1000).decode() == "id\r\na\\x1b]0;title\\x07b é\r\n"
    os.close(ours)


def test_standard_output_is_utf8_wherever_it_runs() -> None:
    write = (
        "from protloc.data.tables import TableWriter\nwith TableWriter('-', ['id']) as table:\n"
        "    table.write([{'id': 'é\\u2028'}])\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", write], cwd=ROOT, capture_output=True, check=True, env=environment)
    assert result.stdout.decode() == "id\né\u2028\n"


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(UserError, match=r"t.csv exists; give overwrite=true to replace it"):
        TableWriter(path, COLUMNS)
    with pytest.raises(UserError, match=r"unknown ending '.xlsx'; take one of .csv, .tsv, .jsonl, .parquet"):
        TableWriter(tmp_path / "t.xlsx", COLUMNS)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(UserError, match="this is a folder; name a file in it"):
        TableWriter(tmp_path / "d.csv", COLUMNS, overwrite=True)
    with pytest.raises(UserError, match="cannot be written"), TableWriter(path / "t.csv", COLUMNS):
        pass
    with pytest.raises(UserError, match="cannot be written: File name too long"):
        TableWriter(tmp_path / f"{'x' * 300}.csv", COLUMNS)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="cannot be written: Too many levels of symbolic links"):
        TableWriter(tmp_path / "loop" / "t.csv", COLUMNS)


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_input_is_no_output_by_whatever_name(tmp_path: Path, link: Callable[[Path, Path], None] | None) -> None:
    source = tmp_path / "proteins.csv"
    source.write_text("id,sequence\na,MK\n")
    output = tmp_path / "linked.csv" if link else tmp_path / "." / "proteins.csv"
    if link:
        link(source, output)
    with pytest.raises(UserError, match=rf"output={re.escape(str(output))}: this is the file of input="):
        check_output(output, overwrite=True, source=str(source))
    other = tmp_path / "other.csv"
    other.write_text(source.read_text())
    check_output(other, overwrite=True, source=str(source))


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write = (
        "import os, signal\nfrom protloc.data.tables import TableWriter\n"
        f"with TableWriter({str(path)!r}, ['id']) as table:\n"
        "    table.write([{'id': 'long' * 100}])\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", write], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_text().startswith("id\nlonglong")
    with TableWriter(path, ["id"]) as table:
        table.write([{"id": "a"}])
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "id\na\n"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with TableWriter(path, ["id"]) as table:
        table.write([{"id": "first"}])
        with pytest.raises(UserError, match=r"t\.csv: another process is writing this file"):
            check_output(path, overwrite=True)
        with pytest.raises(UserError, match=r"t\.csv: another process is writing this file"):
            Draft(path)
        with TableWriter(tmp_path / "u.csv", ["id"]) as other:
            other.write([{"id": "other"}])
    assert path.read_text() == "id\nfirst\n"
    crash(path)
    check_output(path, overwrite=True)
    with TableWriter(path, ["id"], overwrite=True) as table:
        table.write([{"id": "second"}])
    assert path.read_text() == "id\nsecond\n"


def test_a_draft_follows_no_link(tmp_path: Path) -> None:
    """In a folder where others may write, one could be laid out to the file of a third."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".t.csv.tmp").symlink_to(victim)
    with (
        pytest.raises(UserError, match="cannot be written: Too many levels of symbolic links"),
        TableWriter(tmp_path / "t.csv", ["id"]),
    ):
        pass
    assert victim.read_text() == "precious"


def test_many_processes_and_one_file(tmp_path: Path) -> None:
    """Each of them writes the whole table or is refused; nothing else is left."""
    path = tmp_path / "t.csv"
    write = (
        "from protloc.data.tables import TableWriter\nfrom protloc.errors import UserError\n"
        "for _ in range(50):\n"
        "    try:\n"
        f"        with TableWriter({str(path)!r}, ['id'], overwrite=True) as table:\n"
        "            table.write([{'id': str(i)} for i in range(2000)])\n"
        "    except UserError as error:\n        assert 'another process is writing this file' in str(error), error\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", write], cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert path.read_text() == "id\n" + "".join(f"{i}\n" for i in range(2000))
    assert list(tmp_path.iterdir()) == [path]
