"""Accessions in the ids of UniProt and NCBI, for joining a table with others."""

from __future__ import annotations

import re

UNIPROT = r"(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?:-\d+)?"
"""As UniProt gives them, with the number of an isoform."""

NCBI = r"(?:[ANWXYZ]P_\d+|[A-Z]{3}\d{5,7})\.\d+"
"""RefSeq's and GenBank's proteins with their version."""

FORMS = [
    re.compile(form)
    for form in (
        rf"({UNIPROT})",
        rf"(?:sp|tr)\|({UNIPROT})(?:\|\S*)?",
        rf"UniRef(?:100|90|50)_({UNIPROT})",
        rf"({NCBI})",
        r"(?:gi\|\d+\|)?(?:ref|gb|emb|dbj|tpg|tpe|tpd)\|([A-Z]{2,3}_?\d+(?:\.\d+)?)(?:\|\S*)?",
    )
]


def accession(id: str) -> str:
    """The accession in an id: `P12345` of `sp|P12345|AATM_RABIT`, `NP_000509.1` of `ref|NP_000509.1|`.

    Returns:
        It, or nothing where the id is neither UniProt's nor NCBI's.
    """
    return next((found[1] for form in FORMS if (found := form.fullmatch(id))), "")
