"""Logits to the table's rows."""

import numpy as np
import pytest

from protloc.data.answers import columns, rows
from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein
from protloc.tasks.labels import LabelSpace
from protloc.tasks.multilabel import Multilabel
from protloc.tasks.single import SingleLabel
from tests.models import SEVERAL, TASK, tiny_tokenizer

TWO = SingleLabel(LabelSpace(("Golgi", "Nucleus")))


def logit(probabilities: list[list[float]]) -> np.ndarray:
    p = np.array(probabilities)
    return np.log(p / (1 - p))


def test_probabilities_are_a_softmax() -> None:
    shares = TWO.probabilities(np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]]))
    assert shares == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))


def test_a_row_says_what_was_read() -> None:
    encoder = ResidueEncoder(tiny_tokenizer(), 4, "middle")
    proteins = [Protein("a", "MKVLUX", "", 1), Protein("b", "MKV", "", 3)]
    first, second = rows(proteins, np.log([[0.2, 0.8], [0.9, 0.1]]), TWO, encoder)
    assert list(first) == columns(TWO)
    assert first == {
        "id": "a",
        "location": "Nucleus",
        "probability": pytest.approx(0.8),
        "Golgi": pytest.approx(0.2),
        "Nucleus": pytest.approx(0.8),
        "length": 6,
        "residues_read": 4,
        "warnings": "2 of 6 residues not read; 2 of 4 residues are none of the twenty",
    }
    assert (second["location"], second["warnings"]) == ("Golgi", "")


def test_several_places_the_most_probable_first_and_the_membrane() -> None:
    encoder = ResidueEncoder(tiny_tokenizer(), None, "middle")
    proteins = [Protein(id, "MKV") for id in "abc"]
    said = logit([[0.31, 0.9, 0.69, 0.25], [0.1, 0.2, 0.6, 0.8], [0.29, 0.1, 0.1, 0.5]])
    first, second, third = rows(proteins, said, SEVERAL, encoder)
    assert list(first) == columns(SEVERAL)
    assert (first["location"], first["probability"]) == ("Nucleus|Cytoplasm", pytest.approx(0.9))
    assert (first["membrane"], first["Plastid"], first["warnings"]) == (pytest.approx(0.25), pytest.approx(0.69), "")
    # none reaches its threshold: Plastid lacks 0.1, Cytoplasm 0.2, Nucleus 0.3
    assert (second["location"], second["probability"]) == ("Plastid", pytest.approx(0.6))
    assert second["warnings"] == "no place reaches its threshold; the nearest is given"
    assert third["location"] == "Cytoplasm"


@pytest.mark.parametrize("exclude", [["Plastid"], ["Cytoplasm"], ["Nucleus", "Cytoplasm"]])
def test_what_is_left_of_one_label_sums_to_one(exclude: list[str]) -> None:
    said = np.random.default_rng(0).normal(size=(50, 3)) * 3
    numbers = TASK.numbers(exclude)
    before, after = TASK.probabilities(said), TASK.probabilities(said, numbers)
    left = [i for i in range(3) if i not in numbers]
    np.testing.assert_allclose(after.sum(1), 1.0)
    assert not after[:, list(numbers)].any()
    np.testing.assert_allclose(after[:, left], before[:, left] / before[:, left].sum(1, keepdims=True))
    assert not {cells["location"] for cells in TASK.cells(said, numbers)} & set(exclude)


def test_thresholds_stay_where_classes_are_excluded() -> None:
    said = logit([[0.31, 0.9, 0.69, 0.25], [0.1, 0.2, 0.8, 0.8]])
    first, second = SEVERAL.cells(said, SEVERAL.numbers(["Nucleus"]))
    assert (first["location"], first["Nucleus"], first["Cytoplasm"]) == ("Cytoplasm", 0.0, pytest.approx(0.31))
    assert second["location"] == "Plastid"


def test_without_thresholds_a_half_is_enough() -> None:
    task = Multilabel(LabelSpace(("A", "B")))
    assert [cells["location"] for cells in task.cells(logit([[0.6, 0.7], [0.4, 0.3]]))] == ["B|A", "A"]
