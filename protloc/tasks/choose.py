"""The task of a run, from what its proteins say; and of a saved model, from what its folder says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protloc.errors import UserError
from protloc.tasks.labels import BETWEEN, RESERVED, LabelSpace, check_separator, places
from protloc.tasks.membrane import UNFITTED
from protloc.tasks.multilabel import Multilabel
from protloc.tasks.single import SingleLabel
from protloc.tasks.task import Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (SingleLabel, Multilabel)}
"""By name."""


@dataclass(frozen=True)
class Wanted:
    """What the options say of the task.

    Attributes:
        task: `auto`, `single` or `multilabel`.
        membrane: `auto`, `on` or `off`.
    """

    task: str = "auto"
    membrane: str = "auto"


def choose_task(
    wanted: Wanted, labels: Sequence[str], letters: Collection[str | None], separator: str, where: str
) -> Task:
    """The task that the training proteins ask for.

    Args:
        wanted: the options.
        labels: of the training proteins, as in the file.
        letters: all that is said of their membranes: S, M, U or None.
        separator: `data.label_separator`.
        where: the file, for messages.

    Raises:
        UserError: the labels do not fit the options, or cannot be classes.
    """
    check_separator(labels, separator, where)
    sets = {label: places(label, separator) for label in dict.fromkeys(labels)}
    several = sum(len(sets[label]) > 1 for label in labels)
    if wanted.task == "single" and several:
        first = next(label for label, found in sets.items() if len(found) > 1)
        raise UserError(
            f"{where}: task=single, but {several} training proteins have several places ({first!r}): give "
            "task=multilabel, or data.label_separator=none to keep such labels whole",
            exit_code=2,
        )
    is_multilabel = wanted.task == "multilabel" or bool(several)
    space = LabelSpace.of(name for found in sets.values() for name in found)
    _check_names(space, where, is_multilabel)
    known = bool({"S", "M"} & set(letters))
    if wanted.membrane == "on" and not known:
        raise UserError(
            f"{where}: model.membrane=on, but nothing is said of membranes there: data=deeploc and data=deeploc2 do",
            exit_code=2,
        )
    has_membrane = wanted.membrane == "on" or (wanted.membrane == "auto" and is_multilabel and known)
    kind: type[Task] = Multilabel if is_multilabel else SingleLabel
    return kind(space, has_membrane)


def _check_names(space: LabelSpace, where: str, is_multilabel: bool) -> None:
    for name in space.names:
        if name in RESERVED:
            raise UserError(f"{where}: class {name!r} is named like a column of the predictions: rename it")
        if is_multilabel and BETWEEN in name:
            raise UserError(
                f"{where}: class {name!r} holds {BETWEEN!r}, which stands between the places of a protein: rename it"
            )
    if len(space) < 2:
        raise UserError(f"{where}: one class only, {space.names[0]!r}; a classifier needs 2 or more")


def saved_task(
    names: Sequence[str], problem_type: str, thresholds: Mapping[str, float] | None, membrane_threshold: float | None
) -> Task:
    """The task of a model folder, from its `config.json`.

    Raises:
        ValueError: the problem type is none of ours.
    """
    space, has_membrane = LabelSpace(tuple(names)), membrane_threshold is not None
    bound = UNFITTED if membrane_threshold is None else membrane_threshold
    if problem_type == SingleLabel.problem_type:
        return SingleLabel(space, has_membrane, bound)
    if problem_type == Multilabel.problem_type:
        limits = tuple(thresholds[name] for name in names) if thresholds else ()
        return Multilabel(space, has_membrane, bound, limits)
    raise ValueError(f"problem_type {problem_type!r} is none of protloc's")


def task_of(config: Any) -> Task:
    """The task of a `ProteinClassifierConfig`."""
    names = [config.id2label[i] for i in range(config.num_labels)]
    return saved_task(names, config.problem_type, config.thresholds, config.membrane_threshold)
