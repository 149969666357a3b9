"""Which task the labels ask for, and what they must not be."""

from __future__ import annotations

import re

import numpy as np
import pytest

from protloc.errors import UserError
from protloc.tasks.choose import Wanted, choose_task, saved_task
from protloc.tasks.labels import places
from protloc.tasks.multilabel import STRATUM, Multilabel
from protloc.tasks.single import SingleLabel
from protloc.tasks.task import Task
from tests.models import SEVERAL, TASK


def chosen(labels: list[str], separator: str = "|", letters: tuple[str | None, ...] = (None,), **wanted: str) -> Task:
    return choose_task(Wanted(**wanted), labels, letters, separator, "x.fasta")


def test_one_place_each_is_single() -> None:
    task = chosen(["Nucleus", "Golgi", "Nucleus"])
    assert (type(task), task.names, task.has_membrane) == (SingleLabel, ("Golgi", "Nucleus"), False)
    assert isinstance(chosen(["Nucleus", "Golgi"], task="multilabel"), Multilabel)


def test_one_protein_with_two_places_is_enough() -> None:
    task = chosen(["Nucleus", "Golgi", "Nucleus | Cytoplasm"])
    assert (type(task), task.names) == (Multilabel, ("Cytoplasm", "Golgi", "Nucleus"))


def test_the_membrane_by_itself_where_there_are_several_places_and_it_is_known() -> None:
    assert chosen(["A", "B|A"], letters=("S", "U")).has_membrane
    assert not chosen(["A", "B|A"], letters=("U", None)).has_membrane
    assert not chosen(["A", "B|A"], letters=("S", "M"), membrane="off").has_membrane
    assert not chosen(["A", "B"], letters=("S", "M")).has_membrane
    assert chosen(["A", "B"], letters=("S", "M"), membrane="on").has_membrane


@pytest.mark.parametrize(
    ("labels", "separator", "wanted", "message"),
    [
        (
            ["A", "B", "A;B"],
            "|",
            {},
            "x.fasta: class 'A;B' is made of other classes: give 'data.label_separator=\";\"",
        ),
        (
            ["A", "B", "A, B"],
            "|",
            {},
            "x.fasta: class 'A, B' is made of other classes: give 'data.label_separator",
        ),
        (["A", "A|B"], "|", {"task": "single"}, "x.fasta: task=single, but 1 training proteins have several places"),
        (["A", "A"], "|", {}, "x.fasta: one class only, 'A'; a classifier needs 2 or more"),
        (["A", "membrane"], "|", {}, "x.fasta: class 'membrane' is named like a column of the predictions: rename it"),
        (["A", "B|x;A"], ";", {}, "x.fasta: class 'B|x' holds '|', which stands between the places of a protein"),
        (["A", "B"], "|", {"membrane": "on"}, "x.fasta: model.membrane=on, but nothing is said of membranes there"),
    ],
)
def test_labels_that_need_a_word(labels: list[str], separator: str, wanted: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match="^" + re.escape(message)):
        choose_task(Wanted(**wanted), labels, [None], separator, "x.fasta")


def test_labels_kept_whole() -> None:
    assert chosen(["A", "B", "A;B"], "none").names == ("A", "A;B", "B")
    assert chosen(["A", "Lysosome, late"]).names == ("A", "Lysosome, late"), "its parts are no classes"


def test_places_of_a_label() -> None:
    assert places("A; B;;A", ";") == ["A", "B"]
    assert places("A;B", "none") == ["A;B"]
    assert places(" ; ", ";") == []


def test_targets_of_both_tasks() -> None:
    assert TASK.targets(["Plastid", "Cytoplasm"], [None, "M"]).tolist() == [2, 0]
    found = SEVERAL.targets(["Cytoplasm|Plastid", "Nucleus", "Plastid"], ["S", "U", "M"])
    assert found.tolist() == [[1, 0, 1, 0], [0, 1, 0, -1], [0, 0, 1, 1]]
    assert SEVERAL.members(found).tolist() == [[True, False, True], [False, True, False], [False, False, True]]
    assert SEVERAL.written({"Plastid", "Cytoplasm"}) == "Cytoplasm|Plastid"


def test_rare_sets_are_dealt_out_with_their_rarest_class() -> None:
    locations = ["Nucleus"] * 30 + ["Cytoplasm|Nucleus"] * STRATUM + ["Cytoplasm|Plastid", "Nucleus|Plastid", "Plastid"]
    strata = SEVERAL.strata(locations)
    assert len(set(strata[:30])) == len(set(strata[30:50])) == len(set(strata[50:])) == 1
    assert len(set(strata)) == 3


def test_a_saved_task_is_the_task() -> None:
    thresholds = {"Cytoplasm": 0.3, "Nucleus": 0.5, "Plastid": 0.7}
    assert saved_task(SEVERAL.names, "multi_label_classification", thresholds, 0.4) == SEVERAL
    assert saved_task(TASK.names, "single_label_classification", None, None) == TASK
    with pytest.raises(ValueError, match="'regression' is none of protloc's"):
        saved_task(TASK.names, "regression", None, None)
    assert SEVERAL.settings() == {
        "problem_type": "multi_label_classification", "membrane_threshold": 0.4, "thresholds": thresholds,
    }  # fmt: skip


def test_fitting_moves_thresholds_and_nothing_else() -> None:
    logits = np.array(
        [[2.0, -3.0, -3.0, 1.0], [1.0, -1.0, -3.0, -1.0], [-2.0, 3.0, -1.0, 2.0], [-3.0, -2.0, 2.0, -2.0]]
    )
    targets = SEVERAL.targets(["Cytoplasm", "Nucleus", "Nucleus", "Plastid"], ["M", "S", "M", "S"])
    fitted = SEVERAL.fitted(logits, targets)
    assert fitted.names == SEVERAL.names
    assert fitted.right(logits, targets).tolist() == [True, True, True, True]
    assert SEVERAL.right(logits, targets).tolist() == [True, False, True, True]
    assert 0.27 < fitted.membrane_threshold < 0.73
    assert SEVERAL.thresholds == (0.3, 0.5, 0.7), "the one that was fitted is another"


def test_a_figure_that_the_task_lacks() -> None:
    with pytest.raises(UserError, match=r"trainer.monitor=jaccard, but task=single has accuracy, "):
        TASK.check_monitor("jaccard")
