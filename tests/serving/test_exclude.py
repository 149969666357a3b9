"""Several places over HTTP, and requests that leave some out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.serving.handler import EndpointHandler
from tests.models import NAMES, SEVERAL, proteins, saved
from tests.serving.test_server import Server


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("several"), task=SEVERAL)


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[Server]:
    server = Server(model_dir)
    yield server
    assert server.stop() == 0


def asked(server: Server, content: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = httpx.post(f"{server.url}/invocations{query}", json=content, timeout=60)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def test_places_and_membrane_as_predict_py_has_them(server: Server, model_dir: Path) -> None:
    given = proteins(20)
    expected = Predictor(load_model(model_dir), device="cpu", precision="fp32").rows(given)
    answer = asked(server, {"proteins": [{"id": p.id, "sequence": p.sequence} for p in given]})
    for ours, theirs in zip(answer, expected, strict=True):
        assert ours["location"] == theirs["location"]
        assert ours["locations"] == theirs["location"].split("|")
        assert ours["membrane"] == pytest.approx(theirs["membrane"], abs=1e-5)
        for name in NAMES:
            assert ours["probabilities"][name] == pytest.approx(theirs[name], abs=1e-5)


def test_what_a_request_leaves_out_is_no_matter_to_others(server: Server) -> None:
    """Computed together, decided apart."""
    sequences = [p.sequence for p in proteins(12)]
    before = asked(server, {"sequences": sequences})
    for content, query in (
        ({"sequences": sequences, "exclude": ["Nucleus", "Plastid"]}, ""),
        ({"sequences": sequences}, "?exclude=Nucleus&exclude=Plastid"),
        ({"sequences": sequences, "exclude": ["Nucleus"]}, "?exclude=Plastid"),
        ({"sequences": sequences}, "?exclude=Nucleus,Plastid"),
    ):
        answer = asked(server, content, query)
        assert {row["location"] for row in answer} == {"Cytoplasm"}
        assert all(row["probabilities"]["Nucleus"] == 0.0 for row in answer)
    after = asked(server, {"sequences": sequences})
    assert [row["location"] for row in after] == [row["location"] for row in before]
    first, last = ([row["probabilities"]["Nucleus"] for row in rows] for rows in (before, after))
    np.testing.assert_allclose(last, first, atol=1e-5)


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        (["Plastd"], "exclude: no class 'Plastd'; did you mean Plastid?"),
        (list(NAMES), "exclude: no class is left"),
        ([1], "exclude: a list of locations is needed"),
        ({"Plastid": True}, "exclude: a list of locations is needed"),
    ],
)
def test_what_cannot_be_left_out(server: Server, exclude: Any, message: str) -> None:
    answer = server.post(json.dumps({"sequences": ["MKV"], "exclude": exclude}))
    assert (answer.status_code, answer.json()) == (400, {"error": message})


def test_the_endpoint_s_handler(model_dir: Path) -> None:
    handler = EndpointHandler(model_dir)
    given = [p.sequence for p in proteins(12)]
    plain = handler({"inputs": given})
    assert {"locations", "membrane"} <= set(plain[0])
    assert [row["location"].split("|") for row in plain] == [row["locations"] for row in plain]
    left = handler({"inputs": given, "parameters": {"exclude": ["Nucleus", "Plastid"]}})
    assert {row["location"] for row in left} == {"Cytoplasm"}
    with pytest.raises(ValueError, match="exclude: no class 'Plastd'"):
        handler({"inputs": given, "exclude": ["Plastd"]})


def test_a_parameter_that_is_misspelt(server: Server) -> None:
    answer = httpx.post(f"{server.url}/invocations?exlude=Plastid", json={"sequences": ["MKV"]})
    assert answer.status_code == 400
    assert answer.json() == {"error": "no parameter 'exlude' in the address; there is exclude"}


def test_the_model_says_what_its_answers_mean(server: Server) -> None:
    model = httpx.get(f"{server.url}/model").json()
    assert (model["task"], model["classes"], model["membrane_threshold"]) == ("multilabel", list(NAMES), 0.4)
    assert model["thresholds"] == {"Cytoplasm": 0.3, "Nucleus": 0.5, "Plastid": 0.7}
