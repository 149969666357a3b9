"""Logits to the table's rows."""

import numpy as np
import pytest

from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein
from protloc.tasks.decision import columns, probabilities, rows
from tests.models import tiny_tokenizer


def test_probabilities_are_a_softmax() -> None:
    shares = probabilities(np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]]))
    assert shares == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))


def test_a_row_says_what_was_read() -> None:
    encoder = ResidueEncoder(tiny_tokenizer(), 4, "middle")
    proteins = [Protein("a", "MKVLUX", "", 1), Protein("b", "MKV", "", 3)]
    first, second = rows(proteins, np.log([[0.2, 0.8], [0.9, 0.1]]), ["Golgi", "Nucleus"], encoder)
    assert list(first) == columns(["Golgi", "Nucleus"])
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
