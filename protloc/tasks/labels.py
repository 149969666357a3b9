"""The classes of a model and their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RESERVED = ("id", "location", "probability", "length", "residues_read", "warnings")
"""The predictions table's own columns; each class makes another, so no class may have one of these names."""


@dataclass(frozen=True)
class LabelSpace:
    """Class names in the order of the logits; saved with the model."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, locations: Iterable[str]) -> LabelSpace:
        """The locations that occur, sorted, so that the order does not depend on that of the proteins."""
        return cls(tuple(sorted(set(locations))))

    def index(self, name: str) -> int:
        """The class number of a location; ValueError where it is none."""
        return self.names.index(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.names)
