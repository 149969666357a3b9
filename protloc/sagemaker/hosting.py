"""A model that answers on SageMaker: what is asked of AWS to make it, change it, and take it away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from protloc.config import DeployConfig, HostConfig
from protloc.errors import UserError
from protloc.sagemaker.aws import aws_errors
from protloc.sagemaker.guards import NAME, NAME_LENGTH, SECRET, wrong_instance, wrong_role
from protloc.sagemaker.images import inference_image
from protloc.sagemaker.instances import is_cpu

if TYPE_CHECKING:
    import boto3

VARIANT = "AllTraffic"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
SUFFIX = 16
"""Characters that a model's name has beside the endpoint's."""

MEMORIES = (1024, 2048, 3072, 4096, 5120, 6144)
"""What AWS offers serverless endpoints, in MB."""


def refusals(config: DeployConfig) -> Iterator[str]:
    """One line for each thing that cannot work, found before anything is sent."""
    host, name = config.cluster, config.endpoint
    if config.action in ("deploy", "invoke", "delete") and name is None:
        yield f"action={config.action} needs endpoint=NAME"
    if config.action in ("deploy", "transform") and config.model is None:
        yield f"action={config.action} needs model=: a model folder, RUN/model, or s3://.../model.tar.gz"
    if config.action in ("transform", "invoke") and config.input is None:
        yield f"action={config.action} needs input="
    if config.action == "transform" and not (config.output or "").startswith("s3://"):
        yield "action=transform needs output=s3://BUCKET/FOLDER"
    if config.action == "invoke" and config.output is None:
        yield "action=invoke needs output=: a table, .csv, .tsv, .jsonl or .parquet"
    if name is not None and (len(name) > NAME_LENGTH - SUFFIX or not NAME.fullmatch(name)):
        yield f"endpoint={name}: SageMaker takes letters, digits and hyphens, here {NAME_LENGTH - SUFFIX} at most"
    yield from wrong_role(host.role)
    yield from wrong_instance(host.instance_type, "ml.m5.xlarge")
    if config.mode == "serverless" and host.memory_mb not in MEMORIES:
        yield f"cluster.memory_mb={host.memory_mb}: AWS offers {', '.join(map(str, MEMORIES))}"
    if config.mode == "serverless" and host.max_instances is not None:
        yield "cluster.max_instances is not for mode=serverless, which grows by itself: cluster.concurrency bounds it"
    if host.max_instances is not None and host.max_instances <= host.instance_count:
        yield f"cluster.max_instances={host.max_instances} must be above cluster.instance_count={host.instance_count}"
    if host.network_isolation and host.image_uri is None:
        yield "cluster.network_isolation=true keeps pip away: give cluster.image_uri= with protloc's packages in it"
    for variable in host.environment:
        if SECRET.search(variable):
            yield f"cluster.environment.{variable} looks like a secret, and can be read by many"


def model_request(host: HostConfig, region: str, role: str, name: str, archive: str) -> dict[str, Any]:
    """CreateModel: the container, and where its model folder lies.

    Args:
        host: the machines.
        region: of the endpoint.
        role: the ARN that it runs as.
        name: of the model.
        archive: address of model.tar.gz.
    """
    gpu = not is_cpu(host.instance_type)
    request: dict[str, Any] = {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": {
            "Image": host.image_uri or inference_image(region, gpu),
            "ModelDataUrl": archive,
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_REGION": region,
                **host.environment,
            },
        },
        "EnableNetworkIsolation": host.network_isolation,
        "Tags": tags(host),
    }
    if host.subnets:
        request["VpcConfig"] = {"Subnets": list(host.subnets), "SecurityGroupIds": list(host.security_groups)}
    return request


def config_request(config: DeployConfig, name: str, answers: str) -> dict[str, Any]:
    """CreateEndpointConfig: which machines, or none of one's own.

    Args:
        config: the options.
        name: of the model, and of this configuration.
        answers: prefix on S3 for what mode=async answers.
    """
    host = config.cluster
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": name}
    if config.mode == "serverless":
        variant["ServerlessConfig"] = {"MemorySizeInMB": host.memory_mb, "MaxConcurrency": host.concurrency}
    else:
        variant |= {"InstanceType": host.instance_type, "InitialInstanceCount": host.instance_count}
    request: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant], "Tags": tags(host)}
    if config.mode == "async":
        output = {"S3OutputPath": answers} | ({"KmsKeyId": host.kms_key} if host.kms_key else {})
        request["AsyncInferenceConfig"] = {"OutputConfig": output}
    if host.kms_key and config.mode != "serverless":
        request["KmsKeyId"] = host.kms_key
    return request


def scaling_requests(config: DeployConfig) -> list[tuple[str, dict[str, Any]]]:
    """What lets the number of machines follow the number of requests; empty where it is fixed."""
    host, endpoint = config.cluster, config.endpoint
    if host.max_instances is None:
        return []
    target = {
        "ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": DIMENSION,
    }  # fmt: skip
    policy = {
        "TargetValue": float(host.requests_per_minute),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }
    return [
        ("register_scalable_target",
         {**target, "MinCapacity": host.instance_count, "MaxCapacity": host.max_instances}),
        ("put_scaling_policy",
         {**target, "PolicyName": f"{endpoint}-requests", "PolicyType": "TargetTrackingScaling",
          "TargetTrackingScalingPolicyConfiguration": policy}),
    ]  # fmt: skip


def tags(host: HostConfig) -> list[dict[str, str]]:
    """The user's tags in AWS's words."""
    return [{"Key": key, "Value": value} for key, value in host.tags.items()]


class Endpoint:
    """An endpoint by its name.

    Args:
        session: boto3's.
        name: of the endpoint.
    """

    def __init__(self, session: boto3.Session, name: str) -> None:
        self.name = name
        self._sagemaker = session.client("sagemaker")
        self._scaling = session.client("application-autoscaling")

    def describe(self) -> dict[str, Any] | None:
        """What SageMaker knows of it; None where there is none."""
        from botocore.exceptions import ClientError

        with aws_errors(f"look up the endpoint {self.name}"):
            try:
                found: dict[str, Any] = self._sagemaker.describe_endpoint(EndpointName=self.name)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ValidationException":
                    return None
                raise
        return found

    def make(self, model: dict[str, Any], config: dict[str, Any], scaling: list[tuple[str, dict[str, Any]]]) -> str:
        """Create the endpoint, or give the one that is there another model; it answers all the while.

        Returns:
            `created`, or `updated`.
        """
        there = self.describe()
        with aws_errors(f"deploy to {self.name}"):
            self._sagemaker.create_model(**model)
            self._sagemaker.create_endpoint_config(**config)
            names = {"EndpointName": self.name, "EndpointConfigName": config["EndpointConfigName"]}
            if there is None:
                self._sagemaker.create_endpoint(**names, Tags=config["Tags"])
            else:
                self._sagemaker.update_endpoint(**names)
        if there is not None or scaling:
            self.wait()  # AWS scales, and lets go of the old model, once the new one answers
        with aws_errors(f"scale {self.name}"):
            for operation, request in scaling:
                getattr(self._scaling, operation)(**request)
        if there is not None:
            for line in self._delete_config(there["EndpointConfigName"]):
                print(f"removed: {line}")
        return "created" if there is None else "updated"

    def wait(self, poll: float = 10.0) -> None:
        """Go on when it answers.

        Raises:
            UserError: it could not be started.
        """
        from rich.console import Console

        with Console(stderr=True).status(f"{self.name}: starting"):
            while True:
                found = self.describe()
                status = found["EndpointStatus"] if found else "gone"
                if status == "InService":
                    return
                if status not in ("Creating", "Updating", "SystemUpdating"):
                    reason = (found or {}).get("FailureReason", "")
                    raise UserError(f"the endpoint {self.name} is {status}. {reason}".rstrip())
                time.sleep(poll)

    def delete(self) -> list[str]:
        """Remove the endpoint, its configuration and its models; what was removed.

        Raises:
            UserError: there is no such endpoint.
        """
        found = self.describe()
        if found is None:
            raise UserError(f"there is no endpoint {self.name} in this region")
        with aws_errors(f"delete {self.name}"):
            self._sagemaker.delete_endpoint(EndpointName=self.name)
        return [f"endpoint {self.name}", *self._delete_config(found["EndpointConfigName"])]

    def _delete_config(self, name: str) -> list[str]:
        """Remove a configuration and the models in it."""
        with aws_errors(f"delete the configuration {name}"):
            variants = self._sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
            self._sagemaker.delete_endpoint_config(EndpointConfigName=name)
            models = [variant["ModelName"] for variant in variants]
            for model in models:
                self._sagemaker.delete_model(ModelName=model)
        return [f"endpoint configuration {name}", *(f"model {model}" for model in models)]
