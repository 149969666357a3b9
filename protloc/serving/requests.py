"""What a client may send, as proteins; and the rows, as what it wants back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from protloc.data.fasta import fasta_records
from protloc.data.records import Broken, Protein, check
from protloc.data.seen import Seen
from protloc.data.tables import plain
from protloc.data.tabular import table_records
from protloc.errors import UserError
from protloc.tasks.labels import BETWEEN, RESERVED

JSON, FASTA, CSV, LINES = "application/json", "text/x-fasta", "text/csv", "application/jsonlines"
ACCEPTED = {JSON: JSON, FASTA: FASTA, "chemical/seq-aa-fasta": FASTA, "text/plain": FASTA, CSV: CSV}
ANSWERS = {
    JSON: JSON, CSV: CSV, LINES: LINES, "application/x-ndjson": LINES,
    "*/*": JSON, "application/*": JSON, "text/*": CSV,
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a request asks about: its proteins, and the classes that they cannot have."""

    proteins: list[Protein]
    exclude: list[str] = field(default_factory=list)


class BadInputError(Exception):
    """What the client sent cannot be read: an HTTP status, and a sentence with record and position."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def kind_of(content_type: str) -> str:
    """The kind of a request's body.

    Raises:
        BadInputError: 415, it is none of ours.
    """
    name = content_type.split(";")[0].strip().lower() or JSON
    if name not in ACCEPTED:
        raise BadInputError(f"Content-Type {name}: send one of {', '.join(ACCEPTED)}", 415)
    return ACCEPTED[name]


def answer_kind(accept: str) -> str:
    """The kind of answer that the client likes best; JSON where it does not say.

    Args:
        accept: the header, as RFC 9110 has it: `text/csv;q=0.5, application/json`.

    Raises:
        BadInputError: 406, we make none of them.
    """
    parts = [part for part in accept.lower().split(",") if part.strip()] or [JSON]
    for part in sorted(parts, key=_quality, reverse=True):
        name = part.partition(";")[0].strip()
        if name in ANSWERS and _quality(part) > 0:
            return ANSWERS[name]
    raise BadInputError(f"Accept {accept}: take one of {', '.join(sorted(set(ANSWERS.values())))}", 406)


def _quality(part: str) -> float:
    """How much a client likes this part of its Accept header, 0 (not at all) to 1."""
    found = re.search(r";\s*q=([01](?:\.\d*)?)", part)
    return float(found[1]) if found else 1.0


def read(body: bytes, kind: str, max_proteins: int) -> Asked:
    """What a request asks about.

    Args:
        body: as it came.
        kind: of `kind_of`.
        max_proteins: more are refused.

    Raises:
        BadInputError: it cannot be read, a record is broken, or there are none or too many.
    """
    exclude: list[str] = []
    try:
        content = _content(body) if kind == JSON else None
        if isinstance(content, dict):
            exclude = names_of(content.get("exclude", []))
        records = _json(content) if kind == JSON else {FASTA: _fasta, CSV: _csv}[kind](body)
        proteins: list[Protein] = []
        for record in records:
            if isinstance(record, Broken):
                raise BadInputError(f"record {len(proteins) + 1} ({record.id}), line {record.line}: {record.reason}")
            proteins.append(record)
            if len(proteins) > max_proteins:
                raise BadInputError(f"more than {max_proteins:,} proteins in a request: send several", 413)
    except UserError as error:
        raise BadInputError(str(error)) from error
    if not proteins:
        raise BadInputError("no proteins in the request")
    return Asked(proteins, exclude)


def names_of(exclude: Any) -> list[str]:
    """The classes to be left out: a list of names, or names in one text with commas between them.

    Raises:
        BadInputError: it is neither.
    """
    if isinstance(exclude, str):
        return [name.strip() for name in exclude.split(",")]
    if not isinstance(exclude, list) or not all(isinstance(name, str) for name in exclude):
        raise BadInputError("exclude: a list of locations is needed")
    return exclude


def _fasta(body: bytes) -> Iterator[Protein | Broken]:
    if not body.strip():
        raise BadInputError("the request is empty")
    return fasta_records(io.BytesIO(body), "request")


def _csv(body: bytes) -> Iterator[Protein | Broken]:
    return (record for record, _ in table_records(io.BytesIO(body), "request.csv", "id", "sequence"))


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the body is no JSON: {error}") from error


def _json(content: Any) -> Iterator[Protein | Broken]:
    if isinstance(content, dict):
        found = [content[key] for key in ("sequences", "inputs", "proteins", "instances") if key in content]
        if len(found) != 1:
            raise BadInputError('give {"sequences": ["MKV...", ...]}, {"inputs": ...} or a list of records')
        content = found[0]
    records = [content] if isinstance(content, str | dict) else content
    if not isinstance(records, list):
        raise BadInputError("the proteins must be a list")
    with closing(Seen()) as seen:
        for number, record in enumerate(records, start=1):
            named = {"sequence": record} if isinstance(record, str) else record
            if not isinstance(named, dict) or not isinstance(named.get("sequence"), str):
                raise BadInputError(f"record {number}: a string of residues, or an object with `sequence`, is needed")
            id, residues = str(named.get("id", number)), "".join(named["sequence"].split())
            if not _is_text(id + residues):
                raise BadInputError(f"record {number}: half a surrogate pair, which is no text")
            yield seen.checked(check(id, residues.encode(), "", number))


def _is_text(value: str) -> bool:
    """JSON can escape what no UTF-8 can write."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def write(rows: Sequence[dict[str, Any]], columns: Sequence[str], kind: str) -> str:
    """The answer as text.

    JSON: one object a protein, its places also as a list, the classes' probabilities under `probabilities`. CSV:
    predict.py's table.
    """
    if kind == CSV:
        out = io.StringIO()
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: plain(row[name]) for name in columns} for row in rows)
        return out.getvalue()
    objects = [_object(row, columns) for row in rows]
    if kind == LINES:
        return "".join(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in objects)
    return json.dumps(objects, ensure_ascii=False, allow_nan=False)


def _object(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    names = [name for name in columns if name not in RESERVED]
    return {
        "id": row["id"], "location": row["location"], "locations": row["location"].split(BETWEEN),
        "probability": row["probability"],
        "probabilities": {name: row[name] for name in names},
        **({"membrane": row["membrane"]} if "membrane" in row else {}), "length": row["length"],
        "residues_read": row["residues_read"], "warnings": row["warnings"],
    }  # fmt: skip
