"""From the options to a job that is ready: everything is checked, then what it reads is uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protloc.config import LaunchConfig, TrainConfig
from protloc.errors import UserError
from protloc.sagemaker.aws import open_session, role_of
from protloc.sagemaker.channels import Input, inputs
from protloc.sagemaker.guards import NAME_LENGTH, TUNER_NAME_LENGTH, refusals, warnings
from protloc.sagemaker.job import TrainingJob
from protloc.sagemaker.plan import PREFIX, container_command, estimate, job_name, make_job, train_config
from protloc.sagemaker.source import pack, source_files
from protloc.sagemaker.store import Store, bucket_of, split

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class Prepared:
    """A job that is ready to be sent, and what was made for it.

    Attributes:
        job: all that SageMaker is told.
        session: boto3's.
        files: names in the packed source.
        reads: the files that the job reads.
    """

    job: TrainingJob
    session: boto3.Session
    files: list[str]
    reads: list[Input]


def prepare(config: LaunchConfig, words: Sequence[str]) -> Prepared:
    """Check everything, then upload what the job reads; a dry run uploads nothing and asks AWS nothing.

    Raises:
        UserError: a guard refuses it, a file is missing, or AWS refuses.
    """
    cluster, train = config.cluster, train_config(config)
    session = open_session(cluster.region, offline=config.dry_run)
    wrong = list(refusals(train, cluster, session.region_name, config.tune))
    if wrong:
        raise UserError("; ".join(wrong), exit_code=2)
    _check_names(train)
    reads, files = list(inputs(train)), source_files(train)
    store = bucket_of(cluster.bucket, cluster.kms_key, session, config.dry_run)
    role = role_of(cluster.role, session, config.dry_run)
    if config.dry_run:
        uris = {read.option: read.uri or f"s3://{store.bucket}/{PREFIX}/data/DIGEST/" for read in reads}
        source = f"s3://{store.bucket}/{PREFIX}/source/DIGEST/sourcedir.tar.gz"
    else:
        for line in warnings(cluster, session.region_name):
            print(f"note: {line}")
        uris = {read.option: _uploaded(read, store) for read in reads}
        source, sent = store.put(pack(files), f"{PREFIX}/source", "sourcedir.tar.gz")
        print(f"source: {len(files)} files {'sent' if sent else 'there already'}: {source}")
    name = job_name(cluster, train, TUNER_NAME_LENGTH if config.tune else NAME_LENGTH)
    job = make_job(
        config, words, reads, name=name, region=session.region_name, role=role, bucket=store.bucket, source=source,
        uris=uris,
    )  # fmt: skip
    return Prepared(job, session, sorted(files), reads)


def _check_names(config: TrainConfig) -> None:
    """Options that transformers knows, and not the schema: checked where there are any, for its import takes seconds.

    Raises:
        UserError: one of them is unknown.
    """
    if config.trainer.args:
        from protloc.training.arguments import check_arguments

        check_arguments(config.trainer.args)
    if len(config.model.from_scratch) > 1:
        from protloc.model.build import check_from_scratch

        check_from_scratch(config.model)


def _uploaded(read: Input, store: Store) -> str:
    if read.uri is not None:
        return read.uri
    assert read.local is not None
    uri, sent = store.upload(read.local, f"{PREFIX}/data")
    print(f"{read.option}: {read.local}, {f'{sent:,} bytes sent' if sent else 'there already'}: {uri}")
    return uri


def plan(config: LaunchConfig, prepared: Prepared) -> dict[str, Any]:
    """What would be sent, and what a person wants to know of it, as JSON has it."""
    from protloc.sagemaker.estimator import nothing_sent

    job, sdk = prepared.job, _sdk(prepared)
    with nothing_sent(sdk) as sent:
        _submit(config, job, sdk)
    (request,) = (sent[name] for name in ("CreateTrainingJob", "CreateHyperParameterTuningJob") if name in sent)
    definition = request.get("TrainingJobDefinition", request)
    return {
        "notes": list(warnings(config.cluster, job.region)),
        "image": definition["AlgorithmSpecification"]["TrainingImage"],
        "command": container_command(job),
        "inputs": {read.option: str(read.local or read.uri) for read in prepared.reads},
        "source": prepared.files,
        "cost": estimate(job) or f"no price is known for {job.instance_type}",
        "request": request,
    }


def send(config: LaunchConfig, prepared: Prepared) -> None:
    """Start the job, or the tuner's jobs.

    Raises:
        UserError: AWS or its SDK refuses.
    """
    _submit(config, prepared.job, _sdk(prepared))


def _sdk(prepared: Prepared) -> Any:
    from protloc.sagemaker.estimator import sdk_session

    return sdk_session(prepared.session, split(prepared.job.output)[0])


def _submit(config: LaunchConfig, job: TrainingJob, sdk: Any) -> None:
    if config.tune:
        from protloc.sagemaker.tuner import submit_tuner

        submit_tuner(job, config.tuner, config.trainer, sdk)
        return
    from protloc.sagemaker.estimator import submit

    submit(job, sdk)
