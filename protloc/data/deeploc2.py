"""DeepLoc 2.0's data set: a table with ten places as columns of 0 and 1, the membrane, and five partitions.

Thumuluri et al. 2022, "DeepLoc 2.0: multi-label subcellular localization prediction using protein language models".
The partitions are homology-reduced against each other: one is held out as the test, and validation is held out of the
other four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import datasets
import numpy as np

from protloc.config import DeepLoc2Data
from protloc.data.download import published
from protloc.data.parse import Labelled, parse
from protloc.data.records import Broken
from protloc.data.source import Source
from protloc.data.tabular import read_table
from protloc.errors import UserError
from protloc.tasks.labels import BETWEEN

PLACES = (
    "Cytoplasm", "Nucleus", "Extracellular", "Cell membrane", "Mitochondrion", "Plastid", "Endoplasmic reticulum",
    "Lysosome/Vacuole", "Golgi apparatus", "Peroxisome",
)  # fmt: skip
"""In DeepLoc's order."""

PARTITIONS = {"0": 5_963, "1": 5_451, "2": 5_731, "3": 5_696, "4": 5_462}
"""Proteins in each partition of the published file; 28,303 together."""

MEMBRANE = {"0": "S", "1": "M", "": "U"}


def read_deeploc2(options: DeepLoc2Data) -> Source:
    """The proteins of a table in DeepLoc 2's format, downloaded where `path` is null.

    Raises:
        UserError: the file cannot be had or read, is not what was published (downloads only), or `fold` is none of its
            partitions.
    """
    file = "Swissprot_Train_Validation_dataset.csv from DeepLoc 2.0's page"
    path = published(options, "deeploc2.csv", b",ACC,Kingdom", file)
    parsed = parse(path, _labelled, "deeploc2", options)
    rows = parsed.rows
    if options.path is None:
        _check_published(rows, path)
    partitions = np.asarray(rows["split"])
    held = partitions == str(options.fold)
    if not held.any():
        there = ", ".join(sorted(set(partitions.tolist())))
        raise UserError(f"{path}: data.fold={options.fold}, but the partitions there are {there}", exit_code=2)
    splits = {"train": rows.select(np.flatnonzero(~held)), "test": rows.select(np.flatnonzero(held))}
    return Source(
        "deeploc2",
        splits,
        dict.fromkeys(splits, path),
        parsed.counts,
        [*parsed.notes, f"partition {options.fold} is held out as the test"],
    )


def _labelled(path: str) -> Iterator[Labelled | Broken]:
    for record, cells in read_table(path, "ACC", "Sequence", ["Partition", "Membrane", *PLACES]):
        if isinstance(record, Broken):
            yield record
            continue
        flags = {name: _flag(cells[name]) for name in ("Membrane", *PLACES)}
        unclear = [name for name, flag in flags.items() if flag not in ("0", "1") and (name, flag) != ("Membrane", "")]
        there = [name for name in PLACES if flags[name] == "1"]
        if unclear:
            yield Broken(record.id, record.line, f"column {unclear[0]!r} holds {cells[unclear[0]]!r}, not 0 or 1")
        elif not there:
            yield Broken(record.id, record.line, f"no location: none of the columns {', '.join(PLACES)} is 1")
        else:
            yield Labelled(record, BETWEEN.join(there), MEMBRANE[flags["Membrane"]], _flag(cells["Partition"]))


def _flag(cell: str) -> str:
    """`1.0`, as pandas writes it, is 1."""
    return cell.removesuffix(".0")


def _check_published(rows: datasets.Dataset, path: str) -> None:
    """A download must be the file whose figures everybody compares with."""
    found = dict(sorted(Counter(rows["split"]).items()))
    if found != PARTITIONS:
        raise UserError(
            f"{path}: not the published file: {len(rows):,} proteins in partitions of "
            f"{', '.join(map(str, found.values()))}, expected {', '.join(map(str, PARTITIONS.values()))}; delete it to "
            "download it again, or give data.path=FILE to read it as it is"
        )
