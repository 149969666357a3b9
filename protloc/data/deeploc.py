"""DeepLoc 1.0's data set: headers `>ACC Location-S|M|U [test]`.

Almagro Armenteros et al. 2017, "DeepLoc: prediction of protein subcellular localization using deep learning". The
proteins flagged `test` are homology-reduced against the others; validation is held out of the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import datasets
import numpy as np

from protloc.config import DeepLocData
from protloc.data.download import published
from protloc.data.fasta import read_fasta
from protloc.data.parse import Labelled, complaint, parse
from protloc.data.records import Broken
from protloc.data.source import Source
from protloc.errors import UserError
from protloc.tasks.labels import WHOLE

HEADER = re.compile(r"(?P<location>\S+)-(?P<membrane>[SMU])(?P<test> +test)?$")
RECORDS = 14_004
CLASSES = {
    "Nucleus": 4043, "Cytoplasm": 2542, "Extracellular": 1973, "Mitochondrion": 1510, "Cell.membrane": 1340,
    "Endoplasmic.reticulum": 862, "Plastid": 757, "Golgi.apparatus": 356, "Lysosome/Vacuole": 321, "Peroxisome": 154,
}  # fmt: skip
"""What is known of the published file: 13,858 proteins with one location; the other 146 have two."""


def read_deeploc(options: DeepLocData) -> Source:
    """The proteins of a file in DeepLoc's format, downloaded where `path` is null.

    Raises:
        UserError: the file cannot be had or read, is not what was published (downloads only), or has dual labels
            under `dual_labels=error`.
    """
    path = published(options, "deeploc_data.fasta", b">", "deeploc_data.fasta from DeepLoc 1.0's page")
    parsed = parse(path, _labelled, "deeploc", options)
    if options.path is None:
        _check_published(parsed.rows, path)
    rows, counts, notes = _without_dual_labels(parsed.rows, path, options)
    counts, notes = parsed.counts | counts, parsed.notes + notes
    test = np.asarray(rows["split"]) == "test"
    splits = {"train": rows.select(np.flatnonzero(~test))}
    if test.any():
        splits["test"] = rows.select(np.flatnonzero(test))
    else:
        notes.append("no protein is flagged test: there will be no test figures")
    unknown = sum(letter == "U" for letter in rows["membrane"])
    if unknown:
        counts["membrane_unknown"] = unknown
    return Source("deeploc", splits, dict.fromkeys(splits, path), counts, notes)


def _labelled(path: str) -> Iterator[Labelled | Broken]:
    for record in read_fasta(path):
        if isinstance(record, Broken):
            yield record
            continue
        found = HEADER.match(record.description)
        if found is None:
            text = record.description or "(nothing)"
            yield Broken(record.id, record.line, f"header {text!r} is not `Location-S|M|U [test]`")
        else:
            yield Labelled(record, found["location"], found["membrane"], "test" if found["test"] else "train")


def _without_dual_labels(
    rows: datasets.Dataset, path: str, options: DeepLocData
) -> tuple[datasets.Dataset, dict[str, int], list[str]]:
    """Drop, relabel or refuse the proteins with two locations joined by `-`."""
    choice = options.dual_labels
    locations = np.asarray(rows["location"])
    dual = np.array(["-" in location for location in locations])
    if not dual.any():
        return rows, {}, []
    count = int(dual.sum())
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(Counter(locations[dual].tolist()).items()))
    if choice == "error":
        shown = rows.select(np.flatnonzero(dual)[:10])
        broken = [Broken(r["id"], r["line"], f"two locations, {r['location']}: data.dual_labels=error") for r in shown]
        raise UserError(complaint(f"{count} proteins have two locations", path, broken, count))
    if choice == "drop":
        return (
            rows.select(np.flatnonzero(~dual)),
            {"dropped_dual_label": count},
            [f"{count} proteins with two locations dropped ({kinds}); data.dual_labels=first keeps them"],
        )
    if choice == "both":
        if options.label_separator == WHOLE:
            raise UserError(
                f"data.dual_labels=both makes {count} proteins with two places, and data.label_separator={WHOLE} keeps "
                "labels whole: leave one of them out", exit_code=2,
            )  # fmt: skip
        relabelled = _relabelled(rows, [location.replace("-", options.label_separator) for location in locations])
        return relabelled, {"dual_label_read_as_two": count}, [f"{count} proteins have two locations ({kinds})"]
    relabelled = _relabelled(rows, [location.split("-")[0] for location in locations])
    return (
        relabelled,
        {"dual_label_read_as_first": count},
        [f"{count} proteins with two locations given the first ({kinds})"],
    )


def _relabelled(rows: datasets.Dataset, locations: list[str]) -> datasets.Dataset:
    return rows.remove_columns("location").add_column("location", locations)


def _check_published(rows: datasets.Dataset, path: str) -> None:
    """A download must be the file whose figures everybody compares with."""
    found = Counter(location for location in rows["location"] if "-" not in location)
    if len(rows) != RECORDS or dict(found) != CLASSES:
        raise UserError(
            f"{path}: not the published file: {len(rows):,} records in {len(found)} classes, expected {RECORDS:,} in "
            f"{len(CLASSES)}; delete it to download it again, or give data.path=FILE to read it as it is"
        )
