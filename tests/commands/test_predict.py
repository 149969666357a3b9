"""predict.py as users run it, with a model that train.py has made."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.scripts import ROOT, fasta, run, table


def predict(folder: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return run("predict.py", f"model_dir={folder}/out/model", *arguments, stdin=stdin)


def test_predict_agrees_with_the_run_on_the_same_proteins(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "locations.csv"
    result = run(
        "predict.py", f"model_dir={folder}/out/model", f"input={folder}/test.fasta", f"output={output}",
        "device=cpu", "precision=fp32", fresh=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    ours, theirs = table(output), table(folder / "out" / "predictions_test.csv")
    assert list(ours[0]) == [
        "id", "location", "probability", "Golgi", "Nucleus", "Plastid", "length", "residues_read", "warnings",
        "accession",
    ]  # fmt: skip
    for a, b in zip(ours, theirs, strict=True):
        for name in b.keys() - {"true"}:
            if name in ("probability", "Golgi", "Nucleus", "Plastid"):
                assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-5)
            else:
                assert a[name] == b[name]
    assert list(tmp_path.iterdir()) == [output], "nothing is left but the output"
    first, *counts = result.stderr.splitlines()
    assert first.startswith("33 proteins in ")
    assert sum(int(line.split()[0]) for line in counts if "%" in line) == 33


def test_every_input_gives_the_same_answers(folder: Path, tmp_path: Path) -> None:
    text = (folder / "test.fasta").read_text()
    (tmp_path / "x.fasta.gz").write_bytes(gzip.compress(text.encode()))
    records = [record.split("\n") for record in text.lstrip(">").split(">")]
    cells = "".join(f"{header.split()[0]},{sequence}\n" for header, sequence, _ in records)
    (tmp_path / "x.csv").write_text("acc,residues\n" + cells)
    answers = []
    for arguments, stdin in (
        ([f"input={folder}/test.fasta"], None),
        ([f"input={tmp_path}/x.fasta.gz"], None),
        ([f"input={tmp_path}/x.csv", "id_column=acc", "sequence_column=residues"], None),
        (["input=-"], text),
    ):
        result = predict(folder, *arguments, "output=-", stdin=stdin)
        assert result.returncode == 0, result.stderr
        answers.append(result.stdout)
    assert answers[0].count("\n") == 34
    assert answers == [answers[0]] * 4


def test_the_output_goes_beside_the_input_by_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.fa.gz").write_bytes(gzip.compress((folder / "test.fasta").read_bytes()))
    result = run("predict.py", f"model_dir={folder}/out", "input=data/x.fa.gz", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["x.fa.gz", "x.locations.csv"]


def test_an_output_is_not_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    output.write_text("precious")
    result = predict(folder, f"input={folder}/test.fasta", f"output={output}")
    assert (result.returncode, output.read_text()) == (1, "precious")
    assert result.stderr == f"error: {output} exists; give overwrite=true to replace it\n"
    result = predict(folder, f"input={folder}/test.fasta", f"output={output}", "overwrite=true")
    assert (result.returncode, len(table(output))) == (0, 33)


@pytest.mark.parametrize("redirected", [False, True])
def test_the_input_is_never_the_output(folder: Path, tmp_path: Path, redirected: bool) -> None:
    """By name, and by redirection: `predict.py input=- < x.csv output=x.csv`, `input=x.csv output=- >> x.csv`."""
    precious = "id,sequence\na,MKVLA\n"
    path = tmp_path / "x.csv"
    path.write_text(precious)
    script = [sys.executable, f"{ROOT}/predict.py", f"model_dir={folder}/out/model", "overwrite=true"]
    given: list[tuple[list[str], dict[str, Any]]] = [([f"input={path}", f"output={path}"], {})]
    if redirected:
        source, target = path.open("rb"), path.open("ab")
        given = [
            (["input=-", f"output={path}"], {"stdin": source}),
            ([f"input={path}", "output=-"], {"stdout": target}),
        ]
    for words, streams in given:
        result = forked.run([*script, *words], stderr=subprocess.PIPE, **streams)
        for stream in streams.values():
            stream.close()
        assert (result.returncode, path.read_text()) == (1, precious)
        assert "this is the file of input=" in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_broken_record_stops_or_is_skipped_and_changes_are_counted(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.fasta"
    source.write_text(f">a\nMKVLA\n>b\nMK1\n>c\nmkv*\n>d\n{'MKVLA' * 20}\n")
    output = tmp_path / "x.csv"
    result = predict(folder, f"input={source}", f"output={output}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {source}:3: b: '1' at residue 3 is no amino acid")
    assert [path.name for path in tmp_path.iterdir()] == ["x.fasta"]
    result = predict(folder, f"input={source}", f"output={output}", "on_error=skip")
    assert result.returncode == 0
    rows = table(output)
    assert [row["id"] for row in rows] == ["a", "c", "d"]
    assert (rows[2]["length"], rows[2]["residues_read"]) == ("100", "40")
    assert rows[2]["warnings"] == "60 of 100 residues not read"
    said = result.stderr
    assert "skipped b (line 3): '1' at residue 3" in said
    for line in (
        "1  broken records skipped", "1  proteins longer than the model reads, cropped",
        "1  proteins with lower-case residues, read as upper case", "1  proteins whose final * was taken off",
    ):  # fmt: skip
        assert line in said, line


def test_columns_for_joining(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text(
        "id,sequence,Gene [x],organism,location\n"
        + "".join(f'sp|P{i:05}|X_Y,{"MKVLA" * (1 + i % 7)},gene{i},"Homo, sapiens",here{i}\n' for i in range(50))
    )
    result = predict(
        folder, f"input={source}", "keep=Gene [x],organism,location", f"output={tmp_path}/y.csv", "window=7"
    )
    assert result.returncode == 0, result.stderr
    rows = table(tmp_path / "y.csv")
    assert list(rows[0])[-5:] == ["warnings", "accession", "Gene [x]", "organism", "input_location"]
    for i, row in enumerate(rows):
        assert (row["id"], row["accession"], row["length"]) == (f"sp|P{i:05}|X_Y", f"P{i:05}", str(5 + 5 * (i % 7)))
        assert (row["Gene [x]"], row["organism"], row["input_location"]) == (f"gene{i}", "Homo, sapiens", f"here{i}")
    result = predict(folder, f"input={source}", "keep=genes", f"output={tmp_path}/z.csv")
    assert result.stderr.startswith(f"error: {source}: no column 'genes'; ")
    text = ">a one two\nMKVLA\n>b\nMK1\n>c three\nMKV\n"
    result = predict(folder, "input=-", "output=-", "keep=description", "on_error=skip", stdin=text)
    lines = result.stdout.splitlines()
    assert [line.rsplit(",", 2)[1:] for line in lines] == [["accession", "description"], ["", "one two"], ["", "three"]]
    result = predict(folder, "input=-", "output=-", "keep=gene", stdin=text)
    assert result.stderr == (
        "error: standard input: no column 'gene': of FASTA only `description`, the header behind the id\n"
    )


def test_what_is_no_whole_protein_is_said_by_row_and_in_the_summary(folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "x.fasta", tmp_path / "x.csv"
    proteins = {"dna": "ATGGCCAAG" * 9, "peptide": "MKV", "fragment": "KVLAGKVLAG", "unknown": "MXXXXXX", "ok": "MKVLA"}
    source.write_text("".join(f">{id}\n{sequence}\n" for id, sequence in proteins.items()))
    result = predict(folder, f"input={source}", f"output={output}")
    assert (result.returncode, output.exists()) == (1, False)
    assert result.stderr == (
        f"error: {source}:1: dna: looks like nucleotides; translate it, or give force=true "
        "(on_error=skip goes on without it)\n"
    )
    result = predict(folder, f"input={source}", f"output={output}", "on_error=skip")
    assert {row["id"]: row["warnings"] for row in table(output)} == {
        "peptide": "shorter than any training protein", "fragment": "no M at the start: a fragment?",
        "unknown": "6 of 7 residues are none of the twenty; mostly X", "ok": "",
    }  # fmt: skip
    assert "       1  broken records skipped" in result.stderr
    result = predict(folder, f"input={source}", f"output={output}", "force=true", "overwrite=true")
    assert table(output)[0]["warnings"] == (
        "41 of 81 residues not read; looks like nucleotides; no M at the start: a fragment?"
    )
    for line in (
        "       1  proteins with the warning: looks like nucleotides",
        "       1  proteins with the warning: shorter than any training protein",
        "       2  proteins with the warning: no M at the start: a fragment?",
        "       1  proteins with the warning: mostly X",
    ):
        assert line in result.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["input=nowhere.fasta"], "error: nowhere.fasta: no such file"),
        (["input=-"], "error: input=- needs output=: a file, or - for CSV on standard output"),
        (["input=x.fasta", "output=x.xlsx"], "error: x.xlsx: unknown ending '.xlsx'; take one of"),
        (["input={}/test.fasta", "output=x.csv", "precision=fp16", "device=cpu"], "error: precision=fp16 needs a GPU"),
        (["input=x.fasta", "batch_tokens=0"], "error: batch_tokens=0: must be at least 1"),
        (["input=x.fasta", "outptu=x.csv"], "error: no option 'outptu'; did you mean output?"),
    ],
)
def test_mistakes_of_predict(folder: Path, arguments: list[str], line: str, tmp_path: Path) -> None:
    words = [word.format(folder) for word in arguments]
    result = run("predict.py", f"model_dir={folder}/out/model", *words, cwd=tmp_path)
    assert result.returncode in (1, 2)
    (said,) = result.stderr.splitlines()
    assert said.startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_traceback(folder: Path, tmp_path: Path) -> None:
    """`predict.py output=- | head -1`."""
    big = fasta(tmp_path / "big.fasta", 3000, labels=False)
    command = [sys.executable, f"{ROOT}/predict.py", f"model_dir={folder}/out/model", f"input={big}", "output=-"]
    writer = forked.Popen([*command, "window=100"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    with writer.stdout as pipe:
        head = subprocess.run(["head", "-1"], stdin=pipe, capture_output=True, text=True, check=True)
    _, said = writer.communicate(timeout=60)
    assert head.stdout.startswith("id,location,probability")
    assert (writer.returncode, said) == (1, "error: the reader of the output is gone\n")


def test_an_output_that_is_full_or_closed_is_one_line(folder: Path) -> None:
    script = [sys.executable, f"{ROOT}/predict.py", f"model_dir={folder}/out/model", f"input={folder}/test.fasta"]
    closed = ["sh", "-c", '"$@" >&-', "sh"]  # which Python meets when it starts: a process of its own
    with open("/dev/full", "wb") as full:
        for result, line in (
            (forked.run([*script, "output=-"], stdout=full, stderr=subprocess.PIPE),
             "standard output: cannot be written: No space left on device"),
            (subprocess.run([*closed, *script, "output=-"], capture_output=True, text=True, check=False),
             "standard output: it is closed"),
        ):  # fmt: skip
            assert (result.returncode, result.stderr) == (1, f"error: {line}\n")
        result = forked.run([*script, "output=-"], stdout=subprocess.PIPE, stderr=full)
    assert (result.returncode, result.stdout.count("\n")) == (0, 34), "nobody hears the summary"


def test_stopped_by_the_keyboard_leaves_no_half_table(folder: Path, tmp_path: Path) -> None:
    big = fasta(tmp_path / "big.fasta", 100_000, labels=False)
    output = tmp_path / "x.csv"
    process = forked.Popen(
        [
            sys.executable, str(ROOT / "predict.py"), f"model_dir={folder}/out/model", f"input={big}",
            f"output={output}", "window=50",
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not [path for path in tmp_path.glob(".x.csv.tmp") if path.stat().st_size > 1000]:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "error: stopped by the keyboard\n")
    assert [path.name for path in tmp_path.iterdir()] == ["big.fasta"]
