"""A job sent by SageMaker's Python SDK 2, as a HuggingFace estimator. An SDK 3 would stand beside this module."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from protloc.errors import UserError
from protloc.sagemaker.aws import aws_errors
from protloc.sagemaker.job import DISTRIBUTION, ENTRY, TrainingJob
from protloc.sagemaker.metrics import metric_definitions

if TYPE_CHECKING:
    import boto3

CONFIG = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
"""The SDK's own settings: it reports to nobody."""

CHECKPOINTS = "/opt/ml/checkpoints"
"""The container's folder that SageMaker keeps in step with `TrainingJob.checkpoints`."""


def load_sdk() -> Any:
    """The module `sagemaker`, without what it says on import.

    Raises:
        UserError: it is not installed, or is a release without estimators.
    """
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    for name in ("sagemaker", "sagemaker.config"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it cannot do, it raises
    warnings.filterwarnings("ignore", module="sagemaker")
    try:
        import sagemaker
        import sagemaker.huggingface
    except ImportError as error:
        raise UserError(
            "SageMaker's SDK 2 is not installed (3 has no estimators): pip install 'protloc[sagemaker]'"
        ) from error
    return sagemaker


def sdk_session(session: boto3.Session, bucket: str) -> Any:
    """The SDK's session over boto3's."""
    sagemaker = load_sdk()
    return sagemaker.Session(boto_session=session, default_bucket=bucket, sagemaker_config=CONFIG)


def estimator(job: TrainingJob, session: Any) -> Any:
    """The `HuggingFace` estimator that stands for the job.

    Args:
        job: all of it.
        session: the SDK's.

    Raises:
        UserError: the SDK refuses the combination.
    """
    sagemaker = load_sdk()
    transformers, torch, python = job.versions or (None, None, "py3")
    try:
        return sagemaker.huggingface.HuggingFace(
            entry_point=ENTRY,
            source_dir=job.source,
            image_uri=job.image,
            transformers_version=transformers,
            pytorch_version=torch,
            py_version=python,
            hyperparameters={"overrides": list(job.overrides)},
            distribution=DISTRIBUTION[job.distribution],
            role=job.role,
            sagemaker_session=session,
            instance_type=job.instance_type,
            instance_count=job.instance_count,
            volume_size=job.volume_size,
            volume_kms_key=job.kms_key,
            output_kms_key=job.kms_key,
            output_path=job.output,
            code_location=job.output,
            max_run=job.max_run,
            use_spot_instances=job.spot,
            max_wait=job.max_wait,
            max_retry_attempts=job.retries,
            keep_alive_period_in_seconds=job.keep_alive or None,
            checkpoint_s3_uri=job.checkpoints,
            checkpoint_local_path=CHECKPOINTS,
            subnets=list(job.subnets) or None,
            security_group_ids=list(job.security_groups) or None,
            encrypt_inter_container_traffic=job.encrypt_between_nodes,
            enable_network_isolation=job.network_isolation,
            tags=[{"Key": key, "Value": value} for key, value in job.tags.items()],
            environment=dict(job.environment),
            metric_definitions=metric_definitions(),
            **_observers(job),
        )
    except ValueError as error:
        raise UserError(f"SageMaker's SDK: {' '.join(str(error).split())}") from error


def channels(job: TrainingJob) -> dict[str, Any]:
    """The job's inputs in the SDK's words."""
    sagemaker = load_sdk()
    return {
        name: sagemaker.inputs.TrainingInput(channel.uri, input_mode=channel.mode)
        for name, channel in job.channels.items()
    }


def submit(job: TrainingJob, session: Any) -> None:
    """Send the job; it goes on by itself.

    Raises:
        UserError: AWS or the SDK refuses it.
    """
    with aws_errors(f"start the job {job.name}"):
        estimator(job, session).fit(channels(job) or None, job_name=job.name, wait=False)


@contextmanager
def nothing_sent(session: Any) -> Iterator[dict[str, Any]]:
    """Inside, requests to SageMaker are put down and answered here; what was put down, by operation.

    The SDK makes its own request, and botocore checks it: this is what would be sent, not what we believe would be.
    """
    from botocore.awsrequest import AWSResponse

    sent: dict[str, Any] = {}
    events = session.sagemaker_client.meta.events

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        sent[model.name] = params

    def answer(model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        return AWSResponse("", 200, {}, None), {}

    events.register("provide-client-params.sagemaker", note)
    events.register("before-call.sagemaker", answer)
    try:
        yield sent
    finally:
        events.unregister("provide-client-params.sagemaker", note)
        events.unregister("before-call.sagemaker", answer)


def _observers(job: TrainingJob) -> dict[str, Any]:
    """Debugger, profiler and TensorBoard, each only where it is asked for."""
    if not (job.debugger or job.profiler or job.tensorboard):
        return {"debugger_hook_config": False, "disable_profiler": True}
    from sagemaker.debugger import (
        DebuggerHookConfig,
        ProfilerConfig,
        ProfilerRule,
        Rule,
        TensorBoardOutputConfig,
        rule_configs,
    )

    rules: list[Any] = []
    values: dict[str, Any] = {"debugger_hook_config": False, "disable_profiler": not job.profiler}
    if job.debugger:
        rules += [Rule.sagemaker(rule_configs.loss_not_decreasing()), Rule.sagemaker(rule_configs.overfit())]
        values["debugger_hook_config"] = DebuggerHookConfig(s3_output_path=f"{job.output}/debugger")
    if job.profiler:
        rules.append(ProfilerRule.sagemaker(rule_configs.ProfilerReport()))
        values["profiler_config"] = ProfilerConfig(
            s3_output_path=f"{job.output}/profiler", system_monitor_interval_millis=500
        )
    if job.tensorboard:
        values["tensorboard_output_config"] = TensorBoardOutputConfig(
            s3_output_path=f"{job.output}/tensorboard", container_local_output_path=f"{CHECKPOINTS}/tensorboard"
        )
    return {**values, "rules": rules or None}
