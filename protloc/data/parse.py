"""A labelled file parsed once into memory-mapped Arrow, cached by its content.

The rows of 10 GB of FASTA never stand in memory together: they stream from the parser into an Arrow file, and come
back from there page by page.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np

import protloc
from protloc.config import DataConfig
from protloc.data.doubts import NUCLEIC, like_nucleotides
from protloc.data.records import Broken, Protein, Unlabelled
from protloc.data.streams import comes_once, open_bytes
from protloc.errors import UserError

LAYOUT = 2
"""Raised when the columns below change, or what is read, so that no stale cache is read."""

FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "sequence": datasets.Value("string"),
        "location": datasets.Value("string"),
        "membrane": datasets.Value("string"),
        "split": datasets.Value("string"),
        "length": datasets.Value("int32"),
        "line": datasets.Value("int64"),
        "lower": datasets.Value("bool"),
        "stop": datasets.Value("bool"),
        "fault": datasets.Value("string"),
    }
)
"""`fault` says why a record is skipped; the proteins that are used have none."""

SHOWN = 10
BROKEN, UNLABELLED = "broken", "unlabelled"
SKIP = {BROKEN: "data.on_error=skip", UNLABELLED: "data.unlabelled=skip"}
"""Why a record is not used, and the option that leaves such records out."""


@dataclass(frozen=True)
class Labelled:
    """A protein with what its file says of it.

    Attributes:
        protein: the record.
        location: as written, two locations included; empty where there is none.
        membrane: S soluble, M membrane, U unknown; None where the format does not say.
        split: train, validation or test; empty where the format does not say.
    """

    protein: Protein
    location: str
    membrane: str | None = None
    split: str = ""


@dataclass(frozen=True)
class Parsed:
    """A file's proteins, and what became of the others.

    Attributes:
        rows: columns as in `FEATURES`, no faults.
        counts: `skipped_broken` and `skipped_unlabelled`, where there are some.
        notes: the same for a person.
    """

    rows: datasets.Dataset
    counts: dict[str, int]
    notes: list[str]


Reader = Callable[[str], Iterator[Labelled | Broken]]


def cache_folder(cache_dir: str | None) -> Path:
    """`cache_dir`, or `$PROTLOC_CACHE`, or `~/.cache/protloc`, made if need be.

    Raises:
        UserError: it cannot be written.
    """
    folder = Path(cache_dir or os.environ.get("PROTLOC_CACHE") or Path.home() / ".cache" / "protloc").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: the cache cannot be made: {error.strerror}; give data.cache_dir=") from error
    return folder


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """No progress bars of `datasets`: what it does here takes seconds."""
    were_off = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            datasets.enable_progress_bars()


def content_hash(path: str) -> str:
    """SHA-256 of the file's bytes as they are, in hexadecimal.

    Raises:
        UserError: it cannot be read, or not a second time.
    """
    if comes_once(path):
        raise UserError(f"{path}: training reads its proteins twice: give a file, no pipe and no device")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        with open_bytes(path):  # says what is wrong with the file in our words
            raise


def parse(path: str, reader: Reader, options: str, data: DataConfig, *, unlabelled: str = "error") -> Parsed:
    """Every record of a file, checked, as a memory-mapped dataset with the columns of `FEATURES`.

    Args:
        path: the file.
        reader: yields its records.
        options: what else the rows depend on, for the cache's key.
        data: says where the cache is, and whether broken records are skipped.
        unlabelled: `skip` leaves the proteins without a location out.

    Raises:
        UserError: the file cannot be read, or has records that are not to be skipped: the first ten and their number.
            Nothing is cached then.
    """
    skip = {BROKEN} if data.on_error == "skip" else set()
    skip |= {UNLABELLED} if unlabelled == "skip" else set()
    key = f"{LAYOUT} {protloc.__version__} {content_hash(path)} {options} {sorted(skip)}"
    fingerprint = hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        rows = datasets.Dataset.from_generator(
            _rows,
            features=FEATURES,
            cache_dir=str(cache_folder(data.cache_dir) / "parsed"),
            gen_kwargs={"path": path, "reader": reader, "skip": skip},
            fingerprint=fingerprint,
        )
    except datasets.exceptions.DatasetGenerationError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, UserError):
            raise cause from None
        raise
    return _without_faults(rows, path)


def _rows(path: str, reader: Reader, skip: Container[str]) -> Iterator[dict[str, Any]]:
    broken: list[Broken] = []
    kinds: Counter[str] = Counter()
    for record in reader(path):
        if isinstance(record, Labelled) and like_nucleotides(record.protein.sequence):
            record = Broken(record.protein.id, record.protein.line, f"{NUCLEIC}; translate it")
        kind = UNLABELLED if isinstance(record, Unlabelled) else BROKEN
        if isinstance(record, Broken) and kind not in skip:
            kinds[kind] += 1
            broken += [record] * (kinds.total() <= SHOWN)
        elif not kinds:
            yield _fault(record, kind) if isinstance(record, Broken) else _row(record)
    if kinds:
        total = kinds.total()
        options = " and ".join(option for kind, option in SKIP.items() if kind in kinds)
        told = complaint(f"{total} {' or '.join(sorted(kinds))} records", path, broken, total)
        raise UserError(f"{told}{' ' if total == 1 else chr(10) + '  '}({options} goes on without)")


def _row(record: Labelled) -> dict[str, Any]:
    p = record.protein
    return {
        "id": p.id, "sequence": p.sequence, "location": record.location, "membrane": record.membrane,
        "split": record.split, "length": len(p.sequence), "line": p.line, "lower": p.lower, "stop": p.stop,
        "fault": None,
    }  # fmt: skip


def _fault(record: Broken, kind: str) -> dict[str, Any]:
    empty = _row(Labelled(Protein(record.id, "", line=record.line), ""))
    return {**empty, "fault": f"{kind}: {record.reason}"}


def _without_faults(rows: datasets.Dataset, path: str) -> Parsed:
    """The rows to be used; the others are counted, the first of each kind is told."""
    faults = rows.data.column("fault")
    if faults.null_count == len(faults):
        return Parsed(rows, {}, [])
    sound = faults.is_null().to_numpy()
    counts, notes = {}, []
    for kind in (BROKEN, UNLABELLED):
        found = [i for i in np.flatnonzero(~sound) if faults[i].as_py().startswith(kind)]
        if found:
            counts[f"skipped_{kind}"] = len(found)
            first = rows[int(found[0])]
            example = Broken(first["id"], first["line"], first["fault"].removeprefix(f"{kind}: "))
            what = f"{len(found)} {kind} record{'s' * (len(found) > 1)}"
            notes.append(f"{what} skipped, the first is {example.told(path)}")
    return Parsed(rows.select(np.flatnonzero(sound)), counts, notes)


def complaint(what: str, path: str, records: list[Broken], total: int) -> str:
    """One line for one record, and a line each for the first ten of many."""
    lines = [record.told(path) for record in records[:SHOWN]]
    if total == 1:
        return lines[0]
    more = [f"... and {total - len(lines)} more"] if total > len(lines) else []
    return "\n  ".join([f"{path}: {what}", *lines, *more])
