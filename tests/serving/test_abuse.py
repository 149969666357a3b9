"""The server under those who mean it no good: bodies without end, bombs, nonsense, and clients that go away."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protloc.config import ServeConfig
from protloc.data.records import Protein
from tests import forked
from tests.models import TASK, saved
from tests.scripts import ROOT

httpx = pytest.importorskip("httpx", reason="needs the extras [serve] and [dev]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")

from protloc.serving.app import create_app  # noqa: E402
from tests.serving.clients import HEAD, ask, connection, raw, wire  # noqa: E402
from tests.serving.test_server import Server  # noqa: E402

MIB = 2**20


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("test_serving_abuse"))


@pytest.fixture(scope="module")
def strict(model_dir: Path) -> Iterator[Server]:
    """With little patience and little room."""
    server = Server(model_dir, "timeout=4", f"max_body={MIB}")
    yield server
    assert server.stop() == 0
    assert not any("Traceback" in line for line in server.log)


def still_answers(server: Server) -> None:
    assert [row["id"] for row in ask(server, [Protein("a", "MKV")])] == ["a"]


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_that_stops_coming(strict: Server) -> None:
    with connection(strict) as client:
        client.sendall(wire(HEAD + "Content-Length: 10\n\n") + b">a\nM")
        still_answers(strict)
        answer = b""
        while piece := client.recv(65536):  # until the server closes
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"the request did not arrive within 4 s"}')


def test_a_body_that_never_ends(strict: Server) -> None:
    endless = (b"10000\r\n" + b"M" * 65536 + b"\r\n" for _ in range(2**30 // 65536))
    sent, answer = raw(strict, HEAD + "Transfer-Encoding: chunked\n\n", endless)
    assert answer.startswith("HTTP/1.1 413 ")
    assert answer.endswith('{"error":"the request is larger than 1,048,576 bytes"}')
    assert sent < 64 * MIB, "what the sockets' buffers take, beside the megabyte that the server reads"
    still_answers(strict)


def test_a_gigabyte_is_refused_before_it_is_sent(strict: Server) -> None:
    _, answer = raw(strict, HEAD + f"Content-Length: {2**30}\nExpect: 100-continue\n\n")
    assert answer.startswith("HTTP/1.1 413 "), "and not: 100, go on"
    whole = (b"M" * 65536 for _ in range(2**30 // 65536))
    sent, answer = raw(strict, HEAD + f"Content-Length: {2**30}\n\n", whole)
    assert answer.startswith("HTTP/1.1 413 ")
    assert sent < 64 * MIB
    still_answers(strict)


def test_a_client_that_leaves_in_the_middle(strict: Server) -> None:
    with connection(strict) as client:
        client.sendall(wire(HEAD + "Content-Length: 77\n\n") + b">a\nM")
    until = time.monotonic() + 30
    while not any(json.loads(line)["status"] == 499 for line in strict.log if line.startswith("{")):
        assert time.monotonic() < until, strict.log
        time.sleep(0.01)
    still_answers(strict)


def test_a_gz_bomb_is_not_opened(strict: Server) -> None:
    bomb = gzip.compress(b">a\n" + b"M" * 16 * MIB, mtime=0) * 56
    assert 56 * 16 * MIB / len(bomb) > 1000
    answer = strict.post(bomb, "text/x-fasta")
    assert (answer.status_code, answer.json()["error"]) == (415, "the request is a gz file: send the text itself")
    answer = strict.post(bomb, "application/json", **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]) == (415, "Content-Encoding gzip: send the text itself")
    still_answers(strict)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * MIB, "the body is no JSON: maximum recursion depth exceeded"),
        ('{"inputs":' * 50_000, "the body is no JSON: maximum recursion depth exceeded"),
        ('{"inputs":' + "[" * 900 + "]" * 900 + "}", "record 1: a string of residues, or an object"),
        ("[" + "9" * 5000 + "]", "the body is no JSON: Exceeds the limit (4300 digits)"),
        (r'["MK\ud800"]', "record 1: half a surrogate pair"),
        (r'[{"id": "\ud800", "sequence": "MK"}]', "record 1: half a surrogate pair"),
    ],
)
def test_json_to_choke_on(strict: Server, content: str, message: str) -> None:
    answer = strict.post(content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith(message)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_who_has_read_the_address_may_connect_and_an_unfinished_upload_does_not_hold_the_end_up(
    model_dir: Path,
) -> None:
    command = [sys.executable, "-m", "protloc.serving", f"model_dir={model_dir}", "port=0", "device=cpu", "timeout=1"]
    process = forked.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr:
        port = int(process.stderr.readline().split("http://127.0.0.1:")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(wire(HEAD + "Content-Length: 77\n\n") + b">a\nM")
            assert httpx.get(f"http://127.0.0.1:{port}/ping").status_code == 200  # it has read the lines above
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_an_answer_that_is_never_fetched_does_not_hold_the_end_up(model_dir: Path) -> None:
    server = Server(model_dir, "timeout=10")
    names = [f"{i:010000}" for i in range(1000)]  # so that the answer is larger than what the sockets' buffers take
    body = json.dumps([{"id": name, "sequence": "M"} for name in names]).encode()
    head = f"POST /invocations HTTP/1.1\nHost: x\nContent-Length: {len(body)}\n\n"
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(wire(head) + body)
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert server.stop() == 0


# --- ours ------------------------------------------------------------------------------------------------------------


class Stub:
    """A predictor that fails, or waits, in place of answering."""

    task, columns = TASK, ["id"]

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.go = error, threading.Event()

    def logits(self, sequences: list[str]) -> np.ndarray:
        if self.error:
            raise self.error
        assert self.go.wait(60)
        return np.zeros((len(sequences), 3))

    def answers(self, proteins: list[Protein], logits: np.ndarray, excluded: tuple[int, ...]) -> list[dict[str, Any]]:
        return [{"id": protein.id} for protein in proteins]


def in_process(stub: Stub, *requests: tuple[str, str], **options: Any) -> list[Any]:
    """Answers of an app without a server around it."""
    app = create_app(stub, ServeConfig(model_dir="x", **options), {})  # type: ignore[arg-type]

    async def answers() -> list[Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.request(*request, content=b'["MK"]') for request in requests]

    return asyncio.run(answers())


def test_an_error_of_ours_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        failed, metrics = in_process(Stub(ZeroDivisionError("MKWWW")), ("POST", "/invocations"), ("GET", "/metrics"))
    assert failed.status_code == 500
    assert failed.json() == {"error": "an error inside the server; its log has the details"}
    assert sum(record.exc_info is not None for record in caplog.records) == 1
    assert 'protloc_requests_total{path="/invocations",status="500"} 1.0' in metrics.text


def test_a_model_that_is_busy_too_long() -> None:
    stub = Stub()
    (late,) = in_process(stub, ("POST", "/invocations"), timeout=0.2)
    stub.go.set()
    assert (late.status_code, late.json()) == (504, {"error": "no answer within 0.2 s"})


def test_paths_and_methods_that_there_are_not(strict: Server) -> None:
    nowhere, put = httpx.get(f"{strict.url}/nowhere"), httpx.put(f"{strict.url}/ping")
    assert (nowhere.status_code, nowhere.json()) == (404, {"error": "Not Found"})
    assert (put.status_code, put.json(), put.headers["allow"]) == (405, {"error": "Method Not Allowed"}, "GET")
