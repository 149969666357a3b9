"""What makes a protein doubtful."""

from __future__ import annotations

import random

import pytest

from protloc.data.doubts import NO_START, NUCLEIC, SHORT, UNKNOWN, doubts, like_nucleotides
from protloc.data.read import read_proteins
from protloc.data.records import Protein
from tests.scripts import DEEPLOC


@pytest.mark.parametrize(
    ("sequence", "found"),
    [
        ("MKVLAAGIVGLAL", []),
        ("KVLAAGIVGLAL", [NO_START]),
        ("MKVL", [SHORT]),
        ("ATGGCC" * 10, [NUCLEIC, NO_START]),
        ("AUGGCC" * 10, [NUCLEIC, NO_START]),
        ("ATGRCCNNYA" * 9, [NO_START]),  # four in five: too many ambiguous letters to be sure
        ("ATGACCNNYA" * 9, [NUCLEIC, NO_START]),
        ("ATGGCCATG", [NO_START]),  # too short to be sure
        ("MXXXXXXXXX", [UNKNOWN]),
        ("MKVXXXKV", []),
    ],
)
def test_doubts(sequence: str, found: list[str]) -> None:
    assert list(doubts(sequence, shortest=5)) == found


def test_a_model_that_does_not_say_its_shortest() -> None:
    assert list(doubts("MK", None)) == []


def test_dna_is_told_from_proteins() -> None:
    """Every random stretch of DNA, and no real protein."""
    draw = random.Random(0)
    assert all(like_nucleotides("".join(draw.choices("ACGT", k=draw.randint(20, 500)))) for _ in range(1000))
    file = DEEPLOC / "deeploc_single_label.fasta"
    if not file.exists():
        pytest.skip("needs DeepLoc's proteins")
    found = [p.id for p in read_proteins(str(file)) if isinstance(p, Protein) and like_nucleotides(p.sequence)]
    assert found == []
