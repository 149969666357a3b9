"""What is known of SageMaker's training instances: GPUs, price, and where SMDDP runs."""

from __future__ import annotations

from dataclasses import dataclass

PRICES_FROM = "2026-07, us-east-1, rounded"
"""When and where the prices below were read, from public listings; AWS's pricing page has the last word."""

SPOT_SHARE = (0.1, 1.0)
"""Spot costs at least and at most this share of the on-demand price; AWS promises no more than "up to 90 % off"."""

LARGE_REGIONS = frozenset(
    {"us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "ap-south-1"}
)
"""Regions with p4d and p5, as far as known."""


@dataclass(frozen=True)
class Instance:
    """One type of machine.

    Attributes:
        gpus: CUDA devices.
        gpu: their name.
        dollars: US dollars an hour, on demand.
        smddp: SageMaker's data parallel library supports it.
        regions: where it is offered; None: in most.
    """

    gpus: int
    gpu: str
    dollars: float
    smddp: bool = False
    regions: frozenset[str] | None = None


INSTANCES: dict[str, Instance] = {
    "ml.m5.xlarge": Instance(0, "", 0.23),
    "ml.m5.2xlarge": Instance(0, "", 0.46),
    "ml.m5.4xlarge": Instance(0, "", 0.92),
    "ml.c5.2xlarge": Instance(0, "", 0.41),
    "ml.g4dn.xlarge": Instance(1, "T4", 0.74),
    "ml.g5.xlarge": Instance(1, "A10G", 1.41),
    "ml.g5.2xlarge": Instance(1, "A10G", 1.52),
    "ml.g5.4xlarge": Instance(1, "A10G", 2.03),
    "ml.g5.12xlarge": Instance(4, "A10G", 7.09),
    "ml.g5.24xlarge": Instance(4, "A10G", 10.18),
    "ml.g5.48xlarge": Instance(8, "A10G", 20.36),
    "ml.p4d.24xlarge": Instance(8, "A100", 25.25, smddp=True, regions=LARGE_REGIONS),
    "ml.p5.48xlarge": Instance(8, "H100", 63.30, regions=LARGE_REGIONS),
}


def offered(instance_type: str, region: str) -> bool:
    """Whether the table has this type, and has it in this region."""
    known = INSTANCES.get(instance_type)
    return known is not None and (known.regions is None or region in known.regions)


def is_cpu(instance_type: str) -> bool:
    """Whether it has no GPU; a type that the table does not have is judged by its family."""
    known = INSTANCES.get(instance_type)
    return known.gpus == 0 if known else instance_type.split(".")[1][:1] in ("m", "c", "r", "t")


def cost(instance_type: str, count: int, seconds: int, spot: bool) -> tuple[float, float] | None:
    """The least and the most that `count` machines cost for `seconds`, in US dollars; None without a price."""
    known = INSTANCES.get(instance_type)
    if known is None:
        return None
    full = known.dollars * count * seconds / 3600
    low, high = SPOT_SHARE if spot else (1.0, 1.0)
    return round(full * low, 2), round(full * high, 2)
