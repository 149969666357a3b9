"""Clients of the server that see what is on the wire."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from protloc.data.records import Protein
from tests.models import NAMES
from tests.serving.test_server import Server

HEAD = "POST /invocations HTTP/1.1\nHost: x\nContent-Type: text/x-fasta\n"
"""Of a request; its lines end as `wire` writes them."""


def drawn(prefix: str, count: int, longest: int, seed: int) -> list[Protein]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, size=count)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    return [Protein(f"{prefix}{i}", "".join(rng.choice(letters, size=n))) for i, n in enumerate(lengths)]


def ask(server: Server, proteins: list[Protein]) -> list[dict[str, Any]]:
    """The answer to a request, asked again as long as the queue is full."""
    body = "".join(f">{p.id}\n{p.sequence}\n" for p in proteins)
    for _ in range(100):
        client = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
        client.request("POST", "/invocations", body, {"Content-Type": "text/x-fasta"})
        answer = client.getresponse()
        content = json.loads(answer.read())
        client.close()
        if answer.status == 200:
            return list(content)
        assert (answer.status, content) == (429, {"error": "too many requests wait; try again"})
        time.sleep(float(answer.headers["Retry-After"]))
    raise AssertionError("the queue is always full")


def begun(server: Server, size: int) -> http.client.HTTPConnection:
    """A client whose request the server has taken, and whose body of `size` bytes it asks for."""
    client = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    client.putrequest("POST", "/invocations")
    for name, value in (("Content-Type", "text/x-fasta"), ("Content-Length", str(size)), ("Expect", "100-continue")):
        client.putheader(name, value)
    client.endheaders()
    expected = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.sock.recv(len(expected), socket.MSG_WAITALL) == expected
    return client


def assert_rows(answer: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [row["id"] for row in answer] == [row["id"] for row in expected]
    given = np.array([[row["probabilities"][name] for name in NAMES] for row in answer])
    right = np.array([[row[name] for name in NAMES] for row in expected])
    assert np.abs(given - right).max() < 1e-5
    assert [row["length"] for row in answer] == [row["length"] for row in expected]


def raw(server: Server, head: str, parts: Iterable[bytes] = ()) -> tuple[int, str]:
    """Bytes of `parts` that the server let us send, and its answer, as they are on the wire."""
    sent, answer = 0, b""
    with connection(server) as client:
        client.sendall(wire(head))
        try:
            for part in parts:
                client.sendall(part)
                sent += len(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return sent, answer.decode()


def connection(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def listens(server: Server) -> bool:
    """Whether it takes connections."""
    try:
        connection(server).close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it waited in the queue of a socket that was closed
        return False
    return True


def wire(head: str) -> bytes:
    return head.replace("\n", "\r\n").encode()
