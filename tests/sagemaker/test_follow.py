"""A job that was sent: how it stands, what it says, its results, its end; archives that are not what they should be."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import boto3
import pytest

from protloc.errors import UserError
from protloc.sagemaker import follow
from protloc.sagemaker.container import set_wandb_key, words
from protloc.sagemaker.metrics import METRICS
from tests.sagemaker.aws import WHERE, Aws, launch, results


@pytest.fixture
def job(aws: Aws, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a job that was sent and has its results; a new working folder."""
    monkeypatch.chdir(tmp_path)
    aws.when_sent = results(trained)
    assert launch(*WHERE, "cluster.job_name=one") == (0, "")
    return "one"


def say(name: str, machine: str, *lines: str) -> None:
    """Put lines into a machine's log, as SageMaker does."""
    logs = boto3.client("logs")
    if not logs.describe_log_groups()["logGroups"]:
        logs.create_log_group(logGroupName=follow.LOG_GROUP)
    stream = f"{name}/{machine}-1690000000"
    logs.create_log_stream(logGroupName=follow.LOG_GROUP, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + i, "message": line} for i, line in enumerate(lines)]
    logs.put_log_events(logGroupName=follow.LOG_GROUP, logStreamName=stream, logEvents=events)


def test_status(aws: Aws, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert launch(f"job={job}", "action=status") == (0, "")
    assert capsys.readouterr().out.splitlines()[0] == "one: Completed, Completed"


def test_the_log_of_one_machine_and_of_two(aws: Aws, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert launch(f"job={job}", "action=logs") == (0, "")
    assert capsys.readouterr().out == ""  # it has said nothing yet
    say(job, "algo-1", "a", "b")
    assert launch(f"job={job}", "action=logs") == (0, "")
    assert capsys.readouterr().out == "a\nb\n"
    say(job, "algo-2", "c")
    assert launch(f"job={job}", "action=logs") == (0, "")
    assert capsys.readouterr().out == "[algo-1] a\n[algo-1] b\n[algo-2] c\n"


def test_the_results_come_once_and_are_checked(aws: Aws, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(f"job={job}", "action=download") == (0, "")
    assert Path("outputs/one/model/model.safetensors").exists()
    assert Path("outputs/one/metrics.json").exists()
    assert sorted(path.name for path in Path("outputs/one").iterdir()) == [
        "metrics.json", "model", "overrides.yaml", "train.log",
    ]  # fmt: skip
    assert launch(f"job={job}", "action=download") == (1, "outputs/one is not empty: give another output=")
    assert launch(f"job={job}", "action=download", "output=again") == (0, "")


def test_waiting_shows_the_log_and_fetches_the_results(
    aws: Aws, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    aws.when_sent = results(trained)
    say("two", "algo-1", "epoch 1 of 1")
    assert launch(*WHERE, "cluster.job_name=two", "wait=true", "output=here") == (0, "")
    shown = capsys.readouterr().out
    assert "epoch 1 of 1\n" in shown
    assert shown.endswith("model: here/model; figures and plots: here\n")


def test_stop(aws: Aws, job: str) -> None:
    assert launch(f"job={job}", "action=stop") == (0, "")
    assert aws.sent("StopTrainingJob") == [{"TrainingJobName": "one"}]


def test_a_job_that_is_not_there(aws: Aws) -> None:
    code, line = launch("job=gone", "action=status")
    assert code == 1
    assert line.startswith("look up the job gone in eu-west-1: ValidationException: ")


def packed(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (member("../outside", 1), "cannot be unpacked"),
        (member("/outside", 1), "cannot be unpacked"),
        (member("link", kind=tarfile.SYMTYPE, link="/etc/passwd"), "holds link, which is no plain file"),
        (member("pipe", kind=tarfile.FIFOTYPE), "holds pipe, which is no plain file"),
        (member("large", 2000), "would unpack to 2,000 bytes, more than 1,000"),
    ],
)
def test_archives_that_are_not_unpacked(
    tmp_path: Path, bad: tarfile.TarInfo, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LIMIT", 1000)
    archive = packed(tmp_path / "a.tar.gz", bad)
    if bad.name == "/outside":  # its slash is taken off: it lands inside
        follow.unpack(archive, tmp_path / "to")
        assert (tmp_path / "to" / "outside").exists()
        return
    with pytest.raises(UserError, match=said):
        follow.unpack(archive, tmp_path / "to")
    assert not (tmp_path / "outside").exists()


def test_a_broken_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be unpacked"):
        follow.unpack(tmp_path / "a.tar.gz", tmp_path / "to")


def test_results_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match=r"has no config.json|is no folder"):
        follow.verified(tmp_path)


def test_the_containers_words(tmp_path: Path) -> None:
    """A tuner's values and the machine's GPUs beside the job's words; a word of the user's wins."""
    hyperparameters = '{"overrides": ["seed=3"], "trainer__learning_rate": "0.001", "seed": "7", "_tuner": "x"}'
    environment = {"SM_HPS": hyperparameters, "SM_NUM_GPUS": "4"}
    assert words(environment, tmp_path) == [
        "seed=3", "trainer.learning_rate=0.001", "seed=7", "trainer.gpus=4", "resume=auto", f"hydra.run.dir={tmp_path}",
    ]  # fmt: skip
    environment["SM_HPS"] = '{"overrides": ["trainer.gpus=1"]}'
    assert words(environment, tmp_path)[:2] == ["trainer.gpus=1", "resume=auto"]


def test_the_key_of_weights_and_biases_comes_from_secrets_manager(aws: Aws) -> None:
    boto3.client("secretsmanager").create_secret(Name="wandb", SecretString="key-1\n")
    environment = {"PROTLOC_WANDB_SECRET": "wandb", "AWS_REGION": os.environ["AWS_DEFAULT_REGION"]}
    set_wandb_key(environment)
    assert environment["WANDB_API_KEY"] == "key-1"
    assert "WANDB_API_KEY" not in str([sent for _, sent in aws.requests])
    alone: dict[str, str] = {}
    set_wandb_key(alone)
    assert alone == {}


def test_every_metric_has_a_name_that_sagemaker_takes() -> None:
    assert all(len(name) <= 255 and name for name in METRICS)
    assert len(METRICS) <= 40
