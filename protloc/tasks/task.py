"""What a model predicts of a protein, and everything that follows from it.

Training, evaluation, the table, the server, the plots and the card ask the task; none of them knows whether a protein
has one place or several.

N proteins, C classes, W what the model answers: the classes, and behind them the membrane where it has that output.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from protloc.config import TrainerConfig, no_option
from protloc.errors import UserError
from protloc.tasks import membrane
from protloc.tasks.labels import BETWEEN, LabelSpace
from protloc.tasks.losses import Loss


@dataclass(frozen=True)
class Figure:
    """A figure for people: its name in `metrics.json`, in words, and how it is written."""

    name: str
    words: str
    format: str


@dataclass(frozen=True)
class Task(ABC):
    """A label space, and how a protein stands to it.

    Attributes:
        labels: the classes, in the order of the logits.
        has_membrane: the model also says whether a protein is bound to a membrane.
        membrane_threshold: the probability from which it is.
    """

    labels: LabelSpace
    has_membrane: bool = False
    membrane_threshold: float = membrane.UNFITTED

    name: ClassVar[str]
    problem_type: ClassVar[str]
    """As transformers has it in `config.json`; its `pipeline` takes the right function of the logits by it."""

    headline: ClassVar[tuple[Figure, ...]]
    """The figures that stand in logs, tables and cards."""

    per_class: ClassVar[tuple[str, ...]]
    """Columns of the table by class."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        return self.labels.names

    @property
    def width(self) -> int:
        """W."""
        return len(self.labels) + self.has_membrane

    @property
    def columns(self) -> list[str]:
        """The table's columns that `cells` fills."""
        return ["location", "probability", *self.names, *(["membrane"] if self.has_membrane else [])]

    @abstractmethod
    def places(self, text: str) -> list[str]:
        """The classes that a label of the corpus names."""

    def written(self, places: Collection[str]) -> str:
        """A protein's classes as the corpus and the tables have them: in the order of the logits."""
        return BETWEEN.join(name for name in self.names if name in places)

    def targets(self, locations: Sequence[str], letters: Sequence[str | None]) -> np.ndarray:
        """What the model is to say.

        Args:
            locations: of N proteins, as `written`.
            letters: S, M, U or None: what is known of the membrane.

        Returns:
            Single label: shape `(N,)`, int64, class numbers. Several labels: `(N, C)`, float32, 1 for each class. Where
            the model has a membrane output, one more column: 1, 0, or -1 where it is unknown.
        """
        classes = self.class_targets(locations)
        if not self.has_membrane:
            return classes
        column = membrane.targets(letters).astype(classes.dtype)
        return np.column_stack([classes, column])

    @abstractmethod
    def class_targets(self, locations: Sequence[str]) -> np.ndarray:
        """`targets` without the membrane."""

    @abstractmethod
    def members(self, targets: np.ndarray) -> np.ndarray:
        """From `targets` to `(N, C)`, bool: which classes each protein has."""

    @abstractmethod
    def strata(self, locations: Sequence[str]) -> np.ndarray:
        """Shape `(N,)`, int64: proteins that a stratified choice treats alike."""

    @abstractmethod
    def loss(self, options: TrainerConfig, targets: np.ndarray) -> Loss:
        """The loss that training minimizes; `targets` are those of the training proteins."""

    @abstractmethod
    def probabilities(self, logits: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """From the classes' logits `(N, C)` to `(N, C)`, float64; 0 for classes that are excluded."""

    @abstractmethod
    def decide(self, probabilities: np.ndarray, excluded: Collection[int] = ()) -> np.ndarray:
        """From probabilities `(N, C)` to `(N, C)`, bool: the classes that a protein is said to have, one or more."""

    def fitted(self, logits: np.ndarray, targets: np.ndarray) -> Self:
        """This task, with the thresholds that suit these proteins best: those of validation, never of test."""
        if not self.has_membrane:
            return self
        threshold = membrane.threshold(logits[:, -1], targets[:, -1])
        return dataclasses.replace(self, membrane_threshold=threshold)

    def figures(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Every figure with its interval, and those of each class by its name.

        Args:
            logits: shape `(N, W)`.
            targets: as `targets` gives them.
        """
        classes = logits[:, : len(self.labels)]
        probabilities = self.probabilities(classes)
        found = self.class_figures(probabilities, self.decide(probabilities), self.members(targets))
        found["per_class"] = dict(zip(self.names, found["per_class"], strict=True))
        if self.has_membrane:
            found["membrane"] = membrane.figures(logits[:, -1], targets[:, -1], self.membrane_threshold)
        return found

    @abstractmethod
    def class_figures(self, probabilities: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, Any]:
        """The figures over the classes, `interval_95` among them, with `per_class` as a list in their order."""

    @abstractmethod
    def summary(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The figures that are one number, as an epoch has them: without intervals, thresholds fitted on the spot."""

    def check_monitor(self, monitor: str) -> None:
        """Refuse a figure that this task does not have.

        Raises:
            UserError: see above.
        """
        if monitor not in self.monitors:
            raise UserError(
                f"trainer.monitor={monitor}, but task={self.name} has {', '.join(self.monitors)}", exit_code=2
            )

    @property
    @abstractmethod
    def monitors(self) -> tuple[str, ...]:
        """Figures that may choose the best epoch."""

    def right(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Shape `(N,)`, bool: the proteins whose classes are exactly those that were decided for."""
        predicted = self.decide(self.probabilities(logits[:, : len(self.labels)]))
        equal: np.ndarray = (predicted == self.members(targets)).all(1)
        return equal

    def numbers(self, exclude: Collection[str]) -> tuple[int, ...]:
        """The numbers of classes to be left out.

        Raises:
            UserError: a name is no class, or no class is left.
        """
        for name in exclude:
            if name not in self.labels:
                line = no_option(name, list(self.names)).replace("no option", "exclude: no class")
                raise UserError(line, exit_code=2)
        if len(set(exclude)) >= len(self.labels):
            raise UserError("exclude: no class is left", exit_code=2)
        return tuple(self.labels.index(name) for name in dict.fromkeys(exclude))

    def cells(self, logits: np.ndarray, excluded: Collection[int] = ()) -> Iterator[dict[str, Any]]:
        """The answer for each protein: the cells of `columns`, and `warning`, empty where all is well.

        `location` holds the classes that were decided for, the most probable first; `probability` is the first one's.

        Args:
            logits: shape `(N, W)`.
            excluded: numbers of classes that are left out.
        """
        classes = logits[:, : len(self.labels)]
        shares_NC = self.probabilities(classes, excluded)
        chosen_NC = self.decide(shares_NC, excluded)
        bound_N = membrane.probabilities(logits[:, -1]) if self.has_membrane else None
        for i, (shares, chosen) in enumerate(zip(shares_NC, chosen_NC, strict=True)):
            order = [int(c) for c in np.argsort(-shares, kind="stable") if chosen[c]]
            yield {
                "location": BETWEEN.join(self.names[c] for c in order),
                "probability": float(shares[order[0]]),
                **{name: float(share) for name, share in zip(self.names, shares, strict=True)},
                **({"membrane": float(bound_N[i])} if bound_N is not None else {}),
                "warning": self.doubt(shares, chosen),
            }

    def doubt(self, shares: np.ndarray, chosen: np.ndarray) -> str:
        """What a reader should know of one decision; `shares` and `chosen` are `(C,)`."""
        return ""

    @abstractmethod
    def draw(self, figures: Mapping[str, Any], title: str, folder: Path) -> None:
        """The picture of a split's figures, as a PNG in `folder`."""

    def settings(self) -> dict[str, Any]:
        """What a model folder's `config.json` keeps of the task, beside the classes."""
        return {
            "problem_type": self.problem_type,
            "membrane_threshold": self.membrane_threshold if self.has_membrane else None,
        }
