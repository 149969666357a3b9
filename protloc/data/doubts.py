"""What makes a protein doubtful, though each of its letters is one: the model gives an answer to anything."""

from __future__ import annotations

from collections.abc import Iterator

NUCLEOTIDES = "ACGTUN"
LEAST, SHARE = 20, 0.9
"""Letters, and the share of them, from which a sequence is taken for DNA or RNA: of 318,370 proteins of Swiss-Prot,
the one that is richest in these letters has 81 %."""

NUCLEIC = "looks like nucleotides"
SHORT = "shorter than any training protein"
NO_START = "no M at the start: a fragment?"
UNKNOWN = "mostly X"
DOUBTS = (NUCLEIC, SHORT, NO_START, UNKNOWN)


def like_nucleotides(sequence: str) -> bool:
    """Whether this is DNA or RNA rather than a protein."""
    return len(sequence) >= LEAST and sum(map(sequence.count, NUCLEOTIDES)) >= SHARE * len(sequence)


def doubts(sequence: str, shortest: int | None = None) -> Iterator[str]:
    """Those of `DOUBTS` that this protein raises.

    Args:
        sequence: upper-case residues.
        shortest: residues of the shortest training protein; None where the model does not say.
    """
    if like_nucleotides(sequence):
        yield NUCLEIC
    if shortest is not None and len(sequence) < shortest:
        yield SHORT
    if not sequence.startswith("M"):
        yield NO_START
    if 2 * sequence.count("X") > len(sequence):
        yield UNKNOWN
