"""What would fail on SageMaker after minutes or hours, found here before anything is sent."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from protloc.config import ClusterConfig, TrainConfig, WandbLogger
from protloc.sagemaker.images import LEAST_TORCH, torch_version
from protloc.sagemaker.instances import INSTANCES, is_cpu, offered

SMDDP_TORCH = (2, 4)
"""SMDDP's last release, October 2024, is for PyTorch 2.4.1 and p4d."""

ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", re.IGNORECASE)

NAME_LENGTH, TUNER_NAME_LENGTH = 63, 32
"""The longest names that SageMaker takes for a job and for a tuner."""


def refusals(config: TrainConfig, cluster: ClusterConfig, region: str, tuning: bool = False) -> Iterator[str]:
    """One line for each thing that cannot work.

    Args:
        config: what train.py would run.
        cluster: where.
        region: of the job.
        tuning: whether the jobs are a tuner's.
    """
    yield from _machines(config, cluster, region)
    yield from _image(cluster)
    yield from _times(cluster)
    yield from wrong_role(cluster.role)
    longest = TUNER_NAME_LENGTH if tuning else NAME_LENGTH
    if cluster.job_name is not None and (len(cluster.job_name) > longest or not NAME.fullmatch(cluster.job_name)):
        yield (
            f"cluster.job_name={cluster.job_name} has {len(cluster.job_name)} characters: "
            f"SageMaker takes {longest} letters, digits and hyphens at most"
        )
    for name in cluster.environment:
        if SECRET.search(name):
            yield (
                f"cluster.environment.{name} looks like a secret, and a job's environment can be read by many: "
                "cluster.wandb_secret= names one in AWS Secrets Manager"
            )
    if isinstance(config.logger, WandbLogger) and config.logger.mode == "online" and cluster.wandb_secret is None:
        yield (
            "logger=wandb needs a key in the container: cluster.wandb_secret=NAME of a secret in AWS Secrets Manager, "
            "or logger.mode=offline"
        )
    if cluster.network_isolation and cluster.image_uri is None:
        yield (
            "cluster.network_isolation=true keeps pip and the hub away: give cluster.image_uri= of an image that holds "
            "protloc's packages"
        )
    if config.resume is not None:
        yield "resume= is for train.py; here cluster.checkpoints=s3://... goes on with an earlier job's checkpoints"


def wrong_role(role: str | None) -> Iterator[str]:
    """A line where this is no role's ARN; None is looked up later."""
    if role is not None and not ROLE.fullmatch(role):
        yield f"cluster.role={role} is no role's ARN: arn:aws:iam::123456789012:role/NAME is needed"


def wrong_instance(kind: str, example: str) -> Iterator[str]:
    """A line where no type of machine is spelt like this."""
    if not re.fullmatch(r"ml\.[a-z0-9-]+\.[a-z0-9-]+", kind):
        yield f"cluster.instance_type={kind} is no instance of SageMaker's: these look like {example}"


def warnings(cluster: ClusterConfig, region: str) -> Iterator[str]:
    """One line for each thing that may not be meant."""
    if cluster.force and not offered(cluster.instance_type, region):
        yield f"{cluster.instance_type} in {region} is not in protloc's table; sent all the same, without a price"
    if cluster.debugger or cluster.profiler:
        yield (
            "SageMaker Debugger is closed to new customers since 2026-07-30 and Profiler ends on 2027-06-30: your "
            "account may refuse them"
        )


def _machines(config: TrainConfig, cluster: ClusterConfig, region: str) -> Iterator[str]:
    kind, misspelt = cluster.instance_type, list(wrong_instance(cluster.instance_type, "ml.g5.12xlarge"))
    if misspelt:
        yield from misspelt
        return
    known = INSTANCES.get(kind)
    if not offered(kind, region) and not cluster.force:
        near = ", ".join(difflib.get_close_matches(kind, INSTANCES, 3)) or "ml.g5.12xlarge and others"
        there = f"it has {near}" if known is None else f"it is in {', '.join(sorted(known.regions or ()))}"
        yield (
            f"cluster.instance_type={kind} is not in protloc's table of {region} ({there}); cluster.force=true sends "
            "it all the same"
        )
    if cluster.distribution == "torch_distributed" and is_cpu(kind):
        yield (
            f"cluster.distribution=torch_distributed starts a process a GPU, and {kind} has none: take "
            "cluster.distribution=none"
        )
    if cluster.distribution == "none" and cluster.instance_count > 1:
        yield f"cluster.distribution=none runs on one machine: {cluster.instance_count} would train each for itself"
    gpus = config.trainer.gpus
    if known is not None and isinstance(gpus, int) and gpus > known.gpus:
        yield f"trainer.gpus={gpus}, but {kind} has {known.gpus}"
    if cluster.distribution == "smddp" and (known is None or not known.smddp):
        able = ", ".join(name for name, instance in INSTANCES.items() if instance.smddp)
        yield (
            f"cluster.distribution=smddp runs on {able} alone, not on {kind}; take "
            "cluster.distribution=torch_distributed"
        )


def _image(cluster: ClusterConfig) -> Iterator[str]:
    versions = (cluster.transformers_version, cluster.pytorch_version, cluster.py_version)
    if any(versions) and not all(versions):
        yield "cluster.transformers_version, cluster.pytorch_version and cluster.py_version go together: give all three"
    torch = torch_version(cluster.image_uri) if cluster.image_uri else None
    if cluster.pytorch_version:
        torch = tuple(int(part) for part in re.findall(r"\d+", cluster.pytorch_version))
    if torch is not None and torch[:2] < LEAST_TORCH:
        yield (
            f"the image has PyTorch {'.'.join(map(str, torch))}, and protloc needs "
            f"{'.'.join(map(str, LEAST_TORCH))} or newer"
        )
    if cluster.distribution == "smddp" and (cluster.image_uri is None or (torch or (0,))[:2] > SMDDP_TORCH):
        yield (
            "cluster.distribution=smddp: no public image has both SageMaker's library, whose last release is for "
            "PyTorch 2.4.1, and a PyTorch that protloc runs on; give cluster.image_uri= of your own, or take "
            "cluster.distribution=torch_distributed"
        )


def _times(cluster: ClusterConfig) -> Iterator[str]:
    if cluster.spot and cluster.max_wait is None:
        yield "cluster.spot=true needs cluster.max_wait=SECONDS, waiting and training together"
    if cluster.max_wait is not None and not cluster.spot:
        yield f"cluster.max_wait={cluster.max_wait} is for spot machines: give cluster.spot=true with it"
    if cluster.spot and cluster.max_wait is not None and cluster.max_wait < cluster.max_run:
        yield (
            f"cluster.max_wait={cluster.max_wait} is below cluster.max_run={cluster.max_run}: it covers waiting and "
            "training"
        )
    if cluster.spot and cluster.keep_alive:
        yield "cluster.keep_alive is not for spot machines: give one of the two"
