"""From the options to the job: its name, its words, its command, its price."""

from __future__ import annotations

import dataclasses
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from protloc.config import ClusterConfig, LaunchConfig, TrainConfig
from protloc.sagemaker.channels import Input
from protloc.sagemaker.images import training_image
from protloc.sagemaker.instances import INSTANCES, PRICES_FROM, cost
from protloc.sagemaker.job import ENTRY, Channel, TrainingJob

PREFIX = "protloc"
"""Everything on S3 lies below this."""

TRAIN = {f.name for f in dataclasses.fields(TrainConfig)}
"""The options of train.py; those of the launcher beside them are its own."""


def train_config(config: LaunchConfig) -> TrainConfig:
    """What train.py would run."""
    return TrainConfig(**{name: getattr(config, name) for name in TRAIN})


def train_words(words: Sequence[str], reads: Sequence[Input] = ()) -> list[str]:
    """The words of train.py among those of a command line; what names a local file names its channel instead.

    Args:
        words: overrides as Hydra takes them.
        reads: the files, by their options.
    """
    own = {f.name for f in dataclasses.fields(LaunchConfig)} - TRAIN
    gone = {read.option for read in reads} | {"data.cache_dir"}
    names = [(word, word.split("=", 1)[0].lstrip("+~")) for word in words]
    kept = [word for word, name in names if name not in gone and re.split(r"[.@]", name)[0] not in own]
    return [*kept, *(read.word for read in reads)]


def job_name(cluster: ClusterConfig, config: TrainConfig, longest: int) -> str:
    """The user's, or one that tells the model and the data and is used once.

    Args:
        cluster: with the user's name, if any.
        config: with model and data.
        longest: characters; letters, digits and hyphens only.
    """
    if cluster.job_name is not None:
        return cluster.job_name
    data = type(config.data).__name__.removesuffix("Data").lower()
    tail = f"{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    about = re.sub(r"[^a-zA-Z0-9]+", "-", f"protloc-{config.model.name}-{data}")
    return f"{about[: longest - len(tail) - 1].strip('-')}-{tail}"


def make_job(
    config: LaunchConfig,
    words: Sequence[str],
    reads: Sequence[Input],
    *,
    name: str,
    region: str,
    role: str,
    bucket: str,
    source: str,
    uris: Mapping[str, str],
) -> TrainingJob:
    """The job.

    Args:
        config: the options.
        words: of the command line.
        reads: the files that it reads.
        name: of the job.
        region: of the job.
        role: its role's ARN.
        bucket: for everything that it writes.
        source: address of the packed source.
        uris: addresses of the files, by option.
    """
    cluster = config.cluster
    versions = (cluster.transformers_version, cluster.pytorch_version, cluster.py_version)
    secret = {"PROTLOC_WANDB_SECRET": cluster.wandb_secret} if cluster.wandb_secret else {}
    backend = ["trainer.backend=smddp"] if cluster.distribution == "smddp" else []
    same = {f.name for f in dataclasses.fields(TrainingJob)} & {f.name for f in dataclasses.fields(ClusterConfig)}
    values: dict[str, Any] = {option: getattr(cluster, option) for option in same}
    values |= {
        "name": name,
        "region": region,
        "role": role,
        "image": cluster.image_uri or (None if all(versions) else training_image(region)),
        "versions": versions if all(versions) else None,
        "overrides": [*train_words(words, reads), *backend],
        "source": source,
        "output": f"s3://{bucket}/{PREFIX}/jobs",
        "checkpoints": cluster.checkpoints or f"s3://{bucket}/{PREFIX}/jobs/{name}/checkpoints",
        "channels": {read.channel: Channel(uris[read.option], cluster.input_mode) for read in reads},
        "environment": {**cluster.environment, **secret},
        "tensorboard": config.logger.name == "tensorboard",
    }
    return TrainingJob(**values)


def container_command(job: TrainingJob) -> str:
    """What the container will run, for a person to read."""
    known = INSTANCES.get(job.instance_type)
    gpus = str(known.gpus) if known else "GPUS"
    start = {
        "none": "python",
        "torch_distributed": f"torchrun --nnodes {job.instance_count} --nproc_per_node {gpus}",
        "smddp": f"mpirun --host {job.instance_count} x {gpus} smddprun python",
    }[job.distribution]
    return f"{start} {ENTRY}  # python train.py {' '.join(job.overrides)}"


def estimate(job: TrainingJob) -> dict[str, Any] | None:
    """What the job costs at most, if it runs for as long as it may; None where no price is known."""
    dollars = cost(job.instance_type, job.instance_count, job.max_run, job.spot)
    if dollars is None:
        return None
    return {
        "us_dollars_at_most": dollars[1],
        **({"us_dollars_at_least": dollars[0]} if job.spot else {}),
        "hours": round(job.max_run / 3600, 2),
        "what": "an estimate: cluster.max_run to its end; storage and transfer are not in it",
        "prices": PRICES_FROM,
    }
