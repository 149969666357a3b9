"""Accessions in ids."""

from __future__ import annotations

import pytest

from protloc.data.accession import accession


@pytest.mark.parametrize(
    ("id", "found"),
    [
        ("sp|P12345|AATM_RABIT", "P12345"),
        ("tr|A0A024R161|A0A024R161_HUMAN", "A0A024R161"),
        ("sp|P12345-2|AATM_RABIT", "P12345-2"),
        ("Q9H400", "Q9H400"),
        ("UniRef50_Q9H400", "Q9H400"),
        ("NP_000509.1", "NP_000509.1"),
        ("ref|NP_000509.1|", "NP_000509.1"),
        ("gi|4504349|ref|NP_000509.1|", "NP_000509.1"),
        ("gb|AAA16334.1|", "AAA16334.1"),
        ("AAA16334.1", "AAA16334.1"),
        ("WP_003131952.1", "WP_003131952.1"),
        ("protein1", ""),
        ("P1234", ""),
        ("sp|nothing|x", ""),
        ("my|P12345|x", ""),
        ("", ""),
    ],
)
def test_accession(id: str, found: str) -> None:
    assert accession(id) == found
