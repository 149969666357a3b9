"""The server as clients see it: a real process on a real port, many clients at once."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protloc.data.tables import TableWriter
from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.serving.requests import CSV, write
from tests import forked
from tests.models import NAMES, proteins, saved
from tests.scripts import ROOT

httpx = pytest.importorskip("httpx", reason="needs the extras [serve] and [dev]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("serving"))


class Server:
    """`python -m protloc.serving`, which a client cannot tell from a process of its own (tests/forked.py)."""

    def __init__(self, model_dir: Path, *options: str) -> None:
        self.process = forked.Popen(
            [sys.executable, "-m", "protloc.serving", f"model_dir={model_dir}", "port=0", "device=cpu",
             "precision=fp32", *options],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.log: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), self.log
        (self.url,) = re.findall(r"on (http://\S+) ", self.log[0])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            self._ready.set()
        self._ready.set()

    def post(self, content: str | bytes, kind: str = "application/json", **headers: str) -> Any:
        return httpx.post(
            f"{self.url}/invocations", content=content, headers={"Content-Type": kind, **headers}, timeout=60
        )

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.close()
        return code

    def close(self) -> None:
        """What a server that has ended leaves open."""
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[Server]:
    server = Server(model_dir, "max_proteins=50", "max_residues=5000", "max_body=20000")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def expected(model_dir: Path) -> list[dict[str, Any]]:
    """What predict.py's predictor says to `proteins(30)`."""
    return Predictor(load_model(model_dir), device="cpu", precision="fp32").rows(proteins(30))


def assert_rows(answer: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [row["id"] for row in answer] == [row["id"] for row in expected]
    for ours, theirs in zip(answer, expected, strict=True):
        for name in NAMES:
            assert float(ours["probabilities"][name]) == pytest.approx(theirs[name], abs=1e-5)
        for name in ("location", "length", "residues_read", "warnings"):
            assert ours[name] == theirs[name]


def test_every_format_in_and_out(server: Server, expected: list[dict[str, Any]]) -> None:
    given = proteins(30)
    records = [{"id": p.id, "sequence": p.sequence} for p in given]
    fasta = "".join(f">{p.id} x\n{p.sequence}\n" for p in given)
    table = "id,sequence\n" + "".join(f"{p.id},{p.sequence}\n" for p in given)
    for content, kind in (
        (json.dumps({"proteins": records}), "application/json"),
        (json.dumps(records), "application/json; charset=utf-8"),
        (fasta, "text/x-fasta"), (fasta, "text/plain"), (table, "text/csv"),
    ):  # fmt: skip
        answer = server.post(content, kind)
        assert answer.status_code == 200, answer.text
        assert_rows(answer.json(), expected)
    lines = server.post(fasta, "text/x-fasta", Accept="application/jsonlines").text.splitlines()
    assert_rows([json.loads(line) for line in lines], expected)
    rows = list(csv.DictReader(io.StringIO(server.post(fasta, "text/x-fasta", Accept="text/csv").text)))
    assert list(rows[0]) == ["id", "location", "probability", *NAMES, "length", "residues_read", "warnings"]
    assert [row["location"] for row in rows] == [row["location"] for row in expected]


def test_csv_is_the_table_of_predict(expected: list[dict[str, Any]], tmp_path: Path) -> None:
    columns = list(expected[0])
    with TableWriter(tmp_path / "table.csv", columns) as table:
        table.write(expected)
    assert write(expected, columns, CSV) == (tmp_path / "table.csv").read_text()


def test_sequences_without_ids_and_hugging_faces_words(server: Server, expected: list[dict[str, Any]]) -> None:
    given = [p.sequence for p in proteins(30)]
    for content in ({"sequences": given}, {"inputs": given}, given):
        answer = server.post(json.dumps(content)).json()
        assert [row["id"] for row in answer] == [str(i) for i in range(1, 31)]
        assert_rows([{**a, "id": e["id"]} for a, e in zip(answer, expected, strict=True)], expected)
    (one,) = server.post(json.dumps({"inputs": given[0].lower()})).json()
    assert one["location"] == expected[0]["location"]


def test_many_clients_at_once_get_the_same_answers(server: Server, expected: list[dict[str, Any]]) -> None:
    given = proteins(30)

    def ask(number: int) -> None:
        rng = np.random.default_rng(number)
        chosen = rng.choice(30, size=int(rng.integers(1, 30)), replace=False)
        body = "".join(f">{given[i].id}\n{given[i].sequence}\n" for i in chosen)
        answer = server.post(body, "text/x-fasta")
        assert answer.status_code == 200, answer.text
        assert_rows(answer.json(), [expected[i] for i in chosen])

    with ThreadPoolExecutor(16) as clients:
        list(clients.map(ask, range(100)))


BROKEN = [
    ("", "text/x-fasta", 400, "the request is empty"),
    (">a\nMK1\n", "text/x-fasta", 400, "record 1 (a), line 1: '1' at residue 3 is no amino acid"),
    (">a\nMK\n>a\nMK\n", "text/x-fasta", 400, "record 2 (a), line 3: the id has been there before"),
    ("MK\n", "text/x-fasta", 400, "request:1: 'MK' stands before the first header"),
    ("{", "application/json", 400, "the body is no JSON"),
    ("[" * 9000, "application/json", 400, "the body is no JSON"),
    ('{"sequence": 3}', "application/json", 400, 'give {"sequences":'),
    ('{"sequences": "A", "inputs": "A"}', "application/json", 400, 'give {"sequences":'),
    ('{"sequences": [{"id": "a"}]}', "application/json", 400, "record 1: a string of residues, or an object"),
    ('{"sequences": []}', "application/json", 400, "no proteins in the request"),
    ('{"sequences": ["MK", ""]}', "application/json", 400, "record 2 (2), line 2: the sequence is empty"),
    ('["MK", "\\ud800"]', "application/json", 400, "record 2: half a surrogate pair"),
    ('[{"id": "\\ud800", "sequence": "MK"}]', "application/json", 400, "record 1: half a surrogate pair"),
    ('[{"id": "a", "sequence": "MK"}, {"id": "a", "sequence": "M"}]', "application/json", 400,
     "record 2 (a), line 2: the id has been there before"),
    ("name,sequence\na,MK\n", "text/csv", 400, "request.csv: no column 'id'"),
    ("x", "image/png", 415, "Content-Type image/png: send one of"),
    (json.dumps(["MK"] * 51), "application/json", 413, "more than 50 proteins in a request"),
    (json.dumps(["M" * 3000] * 2), "application/json", 413, "more than 5,000 residues in a request"),
    ("x" * 20_001, "text/plain", 413, "the request is larger than 20,000 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "status", "message"), BROKEN)
def test_bad_requests_are_told_what_is_wrong(
    server: Server, content: str, kind: str, status: int, message: str
) -> None:
    answer = server.post(content, kind)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].startswith(message)


def test_an_answer_that_we_do_not_make(server: Server) -> None:
    for accept, kind in (
        ("text/csv;q=0.5, application/json;q=0.9", "application/json"), ("text/*", "text/csv"),
        ("image/png, application/jsonlines;q=0.1", "application/jsonlines"), ("", "application/json"),
    ):  # fmt: skip
        answer = server.post('["MK"]', Accept=accept)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert server.post('["MK"]', Accept="application/json;q=0").status_code == 406
    answer = server.post('["MK"]', Accept="image/png")
    assert (answer.status_code, answer.json()["error"][:16]) == (406, "Accept image/png")


def test_what_an_operator_asks(server: Server) -> None:
    server.post('["MKVLA"]')
    assert httpx.get(f"{server.url}/ping").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok", "waiting": 0, "device": "cpu"}
    model = httpx.get(f"{server.url}/model").json()
    assert model["classes"] == list(NAMES)
    assert (model["limits"]["proteins"], model["max_residues"]) == (50, 40)
    metrics = httpx.get(f"{server.url}/metrics").text
    assert re.search(r'protloc_requests_total\{path="/invocations",status="200"\} \d', metrics)
    assert re.search(r"protloc_residues_total \d", metrics)
    docs = httpx.get(f"{server.url}/docs").text
    scripts = re.findall(r'(?:src|href)="([^"]+)"', docs)
    assert len(scripts) == 3
    for script in scripts:  # none from elsewhere
        assert httpx.get(f"{server.url}{script}").status_code == 200
    for path in ("/", "/ping", "/health"):
        assert (httpx.head(f"{server.url}{path}").status_code, httpx.head(f"{server.url}{path}").text) == (200, "")
    assert httpx.get(f"{server.url}/nowhere").status_code == 404


def test_the_log_has_numbers_and_no_sequences(server: Server) -> None:
    server.post('["MKWWWWWWWWWWWWWVLA"]')
    entries = [json.loads(line) for line in server.log if line.startswith("{")]
    last = [entry for entry in entries if entry["path"] == "/invocations"][-1]
    assert (last["status"], last["proteins"], last["residues"]) == (200, 1, 18)
    assert not any("WWWWW" in line for line in server.log)


def test_a_token_is_asked_for(model_dir: Path) -> None:
    server = Server(model_dir, "token=secret", "host=0.0.0.0")
    server.url = server.url.replace("0.0.0.0", "127.0.0.1")
    try:
        assert server.post('["MK"]').status_code == 401
        assert server.post('["MK"]', Authorization="Bearer wrong").status_code == 401
        assert server.post('["MK"]', Authorization="Bearer secret").status_code == 200
        assert httpx.get(f"{server.url}/ping").status_code == 200
        assert httpx.get(f"{server.url}/model").status_code == 401
        assert not any("secret" in line for line in server.log)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["host=0.0.0.0"], "error: host=0.0.0.0 can be reached by other machines: give token=SECRET"),
        (["model_dir=nowhere"], "error: nowhere is no folder"),
        (["port=99999"], "error: port=99999: must be at most 65535"),
        (["prot=1"], "error: no option 'prot'; did you mean port?"),
    ],
)
def test_what_keeps_it_from_starting(model_dir: Path, options: list[str], message: str) -> None:
    command = [sys.executable, "-m", "protloc.serving", f"model_dir={model_dir}", *options]
    result = forked.run(command, cwd=ROOT, capture_output=True, timeout=60)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken(server: Server, model_dir: Path) -> None:
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "protloc.serving", f"model_dir={model_dir}", f"port={port}"]
    result = forked.run(command, cwd=ROOT, capture_output=True, timeout=60)
    assert (result.returncode, result.stderr) == (1, f"error: host=127.0.0.1 port={port}: Address already in use\n")


def test_the_page_needs_nothing_from_elsewhere(server: Server) -> None:
    answer = httpx.get(server.url)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    links = re.findall(r"(?:https?:)?//[\w.-]+", re.sub(r"http://www\.w3\.org/2000/svg", "", answer.text))
    assert links == []


def test_user_errors_keep_their_words() -> None:
    from protloc.config import ServeConfig
    from protloc.serving.server import check_address

    for host in ("127.0.0.1", "::1", "localhost"):
        check_address(ServeConfig(model_dir="x", host=host))
    check_address(ServeConfig(model_dir="x", host="10.0.0.1", token="t"))
    check_address(ServeConfig(model_dir="x", host="10.0.0.1", open_to_all=True))
    with pytest.raises(UserError, match="can be reached by other machines"):
        check_address(ServeConfig(model_dir="x", host="example.org"))
