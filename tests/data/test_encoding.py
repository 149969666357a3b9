"""Residues to ids, and the crop."""

import numpy as np
import pytest

from protloc.data.encoding import ResidueEncoder, crop, kept_ends
from tests.models import tiny_tokenizer


@pytest.mark.parametrize(
    ("length", "limit", "how", "expected"),
    [
        (10, None, "middle", (10, 0)),
        (10, 10, "middle", (10, 0)),
        (11, 10, "middle", (5, 5)),
        (11, 9, "middle", (5, 4)),
        (11, 9, "head", (9, 0)),
        (11, 9, "tail", (0, 9)),
    ],
)
def test_kept_ends(length: int, limit: int | None, how: str, expected: tuple[int, int]) -> None:
    assert kept_ends(length, limit, how) == expected


@pytest.mark.parametrize(("how", "expected"), [("middle", "ABCIJ"), ("head", "ABCDE"), ("tail", "FGHIJ")])
def test_crop_keeps_the_ends_it_names(how: str, expected: str) -> None:
    assert crop("ABCDEFGHIJ", 5, how) == expected


def test_crop_leaves_what_fits() -> None:
    assert crop("ABCDE", 5, "middle") == "ABCDE"


def test_encoder_gives_the_tokenizers_ids_for_every_letter() -> None:
    tokenizer = tiny_tokenizer()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    encoded = ResidueEncoder(tokenizer, None, "middle").encode(letters)
    assert encoded.dtype == np.int32
    assert encoded.tolist() == tokenizer(letters)["input_ids"]
    # <pad> 0, <unk> 1, ACDEFGHIKLMNPQRSTVWY from 2, X 22: B, J, O, U, X and Z read as X
    assert "".join(str(i) + " " for i in encoded) == (
        "2 22 3 4 5 6 7 8 9 22 10 11 12 13 22 14 15 16 17 18 22 19 20 22 21 22 "
    )


def test_encoder_crops() -> None:
    encoder = ResidueEncoder(tiny_tokenizer(), 4, "middle")
    assert encoder.read("ACDEFGHI") == "ACHI"
    assert encoder.encode("ACDEFGHI").tolist() == [2, 3, 8, 9]
