"""The demo data: SCL2205, real Swiss-Prot proteins in 13 classes with homology-reduced splits.

They come inside the package p-scldata (MIT licence), so the demo needs no download of its own.

    python -m protloc.data.demo test proteins.fasta     writes a split as FASTA
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from protloc.config import DemoData
from protloc.data.fasta import write_fasta
from protloc.data.parse import Labelled, parse
from protloc.data.records import Broken, check
from protloc.data.source import Source
from protloc.errors import UserError

SPLITS = {"train": "train", "validation": "eval", "test": "heldout"}
"""Our names and the package's."""


def read_demo(options: DemoData) -> Source:
    """The three splits.

    Raises:
        UserError: the package is not installed, or is the version that ships no data.
    """
    path = str(_file())
    splits = {
        split: parse(path, partial(_labelled, split=split), f"demo {split} {version('p-scldata')}", options).rows
        for split in SPLITS
    }
    return Source("demo", splits, dict.fromkeys(SPLITS, path))


def _labelled(path: str, split: str) -> Iterator[Labelled | Broken]:
    for line, (id, row) in enumerate(_frame(split).iterrows(), start=1):
        record = check(str(id), row["seq"].encode(), "", line)
        yield record if isinstance(record, Broken) else Labelled(record, row["scl"])


def _frame(split: str) -> Any:
    from scldata import loader

    return loader.load(SPLITS[split])


def _file() -> Path:
    """The package's table of proteins, whose content keys the cache."""
    try:
        import scldata
    except ImportError as error:
        raise UserError("data=demo needs the package p-scldata: pip install 'protloc[demo]'") from error
    table = Path(scldata.__file__).parent / "data" / "scl2205.csv"
    if not table.is_file():
        raise UserError("data=demo needs p-scldata 2025.6.0, which ships the proteins: pip install 'protloc[demo]'")
    return table


def main(arguments: list[str]) -> None:
    """Write a split of the demo set as FASTA, headers `>ID location`."""
    if len(arguments) != 2 or arguments[0] not in SPLITS:
        sys.exit("usage: python -m protloc.data.demo train|validation|test OUT.fasta")
    split, target = arguments
    try:
        _file()
        target_path = Path(target)
        target_path.parent.mkdir(parents=True, exist_ok=True)
        write_fasta(target_path, ((f"{id} {row['scl']}", row["seq"]) for id, row in _frame(split).iterrows()))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
