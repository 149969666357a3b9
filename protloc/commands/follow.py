"""launch_sagemaker.py job=NAME action=...: how a job stands, what it says, its results, its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from protloc.config import LaunchConfig
from protloc.errors import UserError
from protloc.sagemaker.aws import open_session
from protloc.sagemaker.follow import Job, TuningJob, status, tuning_status

if TYPE_CHECKING:
    import boto3


def follow(config: LaunchConfig) -> None:
    """Do what `config.action` says with `config.job`.

    Raises:
        UserError: no job was named, or AWS refuses.
    """
    if config.job is None:
        raise UserError(f"action={config.action} needs job=NAME, as launch_sagemaker.py printed it", exit_code=2)
    session = open_session(config.cluster.region)
    tuner = TuningJob(session, config.job)
    if config.action in ("status", "stop") and tuner.exists():
        _follow_tuner(tuner, config.action)
        return
    job = Job(session, config.job)
    if config.action == "status":
        print("\n".join(status(job.describe())))
    elif config.action == "logs":
        job.describe()
        for line in job.new_lines():
            print(line)
        if config.wait:
            job.wait()
    elif config.action == "stop":
        job.stop()
        print(f"{config.job}: told to stop; it writes a checkpoint first")
    else:
        _download(job, config.output)


def follow_to_the_end(session: boto3.Session, name: str, output: str | None) -> None:
    """Show the job's log until it has ended, then fetch and check its results.

    Raises:
        UserError: the job failed or was stopped.
    """
    job = Job(session, name)
    try:
        found = job.wait()
    except KeyboardInterrupt:
        print(f"{name} goes on; python launch_sagemaker.py job={name} action=stop ends it")
        raise
    print("\n".join(status(found)))
    if found["TrainingJobStatus"] != "Completed":
        raise UserError(f"{name}: {found['TrainingJobStatus'].lower()}")
    _download(job, output)


def _download(job: Job, output: str | None) -> None:
    folder = Path(output or f"outputs/{job.name}")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: give another output=")
    model = job.download(folder)
    print(f"model: {model}; figures and plots: {folder}")


def _follow_tuner(tuner: TuningJob, action: str) -> None:
    if action == "stop":
        tuner.stop()
        print(f"{tuner.name}: told to stop, with its jobs")
        return
    print("\n".join(tuning_status(tuner.describe())))
