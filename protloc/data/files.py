"""Your own files: FASTA with the location in the header, or tables with named columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import datasets
import numpy as np

from protloc.config import CsvData, FastaData
from protloc.data.fasta import read_fasta
from protloc.data.parse import Labelled, Reader, complaint, parse
from protloc.data.records import Broken, Unlabelled
from protloc.data.source import Source
from protloc.data.tabular import is_table, read_table
from protloc.errors import UserError

SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation",
               "val": "validation", "dev": "validation", "test": "test"}  # fmt: skip


def read_fasta_files(options: FastaData) -> Source:
    """One FASTA file a split, the location in each header.

    Raises:
        UserError: a file or the pattern is wrong, or a record has no location.
    """
    try:
        groups = re.compile(options.label_pattern).groupindex
    except re.error as error:
        raise UserError(f"data.label_pattern={options.label_pattern}: no regular expression: {error}") from error
    if "label" not in groups:
        raise UserError(
            f"data.label_pattern={options.label_pattern}: needs a group named label, as in (?P<label>\\S+)$"
        )
    files = _files(options)
    reader = partial(_labelled_fasta, pattern=options.label_pattern)
    splits, counts, notes = _parsed(files, reader, f"fasta {options.label_pattern}", options)
    _refuse_shared_ids(splits, files)
    _refuse_one_class(splits["train"], options.train, f"data.label_pattern={options.label_pattern} finds it everywhere")
    return Source(Path(options.train).name, splits, files, counts, notes)


def read_csv_files(options: CsvData) -> Source:
    """One table a split, or one table with a split column.

    Raises:
        UserError: a file or column is wrong, or a row has no location.
    """
    files = _files(options)
    for path in files.values():
        if not is_table(path):
            raise UserError(f"{path}: data=csv reads .csv, .tsv (plain or gz) and .parquet; for FASTA take data=fasta")
    columns = (options.id_column, options.sequence_column, options.label_column, options.split_column or "")
    reader = partial(_labelled_table, columns=columns)
    splits, counts, notes = _parsed(files, reader, f"table {columns}", options)
    if options.split_column:
        if len(files) > 1:
            raise UserError("data.split_column= and data.validation= or data.test=: give one or the other")
        rows = splits["train"]
        said = np.asarray(rows["split"])
        splits = {s: rows.select(np.flatnonzero(said == s)) for s in ("train", "validation", "test") if s in said}
        if "train" not in splits:
            raise UserError(f"{options.train}: column {options.split_column!r} names no train row")
        files = dict.fromkeys(splits, options.train)
    _refuse_shared_ids(splits, files)
    _refuse_one_class(splits["train"], options.train, f"data.label_column={options.label_column} says so everywhere")
    return Source(Path(options.train).name, splits, files, counts, notes)


def _files(options: FastaData | CsvData) -> dict[str, str]:
    given = {"train": options.train, "validation": options.validation, "test": options.test}
    return {split: path for split, path in given.items() if path is not None}


def _parsed(
    files: dict[str, str], reader: Reader, key: str, options: FastaData | CsvData
) -> tuple[dict[str, datasets.Dataset], Counter[str], list[str]]:
    parsed = {split: parse(path, reader, key, options, unlabelled=options.unlabelled) for split, path in files.items()}
    counts: Counter[str] = Counter()
    for each in parsed.values():
        counts.update(each.counts)
    return {s: each.rows for s, each in parsed.items()}, counts, [n for each in parsed.values() for n in each.notes]


def _labelled_fasta(path: str, pattern: str) -> Iterator[Labelled | Broken]:
    search = re.compile(pattern).search
    for record in read_fasta(path):
        if isinstance(record, Broken):
            yield record
            continue
        header = f"{record.id} {record.description}".rstrip()
        found = search(header)
        if found is None or not found["label"] or found["label"] == record.id:  # the id names no class
            reason = f"no location: data.label_pattern={pattern} finds none in {header!r}"
            yield Unlabelled(record.id, record.line, reason)
        else:
            yield Labelled(record, found["label"])


def _labelled_table(path: str, columns: tuple[str, str, str, str]) -> Iterator[Labelled | Broken]:
    id_column, sequence_column, label_column, split_column = columns
    others = [label_column, *filter(None, [split_column])]
    options = [f"data.{name}_column" for name in ("id", "sequence", "label", "split")]
    for record, cells in read_table(path, id_column, sequence_column, others, options):
        if isinstance(record, Broken):
            yield record
            continue
        split = SPLIT_NAMES.get(cells[split_column].lower()) if split_column else ""
        if not cells[label_column]:
            yield Unlabelled(record.id, record.line, f"no location in column {label_column!r}")
        elif split is None:
            said = cells[split_column]
            yield Broken(
                record.id, record.line, f"{said!r} in column {split_column!r} is not train, validation or test"
            )
        else:
            yield Labelled(record, cells[label_column], split=split)


def _refuse_shared_ids(splits: dict[str, datasets.Dataset], files: dict[str, str]) -> None:
    """One id in two splits is one protein too many."""
    seen: dict[str, str] = {}
    for split, rows in splits.items():
        ids = rows["id"]
        shared = [(i, id) for i, id in enumerate(ids) if id in seen]
        if shared:
            broken = [Broken(id, rows[i]["line"], f"the id is also in {files[seen[id]]}") for i, id in shared[:10]]
            raise UserError(complaint(f"{len(shared)} ids of other splits", files[split], broken, len(shared)))
        seen.update(dict.fromkeys(ids, split))


def _refuse_one_class(rows: datasets.Dataset, path: str, why: str) -> None:
    names = rows.unique("location")
    if len(names) == 1:
        raise UserError(f"{path}: one class only, {names[0]!r}; a classifier needs 2 or more ({why})")
