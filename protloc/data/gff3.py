"""Predictions as GFF3, for genome annotation: a feature over the whole protein for each of its places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from protloc.tasks.labels import BETWEEN

HEAD = "##gff-version 3\n"

SEQID = re.compile(r"[^A-Za-z0-9.:^*$@!+_?|-]")
"""What the specification wants escaped in the first column."""

RESERVED = re.compile(r"[%;=&,\x00-\x1f\x7f]")
"""What it wants escaped in attributes."""


def lines(row: Mapping[str, Any]) -> Iterator[str]:
    """The features of one row: columns as in the specification (Sequence Ontology, GFF3 1.26).

    The score is the probability of the place; the type is SO:0000104.
    """
    seqid = SEQID.sub(_escaped, row["id"])
    for place in row["location"].split(BETWEEN):
        score = row.get(place, row["probability"])
        attributes = {"Name": place, "location": place}
        if "membrane" in row:
            attributes["membrane_probability"] = f"{row['membrane']:.7g}"
        if row["warnings"]:
            attributes["warnings"] = row["warnings"]
        written = ";".join(f"{key}={RESERVED.sub(_escaped, value)}" for key, value in attributes.items())
        yield f"{seqid}\tprotloc\tpolypeptide\t1\t{row['length']}\t{score:.7g}\t.\t.\t{written}\n"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8"))
