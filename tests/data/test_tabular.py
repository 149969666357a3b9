"""Tables of proteins: CSV, TSV and Parquet give the same records and the same refusals."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from protloc.data.read import read_proteins
from protloc.data.records import Broken, Protein
from protloc.data.tabular import read_table
from protloc.errors import UserError

ROWS = [("a", "MKV", "Nucleus"), ("b", "acd*", ""), ("c", "M1", "Plastid"), ("a", "MM", "Plastid")]
EXPECTED = [
    (Protein("a", "MKV", "", 2), {"location": "Nucleus"}),
    (Protein("b", "ACD", "", 3, lower=True, stop=True), {"location": ""}),
    (Broken("c", 4, "'1' at residue 2 is no amino acid (allowed: ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)"),
     {"location": "Plastid"}),
    (Broken("a", 5, "the id has been there before"), {"location": "Plastid"}),
]  # fmt: skip


def written(folder: Path, ending: str) -> str:
    """The table in the format of `ending`."""
    path = folder / f"proteins{ending}"
    names = ("id", "sequence", "location")
    if ending == ".parquet":
        pq.write_table(pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(names)}), path)
        return str(path)
    delimiter = "\t" if ".tsv" in ending else ","
    text = "\n".join(delimiter.join(row) for row in [names, *ROWS]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
    return str(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"])
def test_every_format_gives_the_same_records(tmp_path: Path, ending: str) -> None:
    found = list(read_table(written(tmp_path, ending), "id", "sequence", ["location"]))
    if ending == ".parquet":  # rows are counted from 1, there is no line of names
        found = [
            (type(r)(**{f: getattr(r, f) for f in r.__slots__} | {"line": r.line + 1}), cells) for r, cells in found
        ]
    assert found == EXPECTED


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_column_may_be_asked_for_twice(tmp_path: Path, ending: str) -> None:
    first, *_ = read_table(written(tmp_path, ending), "id", "sequence", ["id", "location"])
    assert first[1] == {"id": "a", "location": "Nucleus"}


def test_quoted_cells_may_hold_delimiters_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('id,sequence,note\na,"MK\nV","x, y"\nb,MK,z\n')
    found = list(read_table(str(path), "id", "sequence", ["note"]))
    assert found == [(Protein("a", "MKV", "", 2), {"note": "x, y"}), (Protein("b", "MK", "", 4), {"note": "z"})]


def test_semicolons_as_excel_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('id;sequence;note\na;MKV;"x; y, z"\n')
    assert list(read_table(str(path), "id", "sequence", ["note"])) == [
        (Protein("a", "MKV", "", 2), {"note": "x; y, z"})
    ]


def test_a_long_protein_fits_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("id,sequence\na," + "M" * 200_000 + "\n")
    (protein,) = read_proteins(str(path))
    assert isinstance(protein, Protein)
    assert len(protein.sequence) == 200_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path}: the file is empty"),
        (b"id,sequence\n", "{path}: no rows below the column names"),
        (b"id,seqence\na,MK\n", "{path}: no column 'sequence'; did you mean 'seqence'? there are: id, seqence"),
        (b"id,sequence\na,\xff\n", "{path}: no UTF-8 text: is it a binary file?"),
        (b'id,sequence\na,"MK\n', "{path}: unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match="^" + re.escape(message.format(path=path))):
        list(read_table(str(path), "id", "sequence"))


def test_a_row_of_another_length_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("id,sequence,note\na,MK\n\nb,MKV,x\n")
    assert list(read_table(str(path), "id", "sequence", ["note"])) == [
        (Broken("(no id)", 2, "2 cells, but 3 column names"), {"note": ""}),
        (Protein("b", "MKV", "", 4), {"note": "x"}),
    ]


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(b"id,sequence\n")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        list(read_table(str(path), "id", "sequence"))
    with pytest.raises(UserError, match="no such file"):
        list(read_table(str(tmp_path / "nowhere.parquet"), "id", "sequence"))


def test_parquet_reads_what_is_asked_for_alone(tmp_path: Path) -> None:
    """Beside it stand text that is none, a date beyond the calendar, a zone on another planet, a struct."""
    path = tmp_path / "p.parquet"
    no_text = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe"))
    pq.write_table(
        pa.table({
            "id": pa.array([b"a", "é".encode()], pa.binary()), "sequence": pa.array(["MKV", "MK"]).dictionary_encode(),
            "id.b": ["x", "y"], "number": [1, None], "note": no_text, "seen": pa.array([2**62, 1], pa.timestamp("us")),
            "zone": pa.array([1, 2], pa.timestamp("us", tz="Mars/Phobos")), "nested": [{"id": "1"}, {"id": "2"}],
        }),
        path,
    )  # fmt: skip
    rows = list(read_table(str(path), "id", "sequence", ["number", "id.b"]))
    assert rows == [
        (Protein("a", "MKV", "", 1), {"number": "1", "id.b": "x"}),
        (Protein("é", "MK", "", 2), {"number": "", "id.b": "y"}),
    ]
    for name, line in (
        ("note", f"{path}:1: no UTF-8 text"), ("zone", f"{path}: cannot be read as Parquet: Cannot locate or parse"),
        ("nested", f"{path}: cannot be read as Parquet: Unsupported cast from struct<id: string> to utf8"),
    ):  # fmt: skip
        with pytest.raises(UserError, match="^" + re.escape(line)):
            list(read_table(str(path), "id", "sequence", [name]))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_two_columns_of_one_name(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p{ending}"
    names, row = ["id", "sequence", "note", "sequence", "note"], ["a", "MK", "x", "MKV", "y"]
    if ending == ".csv":
        path.write_text(f"{','.join(names)}\n{','.join(row)}\n")
    else:
        pq.write_table(pa.Table.from_arrays([pa.array([cell]) for cell in row], names=names), path)
    with pytest.raises(UserError, match=r"2 columns are named 'sequence'; rename all but one"):
        list(read_table(str(path), "id", "sequence"))
    if ending == ".csv":  # `note` is not asked for
        path.write_text(path.read_text().replace("sequence,note,sequence", "sequence,note,other"))
        assert list(read_table(str(path), "id", "sequence")) == [(Protein("a", "MK", "", 2), {})]


@pytest.mark.parametrize(
    ("columns", "others", "message"),
    [
        (
            ["Entry", "Sequence", "Subcellular location [CC]"], ["location"],
            "no column 'id'; name it by data.id_column=; there are: Entry, Sequence, Subcellular location [CC]",
        ),
        (
            ["id", "Sequence", "Subcellular location [CC]"], ["location"],
            "no column 'sequence'; did you mean 'Sequence'? type data.sequence_column=Sequence; there are: ",
        ),
        (
            ["id", "sequence", "Subcellular location [CC]"], ["location"],
            "no column 'location'; did you mean 'Subcellular location [CC]'? "
            "type 'data.label_column=\"Subcellular location [CC]\"'; there are: ",
        ),
    ],
)  # fmt: skip
def test_the_words_to_type(tmp_path: Path, columns: list[str], others: list[str], message: str) -> None:
    path = tmp_path / "p.tsv"
    path.write_text("\t".join(columns) + "\n" + "\t".join("MKV" for _ in columns) + "\n")
    options = ["data.id_column", "data.sequence_column", "data.label_column"]
    with pytest.raises(UserError, match="^" + re.escape(f"{path}: {message}")):
        list(read_table(str(path), "id", "sequence", others, options))
