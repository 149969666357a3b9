"""AWS on loopback: a real moto server that writes down each request as it was sent."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from protloc.cli import main as cli
from protloc.config import DeployConfig, LaunchConfig

ROLE = "arn:aws:iam::123456789012:role/protloc"
BUCKET = "protloc-test"
REGION = "eu-west-1"
WHERE = (f"cluster.bucket={BUCKET}", f"cluster.role={ROLE}")
"""Where everything that a test sends goes."""


class Aws:
    """The server; `requests` holds operation and parameters of each request to an API that speaks JSON.

    `when_sent` is called with both before the request is answered; `runtime` answers what is asked of endpoints; `s3`
    has what was uploaded.

    moto cannot stop jobs and update endpoints: such requests are written down and answered here.
    """

    ANSWERED = ("StopTrainingJob", "StopHyperParameterTuningJob", "UpdateEndpoint")

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.s3: list[tuple[str, str]] = []
        self.when_sent: Callable[[str, dict[str, Any]], None] | None = None
        self.runtime: Callable[[dict[str, Any], Any], Iterable[bytes]] | None = None
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            operation = target.rpartition(".")[2]
            self.requests.append((operation, json.loads(body or b"{}")))
            if self.when_sent is not None:
                self.when_sent(*self.requests[-1])
            if operation == "UpdateEndpoint":
                self._update(**self.requests[-1][1])
            if operation in self.ANSWERED:
                start("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
                return [b"{}"]
        elif self.runtime is not None and environ["PATH_INFO"].endswith("/invocations"):
            return self.runtime(environ, start)
        elif environ["REQUEST_METHOD"] == "PUT":
            self.s3.append(("PUT", environ["PATH_INFO"]))
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def _update(self, **sent: str) -> None:
        from moto.sagemaker.models import sagemaker_backends

        endpoint = sagemaker_backends["123456789012"][REGION].endpoints[sent["EndpointName"]]
        endpoint.endpoint_config_name = sent["EndpointConfigName"]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one operation, the oldest first."""
        return [parameters for name, parameters in self.requests if name == operation]

    def clear(self) -> None:
        """Forget everything: the requests, and what moto holds."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()
        self.requests.clear()
        self.s3.clear()
        self.when_sent = self.runtime = None

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 speak to this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }


def launch(*words: str) -> tuple[int, str]:
    """launch_sagemaker.py in this process, for training: its exit code and what it said where this is not 0."""
    sys.argv = ["launch_sagemaker.py", *words]
    return cli._outcome("launch", LaunchConfig, cli._launch)


def host(*words: str) -> tuple[int, str]:
    """As `launch`, for a model that answers."""
    sys.argv = ["launch_sagemaker.py", *words]
    return cli._outcome("deploy", DeployConfig, cli._deploy)


def request(aws: Aws, *words: str) -> dict[str, Any]:
    """The job that these words send, as it was sent."""
    assert launch(*words) == (0, "")
    return aws.sent("CreateTrainingJob")[-1]


def assert_refused(aws: Aws, outcome: tuple[int, str], start: str) -> None:
    """A mistake of the user: one line, which begins so, and nothing was made."""
    code, line = outcome
    assert code in (1, 2)
    assert line.startswith(start), line
    assert "\n" not in line
    assert [name for name, _ in aws.requests if name.startswith("Create")] == []


def results(trained: Path) -> Callable[[str, dict[str, Any]], None]:
    """For `Aws.when_sent`: each job that is sent finds its results on S3 at once, those of a real run.

    Args:
        trained: holds `run/`, as train.py left it.
    """
    model, output = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=model, mode="w:gz") as tar:
        tar.add(trained / "run" / "model", arcname=".")
    with tarfile.open(fileobj=output, mode="w:gz") as tar:
        for name in ("metrics.json", "train.log", "overrides.yaml"):
            tar.add(trained / "run" / name, arcname=name)

    def put(operation: str, sent: dict[str, Any]) -> None:
        import boto3

        if operation == "CreateTrainingJob":
            s3, folder = boto3.client("s3"), f"protloc/jobs/{sent['TrainingJobName']}/output"
            s3.put_object(Bucket=BUCKET, Key=f"{folder}/model.tar.gz", Body=model.getvalue())
            s3.put_object(Bucket=BUCKET, Key=f"{folder}/output.tar.gz", Body=output.getvalue())

    return put
