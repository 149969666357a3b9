"""A file of proteins through an endpoint: requests of a size that it takes, several at once, rows in their order."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from protloc.data.records import Protein
from protloc.errors import UserError
from protloc.sagemaker.aws import aws_errors

if TYPE_CHECKING:
    import boto3

PROTEINS, RESIDUES = 64, 20_000
"""What a request holds at most: an answer within SageMaker's minute, also on two cores."""

ATTEMPTS = 8
PAUSE = 1.0
"""Seconds before the second attempt, doubled for each after it, up to 30."""

BUSY = ("ThrottlingException", "ServiceUnavailable", "ModelNotReadyException", "InternalFailure")
BUSY_STATUS = (429, 503)
"""What another attempt may mend: an endpoint that is busy, or whose container is."""


def requests_of(proteins: Iterable[Protein]) -> Iterator[list[Protein]]:
    """Proteins in order, in lists that one request may hold; a protein longer than a request stands alone."""
    batch: list[Protein] = []
    residues = 0
    for protein in proteins:
        if batch and (len(batch) == PROTEINS or residues + len(protein.sequence) > RESIDUES):
            yield batch
            batch, residues = [], 0
        batch.append(protein)
        residues += len(protein.sequence)
    if batch:
        yield batch


def invoke(
    session: boto3.Session, endpoint: str, proteins: Iterable[Protein], parallel: int
) -> Iterator[list[dict[str, Any]]]:
    """Rows of predict.py's table, a list for each request, in the order of the proteins.

    Args:
        session: boto3's.
        endpoint: its name.
        proteins: in any number; a few requests are held at a time.
        parallel: requests at once.

    Raises:
        UserError: the endpoint refuses a request, or stays busy.
    """
    client = session.client("sagemaker-runtime")
    with ThreadPoolExecutor(parallel) as pool:
        asked: deque[Future[list[dict[str, Any]]]] = deque()
        for batch in requests_of(proteins):
            asked.append(pool.submit(_answer, client, endpoint, batch))
            if len(asked) == 2 * parallel:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()


def _answer(client: Any, endpoint: str, proteins: list[Protein]) -> list[dict[str, Any]]:
    from botocore.exceptions import ClientError

    body = json.dumps({"sequences": [{"id": p.id, "sequence": p.sequence} for p in proteins]})
    for attempt in range(ATTEMPTS):
        with aws_errors(f"ask {endpoint} about {proteins[0].id} and {len(proteins) - 1} more"):
            try:
                found = client.invoke_endpoint(
                    EndpointName=endpoint, Body=body, ContentType="application/json", Accept="application/json"
                )
                return [_row(answer) for answer in json.loads(found["Body"].read())]
            except ClientError as error:
                if not _busy(error) or attempt == ATTEMPTS - 1:
                    raise
        time.sleep(min(PAUSE * 2**attempt, 30) * random.uniform(0.5, 1))
    raise AssertionError("the last attempt returns or raises")


def _busy(error: Any) -> bool:
    return error.response["Error"]["Code"] in BUSY or error.response.get("OriginalStatusCode") in BUSY_STATUS


def _row(answer: Any) -> dict[str, Any]:
    """A protein's answer as a row: the classes' probabilities stand beside the rest, as predict.py has them."""
    try:
        head = {name: answer[name] for name in ("id", "location", "probability")}
        return {**head, **answer["probabilities"], **{k: answer[k] for k in ("length", "residues_read", "warnings")}}
    except (TypeError, KeyError) as error:
        raise UserError("the endpoint does not answer as protloc's server does: is it one of its models?") from error
