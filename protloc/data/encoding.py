"""Residues to token ids by one table look-up a residue, and the crop of long proteins."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def kept_ends(length: int, max_residues: int | None, how: str) -> tuple[int, int]:
    """How many residues a protein of `length` keeps from its start and from its end.

    `middle` loses the middle, because signals sit at both ends: signal and transit peptides at the start, KDEL and
    SKL at the end. An odd residue goes to the start. A protein that fits is all start: `(length, 0)`.
    """
    if max_residues is None or length <= max_residues:
        return length, 0
    if how == "head":
        return max_residues, 0
    if how == "tail":
        return 0, max_residues
    return max_residues - max_residues // 2, max_residues // 2


def crop(sequence: str, max_residues: int | None, how: str) -> str:
    """The residues of `sequence` that the model reads, at most `max_residues` of them."""
    head, tail = kept_ends(len(sequence), max_residues, how)
    return sequence if head + tail == len(sequence) else sequence[:head] + sequence[len(sequence) - tail :]


def check_letters(tokenizer: PreTrainedTokenizerBase) -> int:
    """See that a tokenizer gives one id a letter; how many stand before the first.

    Raises:
        ValueError: it does not.
    """
    ids = np.asarray(tokenizer(string.ascii_uppercase)["input_ids"], dtype=np.int64)
    found = np.flatnonzero(ids == tokenizer.convert_tokens_to_ids("A"))
    if not len(found) or not found[0] <= len(ids) - len(string.ascii_uppercase):
        raise ValueError("it does not give one id a residue")
    return int(found[0])


class ResidueEncoder:
    """The tokenizer of a model folder as a table from byte to token id.

    One gather replaces the tokenizer's regular expressions and Python objects. The table is read off the tokenizer
    itself, letter by letter, so the two cannot differ.

    Attributes:
        table: token id of each byte, -1 where the byte is no residue. Shape `(256,)`, int32.
        start: ids before the residues. Shape `(S,)`, int32.
        end: ids behind the residues. Shape `(E,)`, int32.
        max_residues: longest protein read whole, in residues; None means any length.
        how: what a longer one keeps, as in `kept_ends`.
        shortest: residues of the shortest protein that the model has learned from; None where that is not known.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_residues: int | None, how: str, shortest: int | None = None
    ) -> None:
        self.max_residues, self.how, self.shortest = max_residues, how, shortest
        self.table = np.full(256, -1, dtype=np.int32)
        ids = np.asarray(tokenizer(string.ascii_uppercase)["input_ids"], dtype=np.int32)
        first = check_letters(tokenizer)
        self.start, residues, self.end = np.split(ids, [first, first + len(string.ascii_uppercase)])
        self.table[list(string.ascii_uppercase.encode())] = residues

    def read(self, sequence: str) -> str:
        """The residues of a protein that the model will see."""
        return crop(sequence, self.max_residues, self.how)

    def encode(self, sequence: str) -> np.ndarray:
        """Token ids of one protein, cropped, with the backbone's start and end tokens.

        Args:
            sequence: upper-case residues, as `protloc.data` reads them.

        Returns:
            Shape `(S + residues read + E,)`, int32.
        """
        residues = self.table[np.frombuffer(self.read(sequence).encode("ascii"), dtype=np.uint8)]
        assert residues.min(initial=0) >= 0, "sequences are checked where they are read"
        return np.concatenate([self.start, residues, self.end])
