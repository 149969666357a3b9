"""The container without Docker: the Dockerfile's own commands, as processes, in SageMaker's environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protloc.serving.container import words
from tests import forked
from tests.models import saved
from tests.scripts import ROOT

httpx = pytest.importorskip("httpx", reason="needs the extras [serve] and [dev]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instruction(name: str) -> str:
    """What stands behind an instruction of the Dockerfile."""
    (found,) = re.findall(rf"^{name} (.*)$", DOCKERFILE, flags=re.M)
    return str(found)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody else is given, and that a server can have beside the socket that holds it here."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path, free_port: int) -> dict[str, str]:
    """As SageMaker sets it."""
    return {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SM_MODEL_DIR": str(saved(tmp_path / "it's [a] model")), "SAGEMAKER_BIND_TO_PORT": str(free_port),
        "SAGEMAKER_SAFE_PORT_RANGE": "20000-20999", "PROTLOC_OPTIONS": "device=cpu max_proteins=2",
    }  # fmt: skip


@pytest.fixture
def container(environment: dict[str, str]) -> Iterator[Any]:
    """The process that `docker run IMAGE serve` starts."""
    command = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def healthy(environment: dict[str, str]) -> bool:
    """What Docker learns from the image's health check."""
    check = instruction("HEALTHCHECK").partition(" CMD ")[2]
    return subprocess.run(["/bin/sh", "-c", check], env=environment, capture_output=True, check=False).returncode == 0


def test_the_image_serves_as_sagemaker_starts_it(container: Any, environment: dict[str, str]) -> None:
    port = environment["SAGEMAKER_BIND_TO_PORT"]
    assert re.fullmatch(rf"protloc serves .* on http://0\.0\.0\.0:{port} .*\n", container.stderr.readline())
    assert healthy(environment)
    # An address that a server on 127.0.0.1 alone would not answer at.
    url, files = f"http://127.0.0.2:{port}", sorted(Path(environment["SM_MODEL_DIR"]).rglob("*"))
    assert httpx.get(f"{url}/ping").status_code == 200
    assert [row["length"] for row in httpx.post(f"{url}/invocations", json=["MKV", "M"], timeout=60).json()] == [3, 1]
    assert httpx.post(f"{url}/invocations", json=["MKV"] * 3).status_code == 413
    assert sorted(Path(environment["SM_MODEL_DIR"]).rglob("*")) == files
    container.send_signal(signal.SIGTERM)
    assert container.wait(60) == 0
    assert not healthy(environment)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SM_MODEL_DIR": "/nowhere"}, "error: /nowhere is no folder, so there is no config.json: model_dir= takes"),
        ({"SAGEMAKER_BIND_TO_PORT": "99999"}, "error: port=99999: must be at most 65535"),
        ({"PROTLOC_OPTIONS": "queue=0"}, "error: queue=0: must be at least 1"),
        ({"PROTLOC_OPTIONS": "port=70000"}, "error: port=70000: must be at most 65535"),
        ({"PROTLOC_OPTIONS": "token='a"}, "error: PROTLOC_OPTIONS=token='a: No closing quotation"),
    ],
)
def test_what_keeps_it_from_starting(environment: dict[str, str], changes: dict[str, str], message: str) -> None:
    entry: list[str] = json.loads(instruction("ENTRYPOINT"))
    assert shutil.which(entry[0], path=environment["PATH"]) == sys.executable
    command = [sys.executable, *entry[1:], "serve"]
    result = forked.run(command, cwd=ROOT, env={**environment, **forked.ONE_THREAD, **changes}, capture_output=True)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_the_words_of_an_empty_environment() -> None:
    assert words({}) == ["model_dir='/opt/ml/model'", "host=0.0.0.0", "port=8080", "open_to_all=true"]


def test_what_the_image_is_built_from_is_enough(tmp_path: Path) -> None:
    """The wheel, from the files alone that .dockerignore lets through."""
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), flags=re.M)
    for name in allowed:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "built", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list((tmp_path / "built").glob("protloc-*.whl"))) == 1
