"""The classes of a model and their order, and how the text of a label names one of them or several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protloc.errors import UserError

RESERVED = ("id", "location", "probability", "membrane", "length", "residues_read", "warnings", "true")
"""The predictions table's own columns; each class makes another, so no class may have one of these names."""

WHOLE = "none"
"""`data.label_separator`: a label is one class, whatever it holds."""

BETWEEN = "|"
"""Stands between the places of one protein in everything that protloc writes."""

SEPARATORS = ("|", ";", ",")
"""What people put between the places of one protein."""


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


def places(label: str, separator: str) -> list[str]:
    """The classes that a label names, in its order, each once.

    Args:
        label: as in the file.
        separator: between them, or `none`.
    """
    if separator == WHOLE:
        return [label]
    return list(dict.fromkeys(part.strip() for part in label.split(separator) if part.strip()))


def check_separator(labels: Sequence[str], separator: str, where: str) -> None:
    """Refuse labels that hold another separator between parts which are classes by themselves.

    Args:
        labels: of the training proteins.
        separator: `data.label_separator`.
        where: the file, for the message.

    Raises:
        UserError: there are such labels; it says which option to give.
    """
    if separator == WHOLE:
        return
    classes = {part for label in set(labels) for part in places(label, separator)}
    for other in SEPARATORS:
        joined = [name for name in sorted(classes) if other in name and set(places(name, other)) <= classes - {name}]
        if joined and other != separator:
            raise UserError(
                f"{where}: class {joined[0]!r} is made of other classes: give 'data.label_separator=\"{other}\"' where "
                f"{other!r} stands between the places of a protein, or data.label_separator={WHOLE} to keep it whole",
                exit_code=2,
            )
