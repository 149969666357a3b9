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
from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.serving.requests import FASTA, JSON, Asked, BadInputError, answer_kind, kind_of, names_of, read, write

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
                one text. `parameters` may stand beside it: `{"exclude": [names of locations that these cannot have]}`.

        Returns:
            An object a protein, in order: id, location, locations, probability, probabilities by class, length,
            residues_read, warnings.

        Raises:
            ValueError: the request cannot be read; the message names record, line and residue.
        """
        answer: Rows = json.loads(output_fn(predict_fn(asked_of(data), self), JSON))
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


def input_fn(body: str | bytes | bytearray, content_type: str) -> Asked:
    """What a request asks about.

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
            return asked_of(json.loads(raw)) if kind == JSON else read(raw, kind, MOST)
        except (json.JSONDecodeError, RecursionError):
            return read(raw, kind, MOST)  # which says what is wrong with it


def predict_fn(asked: Asked, model: EndpointHandler) -> Rows:
    """The rows of the table for the proteins of a request, in their order.

    Raises:
        ValueError: a location to exclude is none of the model's.
    """
    predictor = model.predictor
    with _said_to_the_client():
        excluded = predictor.task.numbers(asked.exclude)
    return predictor.answers(asked.proteins, predictor.logits([p.sequence for p in asked.proteins]), excluded)


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


def asked_of(content: Any) -> Asked:
    """What a request's decoded JSON asks about, where `inputs` may be FASTA in one text.

    Raises:
        ValueError: it holds no proteins, or parameters that are not there.
    """
    fields = content if isinstance(content, dict) else {}
    parameters = fields.get("parameters") or {}
    if not isinstance(parameters, dict) or parameters.keys() - {"exclude"}:
        raise ValueError(f"parameters={json.dumps(parameters)}: there is `exclude` to give, a list of locations")
    inputs = fields.get("inputs")
    with _said_to_the_client():
        if isinstance(inputs, str) and inputs.lstrip().startswith(">"):
            asked = read(inputs.encode(), FASTA, MOST)
        else:
            asked = read(json.dumps(content).encode(), JSON, MOST)
        return Asked(asked.proteins, [*asked.exclude, *names_of(parameters.get("exclude", []))])


@contextmanager
def _said_to_the_client() -> Iterator[None]:
    """Mistakes of the client as `ValueError`, which the servers answer with 400 and its text."""
    try:
        yield
    except (BadInputError, UserError) as error:
        raise ValueError(str(error)) from error
