"""cluster.*, tuner.*: where launch_sagemaker.py runs train.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from protloc.config.option import MISSING, option


@dataclass
class ClusterConfig:
    """The machines of a job on SageMaker, and what surrounds them."""

    role: str | None = option(None, "ARN of the role that the job runs as; null: that of the Studio app this runs in")
    region: str | None = option(None, "AWS region; null: that of your AWS configuration")
    bucket: str | None = option(None, "S3 bucket for source, data and results; null: sagemaker-REGION-ACCOUNT")
    instance_type: str = option(MISSING, "type of the machines")
    instance_count: int = option(1, "how many machines", least=1)
    force: bool = option(False, "send a type of machine that protloc's table does not have in the region")
    image_uri: str | None = option(None, "the container's address; null: Hugging Face's newest that protloc knows")
    transformers_version: str | None = option(
        None, "with the two below: an image of these versions, as SageMaker's SDK knows it"
    )
    pytorch_version: str | None = option(None, "PyTorch of that image")
    py_version: str | None = option(None, "Python of that image, as in py312")
    distribution: str = option(
        "torch_distributed", "what starts the processes: torchrun, SageMaker's data parallel library, or train.py",
        choices=("torch_distributed", "smddp", "none"),
    )  # fmt: skip
    max_run: int = option(86400, "seconds that training may take", least=60)
    spot: bool = option(False, "spot machines: cheaper, may be taken away; the job goes on from its checkpoint")
    max_wait: int | None = option(None, "seconds for waiting and training together, where spot=true", least=60)
    retries: int = option(1, "attempts after a failure of SageMaker's own", least=1, most=30)
    keep_alive: int = option(0, "seconds that the machines stay for your next job (warm pool)", least=0, most=3600)
    volume_size: int = option(100, "disk of each machine, in GB", least=1)
    input_mode: str = option(
        "File", "File: inputs are copied before the start; FastFile: read as they are needed",
        choices=("File", "FastFile"),
    )  # fmt: skip
    checkpoints: str | None = option(
        None, "s3://... that the run's folder is kept in step with; that of an earlier job goes on with it"
    )
    subnets: list[str] = field(default_factory=list, metadata={"help": "subnets of your VPC"})
    security_groups: list[str] = field(default_factory=list, metadata={"help": "security groups of your VPC"})
    kms_key: str | None = option(None, "key that encrypts uploads, disks and results")
    encrypt_between_nodes: bool = option(False, "encrypt what the machines say to each other")
    network_isolation: bool = option(False, "no network in the container; needs an image with protloc's packages")
    tags: dict[str, str] = option({}, "tags of the job")
    environment: dict[str, str] = option({}, "variables in the container; no secrets")
    wandb_secret: str | None = option(None, "name or ARN of the secret in AWS Secrets Manager that holds the W&B key")
    job_name: str | None = option(None, "name of the job; null: from model, data and time")
    debugger: bool = option(False, "SageMaker Debugger's rules; closed to new customers since 2026-07-30")
    profiler: bool = option(False, "SageMaker Profiler; ends on 2027-06-30")


@dataclass
class TunerConfig:
    """SageMaker's own search, where tune=true."""

    strategy: str = option("Bayesian", "how it searches", choices=("Bayesian", "Hyperband", "Random", "Grid"))
    max_jobs: int = option(12, "jobs in all", least=1)
    parallel: int = option(2, "jobs at once", least=1)
    space: dict[str, str] = option(
        {}, "options to search, as in sweeps: interval(...), tag(log, interval(...)), choice(...)"
    )
