"""Models that answer on SageMaker: requests against AWS on loopback, and a real server behind an endpoint."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from protloc.sagemaker.invoke import ATTEMPTS
from tests.sagemaker.aws import BUCKET, REGION, ROLE, WHERE, Aws, assert_refused, host
from tests.scripts import fasta, run
from tests.serving.test_server import Server


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def only(aws: Aws, operation: str) -> dict[str, Any]:
    (sent,) = aws.sent(operation)
    return sent


def test_an_endpoint_from_a_model_folder_to_its_end(aws: Aws, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("action=deploy", "model=run", "endpoint=cells", "cluster.tags.project=protloc", *WHERE)
    assert host(*words) == (0, "")
    model, config = only(aws, "CreateModel"), only(aws, "CreateEndpointConfig")
    assert model["ExecutionRoleArn"] == ROLE
    container = model["PrimaryContainer"]
    assert container["Image"] == (
        f"763104351884.dkr.ecr.{REGION}.amazonaws.com/huggingface-pytorch-inference:"
        "2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04"
    )
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    assert config["ProductionVariants"] == [{
        "VariantName": "AllTraffic", "ModelName": model["ModelName"], "InstanceType": "ml.m5.xlarge",
        "InitialInstanceCount": 1,
    }]  # fmt: skip
    assert config["Tags"] == model["Tags"] == [{"Key": "project", "Value": "protloc"}]
    created = only(aws, "CreateEndpoint")
    assert (created["EndpointName"], created["EndpointConfigName"]) == ("cells", config["EndpointConfigName"])
    key = container["ModelDataUrl"].removeprefix(f"s3://{BUCKET}/")
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert {"config.json", "model.safetensors", "tokenizer.json", "handler.py", "code/inference.py",
                "code/protloc/serving/handler.py"} <= set(archive.getnames())  # fmt: skip
    # another model: the endpoint stays, what it had before goes
    assert host(*words) == (0, "")
    updated = only(aws, "UpdateEndpoint")
    assert updated["EndpointConfigName"] != created["EndpointConfigName"]
    assert only(aws, "DeleteEndpointConfig") == {"EndpointConfigName": created["EndpointConfigName"]}
    assert only(aws, "DeleteModel") == {"ModelName": model["ModelName"]}
    assert len([path for _, path in aws.s3 if path.endswith("model.tar.gz")]) == 1  # sent once
    capsys.readouterr()
    assert host("action=delete", "endpoint=cells") == (0, "")
    assert capsys.readouterr().out.splitlines() == [
        "removed: endpoint cells", f"removed: endpoint configuration {updated['EndpointConfigName']}",
        f"removed: model {updated['EndpointConfigName']}",
    ]  # fmt: skip
    assert host("action=delete", "endpoint=cells") == (1, "there is no endpoint cells in this region")


def test_serverless(aws: Aws, here: Path) -> None:
    archive = "s3://b/job/output/model.tar.gz"
    assert host("action=deploy", f"model={archive}", "endpoint=e", "mode=serverless", "cluster.memory_mb=6144",
                "cluster.image_uri=mine:1", *WHERE) == (0, "")  # fmt: skip
    (variant,) = only(aws, "CreateEndpointConfig")["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 6144, "MaxConcurrency": 5}
    assert "InstanceType" not in variant
    container = only(aws, "CreateModel")["PrimaryContainer"]
    assert (container["Image"], container["ModelDataUrl"]) == ("mine:1", archive)


def test_async_and_keys(aws: Aws, here: Path) -> None:
    assert host("action=deploy", "model=s3://b/model.tar.gz", "endpoint=e", "mode=async", "cluster.kms_key=k",
                "cluster.subnets=[s]", "cluster.security_groups=[g]", *WHERE) == (0, "")  # fmt: skip
    config = only(aws, "CreateEndpointConfig")
    assert config["AsyncInferenceConfig"]["OutputConfig"] == {
        "S3OutputPath": f"s3://{BUCKET}/protloc/answers/e", "KmsKeyId": "k",
    }  # fmt: skip
    assert config["KmsKeyId"] == "k"
    assert only(aws, "CreateModel")["VpcConfig"] == {"Subnets": ["s"], "SecurityGroupIds": ["g"]}


def test_machines_that_follow_the_requests(aws: Aws, here: Path) -> None:
    assert host("action=deploy", "model=s3://b/model.tar.gz", "endpoint=e", "cluster.max_instances=4", *WHERE) == (
        0,
        "",
    )
    target = only(aws, "RegisterScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["ResourceId"] == "endpoint/e/variant/AllTraffic"
    policy = only(aws, "PutScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
    assert policy["TargetValue"] == 600.0


def test_transform(aws: Aws, here: Path) -> None:
    fasta(here / "some.fasta", 4, labels=False)
    assert host("action=transform", "model=run/model", "input=some.fasta", f"output=s3://{BUCKET}/tables",
                "wait=true", *WHERE) == (0, "")  # fmt: skip
    sent = only(aws, "CreateTransformJob")
    assert sent["ModelName"] == only(aws, "CreateModel")["ModelName"]
    assert sent["TransformInput"]["ContentType"] == "text/x-fasta"
    assert sent["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"].startswith(f"s3://{BUCKET}/protloc/data/")
    assert sent["TransformOutput"] == {"S3OutputPath": f"s3://{BUCKET}/tables", "Accept": "text/csv"}
    assert sent["TransformResources"] == {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
    assert only(aws, "DeleteModel") == {"ModelName": sent["ModelName"]}


def test_a_dry_run_sends_nothing(aws: Aws, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert host("action=deploy", "model=run", "endpoint=e", "dry_run=true", "cluster.max_instances=2") == (0, "")
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["CreateModel", "CreateEndpointConfig", "register_scalable_target", "put_scaling_policy"]
    assert (aws.requests, aws.s3) == ([], [])


REFUSED = {
    "action=deploy model=run": "action=deploy needs endpoint=NAME",
    "action=deploy endpoint=e": "action=deploy needs model=",
    "action=deploy endpoint=e model=gone": "gone is no folder, so there is no config.json",
    f"action=deploy model=run endpoint={'x' * 60}": f"endpoint={'x' * 60}: SageMaker takes letters",
    "action=deploy model=run endpoint=e cluster.role=x": "cluster.role=x is no role's ARN",
    "action=deploy model=run endpoint=e mode=serverless cluster.memory_mb=5000": "cluster.memory_mb=5000: AWS offers",
    "action=deploy model=run endpoint=e mode=batch": "mode=batch: choose one of realtime, serverless, async",
    "action=deploy model=run endpoint=e cluster.gpu=1": "no option 'cluster.gpu'; there are",
    "action=deploy model=run endpoint=e cluster.environment.API_KEY=1": "cluster.environment.API_KEY looks like a",
    "action=transform model=run input=x": "action=transform needs output=s3://BUCKET/FOLDER",
    "action=invoke endpoint=e input=x": "action=invoke needs output=",
    "action=invoke endpoint=e input=gone.fasta output=x.csv": "gone.fasta",
    "action=invoke endpoint=e input=train.fasta output=x.docx": "x.docx: unknown ending '.docx'",
    "action=invoke endpoint=e input=train.fasta output=train.fasta overwrite=true": "output=train.fasta: this is",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_work_is_refused(aws: Aws, here: Path, words: str) -> None:
    assert_refused(aws, host(*WHERE, *words.split()), REFUSED[words])


@pytest.fixture(scope="module")
def server(trained: Path) -> Iterator[Server]:
    running = Server(trained / "run" / "model")
    yield running
    assert running.stop() == 0


class Runtime:
    """SageMaker's way to an endpoint's container: requests go to a real server; the first few are told to wait."""

    def __init__(self, server: Server, busy: int) -> None:
        self.server, self.busy, self.asked = server, busy, 0

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        self.asked += 1
        if self.asked <= self.busy:
            start("429 Too Many Requests", [("x-amzn-ErrorType", "ThrottlingException")])
            return [b'{"message": "slow down"}']
        headers = {"Content-Type": environ["CONTENT_TYPE"], "Accept": environ["HTTP_ACCEPT"]}
        request = urllib.request.Request(f"{self.server.url}/invocations", body, headers)
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
        start("200 OK", [("Content-Type", "application/json")])
        return [content]


def test_a_file_through_an_endpoint_is_predict_py_s_table(
    aws: Aws, here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protloc.sagemaker.invoke.PROTEINS", 7)
    monkeypatch.setattr("protloc.sagemaker.invoke.PAUSE", 0.01)
    runtime = Runtime(server, busy=2)
    aws.runtime = runtime
    fasta(here / "proteome.fasta", 60, labels=False)
    assert host("action=invoke", "endpoint=e", "input=proteome.fasta", "output=a.csv", "overwrite=true") == (0, "")
    assert runtime.asked == 9 + 2
    predicted = run(
        "predict.py", "model_dir=run", "input=proteome.fasta", "output=b.csv", "overwrite=true", "device=cpu",
        "precision=fp32", cwd=here,
    )  # fmt: skip
    assert predicted.returncode == 0, predicted.stderr
    ours, theirs = ((here / name).read_text().splitlines() for name in ("a.csv", "b.csv"))
    theirs = [line.rpartition(",")[0] for line in theirs]  # without the accession, which is predict.py's own
    assert ours[0] == theirs[0]
    assert len(ours) == 61
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        for a, b in zip(one.split(","), other.split(","), strict=True):
            assert a == b or float(a) == pytest.approx(float(b), abs=1e-5)


def test_an_endpoint_that_stays_busy_is_an_error_and_leaves_no_table(
    aws: Aws, here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protloc.sagemaker.invoke.PAUSE", 0.001)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # boto3's own, which wait for seconds between them
    aws.runtime = runtime = Runtime(server, busy=10**9)
    code, line = host("action=invoke", "endpoint=e", "input=train.fasta", "output=never.csv")
    assert code == 1
    assert line == "ask e about p0 and 59 more: ThrottlingException: slow down"
    assert runtime.asked == ATTEMPTS
    assert not list(here.glob("*never*"))
