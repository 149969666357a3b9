"""Predictions under the column names that DeepLoc 2's users parse; empty where protloc has nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protloc.data.deeploc2 import PLACES
from protloc.tasks.labels import BETWEEN

TYPES = ("Peripheral", "Transmembrane", "Lipid anchor", "Soluble")
COLUMNS = ["Protein_ID", "Localizations", "Signals", "Membrane types", *PLACES, *TYPES]


def _plain(name: str) -> str:
    return name.lower().replace(".", " ").replace("_", " ")


def names(classes: Sequence[str]) -> dict[str, str]:
    """DeepLoc's names by ours, for classes that it has: `Cell.membrane` is its `Cell membrane`."""
    theirs = {_plain(name): name for name in PLACES}
    return {name: theirs[_plain(name)] for name in classes if _plain(name) in theirs}


def as_deeploc(row: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    """A row of the table as DeepLoc writes it; `named` is what `names` gives."""
    places = row["location"].split(BETWEEN)
    return {
        **dict.fromkeys(COLUMNS, ""),
        "Protein_ID": row["id"],
        "Localizations": BETWEEN.join(named.get(place, place) for place in places),
        **{theirs: row[ours] for ours, theirs in named.items()},
    }
