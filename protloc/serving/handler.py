"""The model inside Hugging Face's inference images: what their two servers look for in a model archive.

- `EndpointHandler` is called by hf-serve and by Inference Endpoints (`handler.py`).
- `model_fn`, `input_fn`, `predict_fn` and `output_fn` are called by SageMaker's toolkits (`code/inference.py`).

Both find them through the files of `protloc.serving.bundle`. The servers tell a client what a `ValueError` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from protloc.config import ServeConfig
from protloc.data.records import Protein
from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.serving.requests import FASTA, JSON, BadInputError, answer_kind, kind_of, read, write

Rows = list[dict[str, Any]]
MOST = ServeConfig.max_proteins


class EndpointHandler:
    """A model folder that answers.

    Args:
        path: the model folder.

    Raises:
        UserError: it is no model folder of protloc's.
    """

    def __init__(self, path: str | Path) -> None:
        self.predictor = Predictor(load_model(path))

    def __call__(self, data: dict[str, Any]) -> Rows:
        """The answer to one request.

        Args:
            data: `{"inputs": ...}` with residues, a list of them, a list of `{"id": ..., "sequence": ...}`, or FASTA in
                one text. `parameters` may stand beside it, empty: there are none.

        Returns:
            An object a protein, in order: id, location, probability, probabilities by class, length, residues_read,
            warnings.

        Raises:
            ValueError: the request cannot be read; the message names record, line and residue.
        """
        answer: Rows = json.loads(output_fn(predict_fn(proteins_of(data), self), JSON))
        return answer


def model_fn(model_dir: str, context: Any = None) -> EndpointHandler:
    """The model, loaded once.

    Args:
        model_dir: the model folder.
        context: of the model server, not needed.

    Raises:
        UserError: it is no model folder of protloc's.
    """
    return EndpointHandler(model_dir)


def input_fn(body: str | bytes | bytearray, content_type: str) -> list[Protein]:
    """The proteins of a request.

    Args:
        body: text where the toolkit has decoded it (JSON, CSV), else bytes.
        content_type: JSON, FASTA or CSV, as the server takes them.

    Raises:
        ValueError: the request cannot be read.
    """
    raw = body.encode() if isinstance(body, str) else bytes(body)
    with _said_to_the_client():
        kind = kind_of(content_type)
        try:
            return proteins_of(json.loads(raw)) if kind == JSON else read(raw, kind, MOST)
        except (json.JSONDecodeError, RecursionError):
            return read(raw, kind, MOST)  # which says what is wrong with it


def predict_fn(proteins: list[Protein], model: EndpointHandler) -> Rows:
    """The rows of the table for the proteins of a request, in their order."""
    return model.predictor.rows(proteins)


def output_fn(rows: Rows, accept: str) -> str:
    """The answer as text.

    Args:
        rows: of `predict_fn`, one or more.
        accept: what the client takes: JSON, CSV or JSON lines.

    Raises:
        ValueError: we make none of these.
    """
    with _said_to_the_client():
        return write(rows, list(rows[0]), answer_kind(accept))


def proteins_of(content: Any) -> list[Protein]:
    """The proteins of a request's decoded JSON, where `inputs` may be FASTA in one text.

    Raises:
        ValueError: it holds none, or `parameters`.
    """
    fields = content if isinstance(content, dict) else {}
    if fields.get("parameters"):
        raise ValueError(f"parameters={json.dumps(fields['parameters'])}: there are none to give")
    inputs = fields.get("inputs")
    with _said_to_the_client():
        if isinstance(inputs, str) and inputs.lstrip().startswith(">"):
            return read(inputs.encode(), FASTA, MOST)
        return read(json.dumps(content).encode(), JSON, MOST)


@contextmanager
def _said_to_the_client() -> Iterator[None]:
    """Mistakes of the client as `ValueError`, which the servers answer with 400 and its text."""
    try:
        yield
    except (BadInputError, UserError) as error:
        raise ValueError(str(error)) from error
