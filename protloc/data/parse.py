"""A labelled file parsed once into memory-mapped Arrow, cached by its content.

The rows of 10 GB of FASTA never stand in memory together: they stream from the parser into an Arrow file, and come
back from there page by page.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

import protloc
from protloc.data.doubts import NUCLEIC, like_nucleotides
from protloc.data.records import Broken, Protein
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
    }
)
SHOWN = 10


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


def parse(path: str, reader: Reader, options: str, cache_dir: str | None) -> datasets.Dataset:
    """Every record of a file, checked, as a memory-mapped dataset with the columns of `FEATURES`.

    Args:
        path: the file.
        reader: yields its records; an exception or a `Broken` record stops the parse, and nothing is cached.
        options: what else the rows depend on, for the cache's key.
        cache_dir: see `cache_folder`.

    Raises:
        UserError: the file cannot be read, or records are broken: the first ten and their number.
    """
    key = f"{LAYOUT} {protloc.__version__} {content_hash(path)} {options}"
    fingerprint = hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        return datasets.Dataset.from_generator(
            _rows,
            features=FEATURES,
            cache_dir=str(cache_folder(cache_dir) / "parsed"),
            gen_kwargs={"path": path, "reader": reader},
            fingerprint=fingerprint,
        )
    except datasets.exceptions.DatasetGenerationError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, UserError):
            raise cause from None
        raise


def _rows(path: str, reader: Reader) -> Iterator[dict[str, Any]]:
    broken: list[Broken] = []
    total = 0
    for record in reader(path):
        if isinstance(record, Labelled) and like_nucleotides(record.protein.sequence):
            record = Broken(record.protein.id, record.protein.line, f"{NUCLEIC}; translate it")
        if isinstance(record, Broken):
            total += 1
            broken += [record] * (total <= SHOWN)
        elif not total:
            p = record.protein
            yield {
                "id": p.id, "sequence": p.sequence, "location": record.location, "membrane": record.membrane,
                "split": record.split, "length": len(p.sequence), "line": p.line, "lower": p.lower, "stop": p.stop,
            }  # fmt: skip
    if total:
        raise UserError(complaint(f"{total} broken record{'s' * (total > 1)}", path, broken, total))


def complaint(what: str, path: str, records: list[Broken], total: int) -> str:
    """One line for one record, and a line each for the first ten of many."""
    lines = [record.told(path) for record in records[:SHOWN]]
    if total == 1:
        return lines[0]
    more = [f"... and {total - len(lines)} more"] if total > len(lines) else []
    return "\n  ".join([f"{path}: {what}", *lines, *more])
