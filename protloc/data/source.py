"""What every data set gives: its splits as parsed, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import datasets


@dataclass(frozen=True)
class Source:
    """The rows of a data set before classes are numbered.

    Attributes:
        name: the data set.
        splits: `train`, and `validation` and `test` where the data has them; columns as in `parse.FEATURES`.
        files: where each split came from, for messages.
        counts: what was dropped or relabelled.
        notes: the same for a person.
    """

    name: str
    splits: dict[str, datasets.Dataset]
    files: dict[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
