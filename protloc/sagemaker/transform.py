"""Batch transform: files of proteins on S3 in, tables on S3 out; machines for as long as that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from protloc.config import HostConfig
from protloc.errors import UserError
from protloc.sagemaker.aws import aws_errors
from protloc.sagemaker.hosting import tags

if TYPE_CHECKING:
    import boto3

PAYLOAD_MB = 32
"""Largest file that is sent as one request; SageMaker cannot split a FASTA, so larger ones must be several files."""


def transform_request(host: HostConfig, name: str, source: str, target: str) -> dict[str, Any]:
    """CreateTransformJob: each file below `source` becomes `target/FILE.out`, the table of predict.py as CSV.

    Args:
        host: the machines.
        name: of the job, and of its model.
        source: FASTA files on S3: a file or a prefix.
        target: a prefix on S3.
    """
    output: dict[str, Any] = {"S3OutputPath": target, "Accept": "text/csv"}
    resources: dict[str, Any] = {"InstanceType": host.instance_type, "InstanceCount": host.instance_count}
    if host.kms_key:
        output["KmsKeyId"] = resources["VolumeKmsKeyId"] = host.kms_key
    return {
        "TransformJobName": name,
        "ModelName": name,
        "MaxPayloadInMB": PAYLOAD_MB,
        "BatchStrategy": "SingleRecord",
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 3600, "InvocationsMaxRetries": 2},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "text/x-fasta",
            "SplitType": "None",
        },
        "TransformOutput": output,
        "TransformResources": resources,
        "Tags": tags(host),
    }


def transform(
    session: boto3.Session, model: dict[str, Any], request: dict[str, Any], *, wait: bool, poll: float = 10.0
) -> None:
    """Start the job; with `wait`, go on when it has ended, and remove its model.

    Raises:
        UserError: AWS refuses it, or it failed.
    """
    client, name = session.client("sagemaker"), request["TransformJobName"]
    with aws_errors(f"start the transform {name}"):
        client.create_model(**model)
        client.create_transform_job(**request)
    while wait:
        with aws_errors(f"look up the transform {name}"):
            found = client.describe_transform_job(TransformJobName=name)
        if found["TransformJobStatus"] in ("Completed", "Failed", "Stopped"):
            with aws_errors(f"delete the model {name}"):
                client.delete_model(ModelName=model["ModelName"])
            if found["TransformJobStatus"] != "Completed":
                reason = found.get("FailureReason", "")
                raise UserError(f"the transform {name}: {found['TransformJobStatus']}. {reason}".rstrip())
            return
        time.sleep(poll)
