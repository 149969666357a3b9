"""The server under load: many clients at once, many proteins, long ones, and its end in the middle of it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protloc.data.records import Protein
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from tests.models import saved

pytest.importorskip("httpx", reason="needs the extras [serve] and [dev]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")

from tests.serving.clients import ask, assert_rows, begun, drawn, listens
from tests.serving.test_server import Server


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads proteins of any length whole."""
    return saved(tmp_path_factory.mktemp("test_serving_load"), max_residues=None)


@pytest.fixture(scope="module")
def predictor(model_dir: Path) -> Predictor:
    return Predictor(load_model(model_dir), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[Server]:
    """As users start it."""
    server = Server(model_dir)
    yield server
    assert server.stop() == 0


def test_200_clients_at_once_lose_and_swap_nothing(server: Server, predictor: Predictor) -> None:
    given = [drawn(f"c{i}p", 1 + i % 7, 60, seed=i) for i in range(200)]
    answers: dict[int, list[dict[str, Any]]] = {}
    together = threading.Barrier(200)

    def client(i: int) -> None:
        together.wait()
        answers[i] = ask(server, given[i])

    threads = [threading.Thread(target=client, args=(i,)) for i in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = iter(predictor.rows([protein for proteins in given for protein in proteins]))
    for i in range(200):
        assert_rows(answers[i], [next(expected) for _ in given[i]])


def test_10_000_tiny_proteins_in_one_request(server: Server, predictor: Predictor) -> None:
    given = drawn("t", 10_000, 3, seed=0)
    assert_rows(ask(server, given), predictor.rows(given))
    answer = server.post(json.dumps(["M"] * 10_001))
    assert (answer.status_code, answer.json()["error"][:38]) == (413, "more than 10,000 proteins in a request")


def test_a_protein_of_35_000_residues(server: Server, predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    titin = Protein("titin", "M" + "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=34_999)))
    (row,) = answer = ask(server, [titin])
    assert_rows(answer, predictor.rows([titin]))
    assert (row["residues_read"], row["warnings"]) == (35_000, "")


def test_sigterm_in_the_middle_of_requests(model_dir: Path, predictor: Predictor) -> None:
    server = Server(model_dir)
    given = [drawn(f"c{i}p", 600, 40, seed=i) for i in range(8)]
    bodies = ["".join(f">{p.id}\n{p.sequence}\n" for p in proteins).encode() for proteins in given]
    clients = [begun(server, len(body)) for body in bodies]
    for client, body in zip(clients[:4], bodies, strict=False):  # these wait for their answers, the others still send
        client.send(body)
    server.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + 60
    while listens(server):
        assert time.monotonic() < until, "the server still takes connections"
    for client, body in zip(clients[4:], bodies[4:], strict=True):
        client.send(body)
    for client, proteins in zip(clients, given, strict=True):
        answer = client.getresponse()
        assert answer.status == 200
        assert_rows(json.loads(answer.read()), predictor.rows(proteins))
    assert server.process.wait(30) == 0
    server.close()
