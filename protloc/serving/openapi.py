"""What `/openapi.json` says of `/invocations`: its bodies are read by hand, so FastAPI cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protloc.serving.requests import CSV, FASTA, JSON, LINES

SEQUENCE = {
    "type": "string", "pattern": r"^\s*([A-Za-z]\s*)+\*?\s*$", "description": "residues, a letter each",
    "examples": ["MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"],
}  # fmt: skip
RECORD = {"type": "object", "properties": {"id": {}, "sequence": SEQUENCE}, "required": ["sequence"]}
LIST = {"type": "array", "items": {"anyOf": [SEQUENCE, RECORD]}, "minItems": 1}
NAMES = ("sequences", "inputs", "proteins", "instances")

ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "location": {"type": "string", "description": "the places, the most probable first, with | between them"},
        "locations": {"type": "array", "items": {"type": "string"}}, "probability": {"type": "number"},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "length": {"type": "integer", "description": "residues sent"},
        "residues_read": {"type": "integer", "description": "residues that the model saw"},
        "warnings": {"type": "string"},
    },
}  # fmt: skip
ANSWER["required"] = list(ANSWER["properties"])
ANSWER["properties"]["membrane"] = {"type": "number", "description": "probability that it is bound to a membrane"}
TEXT = {"schema": {"type": "string"}}


def request(classes: Sequence[str]) -> dict[str, Any]:
    """For `openapi_extra`: the bodies, and `exclude` by the names of the model's classes."""
    names = {"type": "string", "enum": list(classes)}
    exclude = {
        "type": "array", "items": names, "uniqueItems": True, "maxItems": len(classes) - 1,
        "description": "locations that these proteins cannot have",
    }  # fmt: skip
    named = {
        "type": "object",
        "properties": {**{name: {"anyOf": [SEQUENCE, RECORD, LIST]} for name in NAMES}, "exclude": exclude},
        "oneOf": [{"required": [name]} for name in NAMES],
    }
    body = {"anyOf": [named, LIST, SEQUENCE]}
    return {
        "parameters": [{"name": "exclude", "in": "query", "schema": exclude}],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": body, "example": {"sequences": SEQUENCE["examples"]}},
                FASTA: {**TEXT, "example": f">P1\n{SEQUENCE['examples'][0]}\n"},
                CSV: {**TEXT, "example": f"id,sequence\nP1,{SEQUENCE['examples'][0]}\n"},
            },
        },
    }


REFUSALS = {
    400: "the request cannot be read", 401: "a token is missing", 406: "an Accept that is not made here",
    408: "the request did not arrive in time", 413: "too large", 415: "a Content-Type or Content-Encoding not known",
    429: "too many requests wait", 503: "the server is going down", 504: "no answer in time",
}  # fmt: skip
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {JSON: {"schema": {"type": "array", "items": ANSWER}}, CSV: TEXT, LINES: TEXT}},
    **{code: {"description": why, "content": {JSON: {"schema": _ERROR}}} for code, why in REFUSALS.items()},
}
"""For `responses`."""
