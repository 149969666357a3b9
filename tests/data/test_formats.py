"""Tables that other tools read: GFF3, and DeepLoc 2's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protloc.data import deeploc_table, gff3
from protloc.data.tables import TableWriter

ROW: dict[str, Any] = {
    "id": "sp|P1|X Y", "location": "Nucleus|Cell.membrane", "probability": 0.9, "Cell.membrane": 0.7, "Nucleus": 0.9,
    "Spindle": 0.1, "membrane": 0.25, "length": 120, "residues_read": 100, "warnings": "20 of 120 residues; not read",
}  # fmt: skip


def test_a_feature_for_each_place(tmp_path: Path) -> None:
    path = tmp_path / "x.gff3"
    with TableWriter(path, list(ROW)) as table:
        table.write([ROW, {**ROW, "id": "b", "location": "Nucleus", "warnings": ""}])
    more = "membrane_probability=0.25;warnings=20 of 120 residues%3B not read"
    assert path.read_text() == (
        "##gff-version 3\n"
        f"sp|P1|X%20Y\tprotloc\tpolypeptide\t1\t120\t0.9\t.\t.\tName=Nucleus;location=Nucleus;{more}\n"
        f"sp|P1|X%20Y\tprotloc\tpolypeptide\t1\t120\t0.7\t.\t.\tName=Cell.membrane;location=Cell.membrane;{more}\n"
        "b\tprotloc\tpolypeptide\t1\t120\t0.9\t.\t.\tName=Nucleus;location=Nucleus;membrane_probability=0.25\n"
    )


def test_letters_that_are_no_ascii_are_escaped_byte_by_byte() -> None:
    (line,) = gff3.lines({**ROW, "id": "é>", "location": "a=b", "warnings": ""})
    assert line.startswith("%C3%A9%3E\t")
    assert "Name=a%3Db;" in line


def test_deeploc_s_names_and_what_is_empty() -> None:
    named = deeploc_table.names(["Cell.membrane", "Nucleus", "Spindle"])
    assert named == {"Cell.membrane": "Cell membrane", "Nucleus": "Nucleus"}
    row = deeploc_table.as_deeploc(ROW, named)
    assert list(row) == deeploc_table.COLUMNS
    assert ",".join(deeploc_table.COLUMNS) == (
        "Protein_ID,Localizations,Signals,Membrane types,Cytoplasm,Nucleus,Extracellular,Cell membrane,Mitochondrion,"
        "Plastid,Endoplasmic reticulum,Lysosome/Vacuole,Golgi apparatus,Peroxisome,Peripheral,Transmembrane,"
        "Lipid anchor,Soluble"
    )
    filled = {name: cell for name, cell in row.items() if cell != ""}
    assert filled == {"Protein_ID": "sp|P1|X Y", "Localizations": "Nucleus|Cell membrane", "Nucleus": 0.9,
                      "Cell membrane": 0.7}  # fmt: skip
