"""The server against what it says of itself: requests drawn from its OpenAPI, right ones and wrong ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")
schemathesis = pytest.importorskip("schemathesis", reason="needs the extra [dev]")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from protloc.data.records import LETTERS  # noqa: E402
from tests.models import saved  # noqa: E402
from tests.serving.test_server import Server  # noqa: E402

IDS = st.from_regex(r"[A-Za-z0-9|_.]+", fullmatch=True)
PROTEINS = st.dictionaries(IDS, st.text(LETTERS.decode(), min_size=1), min_size=1)
schemathesis.openapi.media_type(
    "text/x-fasta", PROTEINS.map(lambda found: "".join(f">{id}\n{each}\n" for id, each in found.items()).encode())
)
schemathesis.openapi.media_type(
    "text/csv", PROTEINS.map(lambda found: "\n".join(["id,sequence", *map(",".join, found.items())]).encode())
)
KINDS = ("application/json", "text/x-fasta", "text/csv")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = Server(saved(tmp_path_factory.mktemp("openapi")))
    yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    assert server.stop() == 0
    assert not any("Traceback" in line for line in server.log)


def drawn(operation: Any, mode: Any) -> Counter[tuple[str | None, int]]:
    """Kinds of body and statuses of many requests, each answer held against the API."""
    found: Counter[tuple[str | None, int]] = Counter()

    @settings(
        max_examples=130, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        # Not every request that the schema allows is right: no schema can say that ids must differ.
        answer = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        found[case.media_type, answer.status_code] += 1

    ask()
    return found


@pytest.mark.parametrize("path", ["/ping", "/health", "/model", "/metrics"])
def test_what_an_operator_asks(api: Any, path: str) -> None:
    found = drawn(api[path]["GET"], GenerationMode.POSITIVE)
    assert set(found) == {(None, 200)}


def test_right_requests_are_answered(api: Any) -> None:
    found = drawn(api["/invocations"]["POST"], GenerationMode.POSITIVE)
    assert {status for _, status in found} <= {200, 400}
    for kind in KINDS:
        assert found[kind, 200] > 5
    assert sum(count for (_, status), count in found.items() if status == 200) > 90


def test_wrong_requests_are_refused(api: Any) -> None:
    found = drawn(api["/invocations"]["POST"], GenerationMode.NEGATIVE)
    assert {status for kind, status in found if kind == "application/json"} == {400}
    assert found["application/json", 400] > 20
