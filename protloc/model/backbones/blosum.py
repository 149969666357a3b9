"""BLOSUM62: how readily one residue stands in for another in related proteins (Henikoff and Henikoff 1992).

The scores are in half bits: log-odds of seeing two residues aligned, against chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
SCORES = """
A  4  0 -2 -1 -2  0 -2 -1 -1 -1 -1 -2 -1 -1 -1  1  0  0 -3 -2
C  0  9 -3 -4 -2 -3 -3 -1 -3 -1 -1 -3 -3 -3 -3 -1 -1 -1 -2 -2
D -2 -3  6  2 -3 -1 -1 -3 -1 -4 -3  1 -1  0 -2  0 -1 -3 -4 -3
E -1 -4  2  5 -3 -2  0 -3  1 -3 -2  0 -1  2  0  0 -1 -2 -3 -2
F -2 -2 -3 -3  6 -3 -1  0 -3  0  0 -3 -4 -3 -3 -2 -2 -1  1  3
G  0 -3 -1 -2 -3  6 -2 -4 -2 -4 -3  0 -2 -2 -2  0 -2 -3 -2 -3
H -2 -3 -1  0 -1 -2  8 -3 -1 -3 -2  1 -2  0  0 -1 -2 -3 -2  2
I -1 -1 -3 -3  0 -4 -3  4 -3  2  1 -3 -3 -3 -3 -2 -1  3 -3 -1
K -1 -3 -1  1 -3 -2 -1 -3  5 -2 -1  0 -1  1  2  0 -1 -2 -3 -2
L -1 -1 -4 -3  0 -4 -3  2 -2  4  2 -3 -3 -2 -2 -2 -1  1 -2 -1
M -1 -1 -3 -2  0 -3 -2  1 -1  2  5 -2 -2  0 -1 -1 -1  1 -1 -1
N -2 -3  1  0 -3  0  1 -3  0 -3 -2  6 -2  0  0  1  0 -3 -4 -2
P -1 -3 -1 -1 -4 -2 -2 -3 -1 -3 -2 -2  7 -1 -2 -1 -1 -2 -4 -3
Q -1 -3  0  2 -3 -2  0 -3  1 -2  0  0 -1  5  1  0 -1 -2 -2 -1
R -1 -3 -2  0 -3 -2  0 -3  2 -2 -1  0 -2  1  5 -1 -1 -3 -3 -2
S  1 -1  0  0 -2  0 -1 -2  0 -2 -1  1 -1  0 -1  4  1 -2 -3 -2
T  0 -1 -1 -1 -2 -2 -2 -1 -1 -1 -1  0 -1 -1 -1  1  5  0 -2 -2
V  0 -1 -3 -2 -1 -3 -3  3 -2  1  1 -3 -2 -2 -3 -2  0  4 -3 -1
W -3 -2 -4 -3  1 -2 -2 -3 -3 -2 -1 -4 -4 -2 -3 -3 -2 -3 11  2
Y -2 -2 -3 -2  3 -3  2 -1 -2 -1 -1 -2 -3 -1 -2 -2 -2 -1  2  7
"""
FREQUENCIES = {
    "A": 0.074, "C": 0.025, "D": 0.054, "E": 0.054, "F": 0.047, "G": 0.074, "H": 0.026, "I": 0.068, "K": 0.058,
    "L": 0.099, "M": 0.025, "N": 0.045, "P": 0.039, "Q": 0.034, "R": 0.052, "S": 0.057, "T": 0.051, "V": 0.073,
    "W": 0.013, "Y": 0.032,
}  # fmt: skip
"""How often each residue stands in the aligned blocks behind the scores."""


def scores() -> Tensor:
    """The matrix in the order of `RESIDUES`. Shape `(20, 20)`, float32, half bits."""
    return torch.tensor([[float(cell) for cell in line.split()[1:]] for line in SCORES.strip().splitlines()])


def substitutions() -> Tensor:
    """Probability of each other residue where one is replaced: its frequency times the odds. Rows sum to 1.

    Shape `(20, 20)`, float32, zero on the diagonal.
    """
    frequencies = torch.tensor([FREQUENCIES[residue] for residue in RESIDUES])
    likely = frequencies * 2 ** (scores() / 2)
    likely.fill_diagonal_(0)
    return likely / likely.sum(1, keepdim=True)
