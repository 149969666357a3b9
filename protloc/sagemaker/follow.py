"""A job that was sent: what it does, what it says, its results, its end."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protloc.errors import UserError
from protloc.runs.folder import END
from protloc.sagemaker.aws import aws_errors
from protloc.sagemaker.job import SPLIT
from protloc.sagemaker.store import fetch

if TYPE_CHECKING:
    import boto3

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ENDED = ("Completed", "Failed", "Stopped")
POLL = 10.0
"""Seconds between two looks at a job."""

LIMIT = 100 * 2**30
"""Bytes that an archive may unpack to."""


class Job:
    """A training job by its name.

    Args:
        session: boto3's.
        name: of the job.
    """

    def __init__(self, session: boto3.Session, name: str) -> None:
        self.name, self.region = name, session.region_name
        self._sagemaker, self._logs = session.client("sagemaker"), session.client("logs")
        self._s3 = session.client("s3")
        self._read: dict[str, str] = {}

    def describe(self) -> dict[str, Any]:
        """What SageMaker knows of it.

        Raises:
            UserError: there is no such job in this region.
        """
        with aws_errors(f"look up the job {self.name} in {self.region}"):
            found: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=self.name)
        return found

    def stop(self) -> None:
        """Tell it to end; it writes a checkpoint first."""
        with aws_errors(f"stop the job {self.name}"):
            self._sagemaker.stop_training_job(TrainingJobName=self.name)

    def new_lines(self) -> Iterator[str]:
        """What it has said since the last call; with several machines, each line with its own's name."""
        from botocore.exceptions import ClientError

        with aws_errors(f"read the log of {self.name}"):
            try:
                streams = self._streams()
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return  # nothing has been said yet
                raise
            for stream in streams:
                machine = stream.removeprefix(f"{self.name}/").rpartition("-")[0]  # algo-1, without the time
                head = f"[{machine}] " if len(streams) > 1 else ""
                yield from (head + message for message in self._messages(stream))

    def _streams(self) -> list[str]:
        pages = self._logs.get_paginator("describe_log_streams").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self.name}/"
        )
        return sorted(stream["logStreamName"] for page in pages for stream in page["logStreams"])

    def _messages(self, stream: str) -> Iterator[str]:
        while True:
            token = {"nextToken": self._read[stream]} if stream in self._read else {}
            page = self._logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **token)
            yield from (event["message"].rstrip() for event in page["events"])
            if self._read.get(stream) == page["nextForwardToken"]:
                return
            self._read[stream] = page["nextForwardToken"]

    def wait(self, poll: float = POLL) -> dict[str, Any]:
        """Print what it says until it has ended, with a line on how it stands; what SageMaker knows of it then."""
        from rich.console import Console

        console, began, state = Console(stderr=True), time.monotonic(), ""
        with console.status(f"{self.name}: waiting") as line:
            while True:
                found = self.describe()
                now = found.get("SecondaryStatus", found["TrainingJobStatus"])
                for text in self.new_lines():
                    print(text, flush=True)
                if now != state and not console.is_terminal:
                    print(f"{self.name}: {now}", flush=True)
                state = now
                line.update(f"{self.name}: {now}, {time.monotonic() - began:,.0f} s")
                if found["TrainingJobStatus"] in ENDED:
                    return found
                time.sleep(poll)

    def download(self, folder: Path) -> Path:
        """Fetch the model, figures and plots, and see that they are whole.

        Args:
            folder: becomes like a run's.

        Returns:
            The model's folder.

        Raises:
            UserError: the job has not come to its end, or what came is no model.
        """
        found = self.describe()
        if found["TrainingJobStatus"] != "Completed":
            reason = found.get("FailureReason", "").strip()
            raise UserError(
                f"{self.name} is {found['TrainingJobStatus']}: there is no model to download"
                + (f"; it said: {reason}" if reason else "")
            )
        folder.mkdir(parents=True, exist_ok=True)
        model = found["ModelArtifacts"]["S3ModelArtifacts"]
        for uri, target in ((model, folder / "model"), (model.rsplit("/", 1)[0] + "/output.tar.gz", folder)):
            archive = folder / f".{uri.rsplit('/', 1)[1]}"
            fetch(self._s3, uri, archive)
            try:
                unpack(archive, target)
            finally:
                archive.unlink()
        return verified(folder)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar.gz: plain files and folders inside `folder` only, up to a limit.

    Raises:
        UserError: it is broken, too large, or holds anything else.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            size = sum(member.size for member in members)
            if size > LIMIT:
                raise UserError(f"{archive.name} would unpack to {size:,} bytes, more than {LIMIT:,}")
            for member in members:
                if not (member.isfile() or member.isdir()):
                    raise UserError(f"{archive.name} holds {member.name}, which is no plain file")
            folder.mkdir(parents=True, exist_ok=True)
            tar.extractall(folder, members, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive.name} cannot be unpacked: {error}") from error


def verified(folder: Path) -> Path:
    """See that a run's folder holds a model that loads and figures that can be read; the model's folder.

    Raises:
        UserError: one of the two is missing or broken.
    """
    from protloc.model.folder import load_model

    load_model(folder / "model")
    try:
        json.loads((folder / END).read_text())["validation"]["proteins"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder / END} holds no figures of a run: {error}") from error
    return folder / "model"


def status(found: dict[str, Any]) -> list[str]:
    """How a job stands, in lines for a person."""
    lines = [
        f"{found['TrainingJobName']}: {found['TrainingJobStatus']}, {found.get('SecondaryStatus', '')}".rstrip(", ")
    ]
    if found.get("BillableTimeInSeconds"):
        lines.append(f"  billed for {found['BillableTimeInSeconds']} s of {found.get('TrainingTimeInSeconds', 0)} s")
    if found.get("FailureReason"):
        lines.append(f"  it said: {found['FailureReason'].strip()}")
    lines += [f"  {m['MetricName']} {m['Value']:.4f}" for m in found.get("FinalMetricDataList", [])]
    return lines


def console_address(region: str, name: str, *, tuner: bool = False) -> str:
    """The page of a job, or of a tuner, in AWS's console."""
    kind = "hyper-tuning-jobs" if tuner else "jobs"
    return f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/{kind}/{name}"


class TuningJob:
    """A tuner by its name; arguments as for `Job`."""

    def __init__(self, session: boto3.Session, name: str) -> None:
        self.name, self.region = name, session.region_name
        self._sagemaker = session.client("sagemaker")

    def exists(self) -> bool:
        """Whether there is one of this name."""
        with aws_errors(f"look for the tuner {self.name}"):
            found = self._sagemaker.list_hyper_parameter_tuning_jobs(NameContains=self.name)
        return any(
            summary["HyperParameterTuningJobName"] == self.name for summary in found["HyperParameterTuningJobSummaries"]
        )

    def describe(self) -> dict[str, Any]:
        """What SageMaker knows of it."""
        with aws_errors(f"look up the tuner {self.name} in {self.region}"):
            found: dict[str, Any] = self._sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=self.name
            )
        return found

    def stop(self) -> None:
        """Tell it and its jobs to end."""
        with aws_errors(f"stop the tuner {self.name}"):
            self._sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=self.name)


def tuning_status(found: dict[str, Any]) -> list[str]:
    """How a tuner stands, in lines for a person."""
    lines = [f"{found['HyperParameterTuningJobName']}: {found['HyperParameterTuningJobStatus']}"]
    counts = found.get("TrainingJobStatusCounters", {})
    if counts:
        lines.append("  jobs: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    best = found.get("BestTrainingJob")
    if best:
        value = best.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
        lines.append(f"  best: {best['TrainingJobName']}" + (f", {value:.4f}" if value is not None else ""))
        lines += [f"    {n.replace(SPLIT, '.')}={v}" for n, v in best.get("TunedHyperParameters", {}).items()]
    return lines
