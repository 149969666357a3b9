"""cluster.* of the actions deploy, transform, invoke and delete: where a model answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from protloc.config.option import option


@dataclass
class HostConfig:
    """The machines that answer, and what surrounds them."""

    role: str | None = option(None, "ARN of the role that the model runs as; null: that of the Studio app this runs in")
    region: str | None = option(None, "AWS region; null: that of your AWS configuration")
    bucket: str | None = option(None, "S3 bucket for models, inputs and answers; null: sagemaker-REGION-ACCOUNT")
    image_uri: str | None = option(None, "the container's address; null: Hugging Face's for inference")
    instance_type: str = option("ml.m5.xlarge", "type of the machines")
    instance_count: int = option(1, "how many machines", least=1)
    max_instances: int | None = option(None, "more machines, up to this many, where requests come fast", least=2)
    requests_per_minute: int = option(600, "requests a minute that one machine is to get, where their number may grow",
                                      least=1)  # fmt: skip
    memory_mb: int = option(4096, "memory of mode=serverless, in MB: 1024 to 6144", least=1024, most=6144)
    concurrency: int = option(5, "requests at once of mode=serverless", least=1, most=200)
    kms_key: str | None = option(None, "key that encrypts uploads, disks and answers")
    subnets: list[str] = field(default_factory=list, metadata={"help": "subnets of your VPC"})
    security_groups: list[str] = field(default_factory=list, metadata={"help": "security groups of your VPC"})
    network_isolation: bool = option(False, "no network in the container; needs an image with protloc's packages")
    tags: dict[str, str] = option({}, "tags of all that is made")
    environment: dict[str, str] = option({}, "variables in the container; no secrets")
