"""A training job as plain, typed values; which SDK sends it is another module's matter (estimator.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ENTRY = "sagemaker_entry.py"
"""What the container runs, at the root of the source."""

SPLIT = "__"
"""Stands for the dot in the names of options that a tuner sets: SageMaker makes variables of them."""

DISTRIBUTION = {
    "none": None,
    "torch_distributed": {"torch_distributed": {"enabled": True}},
    "smddp": {"smdistributed": {"dataparallel": {"enabled": True}}},
}
"""`cluster.distribution` in SageMaker's words."""


@dataclass(frozen=True)
class Channel:
    """An input of the job.

    Attributes:
        uri: an S3 address: a file, or everything below a prefix.
        mode: `File` (copied before the start) or `FastFile` (read as it is needed).
    """

    uri: str
    mode: str = "File"


@dataclass(frozen=True)
class TrainingJob:
    """Everything that SageMaker is told.

    Attributes:
        name: at most 63 letters, digits and hyphens.
        image: the container's address; None where `versions` choose it.
        versions: transformers, PyTorch and Python (`4.56.2`, `2.8.0`, `py312`) for an image that the SDK knows.
        overrides: the words of train.py.
        source: address of the packed source.
        channels: the inputs, by name.
        output: prefix under which the results are put.
        checkpoints: prefix that the run's folder is kept in step with.
        max_run: seconds that training may take.
        max_wait: seconds for waiting and training together; spot only.
        retries: attempts after a failure of SageMaker's own.
        keep_alive: seconds that the machines are kept for a next job.
        volume_size: of the disk, in GB.
        environment: variables, none of them secret.
    """

    name: str
    region: str
    role: str
    image: str | None
    instance_type: str
    instance_count: int
    overrides: Sequence[str]
    source: str
    output: str
    checkpoints: str
    max_run: int
    versions: tuple[str, str, str] | None = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    distribution: str = "torch_distributed"
    spot: bool = False
    max_wait: int | None = None
    retries: int = 1
    keep_alive: int = 0
    volume_size: int = 100
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    kms_key: str | None = None
    encrypt_between_nodes: bool = False
    network_isolation: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    debugger: bool = False
    profiler: bool = False
    tensorboard: bool = False
