"""What several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sagemaker.aws import BUCKET, REGION, Aws
from tests.scripts import SMALL_TINY, fasta, run, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train.fasta`, and `run/` as train.py left it."""
    folder = tmp_path_factory.mktemp("trained")
    fasta(folder / "train.fasta", 60)
    result = run(
        "train.py", "data=fasta", "data.train=train.fasta", *SMALL_TINY, "trainer.epochs=1", "hydra.run.dir=run",
        cwd=folder, cache=folder / "cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own FASTA files and one finished run on them."""
    folder = tmp_path_factory.mktemp("run")
    fasta(folder / "train.fasta", 90)
    fasta(folder / "test.fasta", 33, prefix="t")
    train(folder, "out")
    return folder


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    pytest.importorskip("sagemaker", reason="needs the extra [sagemaker]")
    pytest.importorskip("moto", reason="needs the extra [dev]")
    server = Aws()
    yield server
    server.close()


@pytest.fixture
def aws(aws_server: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS on loopback, empty but for a bucket; this process and those it starts speak to it."""
    import boto3

    for name, value in aws_server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    aws_server.clear()
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    aws_server.s3.clear()
    return aws_server
