"""The container images that protloc trains in.

Hugging Face's deep learning containers for SageMaker, by the version of transformers in their name. The container
installs protloc's own pins on top of them; PyTorch is the one package that stays as the image has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LEAST_TORCH = (2, 9)
"""The oldest PyTorch that protloc runs on, as in pyproject.toml."""


@dataclass(frozen=True)
class Image:
    """A tag, and what is in it."""

    tag: str
    transformers: str
    torch: str
    python: str


IMAGES = (Image("2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04", "5.3.0", "2.9.0", "py312"),)
"""The newest last."""

ACCOUNT = "763104351884"
"""The account that most regions take the images from; the others:"""
ACCOUNTS = {
    "af-south-1": "626614931356", "ap-east-1": "871362719292", "ap-northeast-3": "364406365360",
    "ap-southeast-3": "907027046896", "ca-west-1": "204538143572", "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807", "eu-south-1": "692866216735", "il-central-1": "780543022126",
    "me-central-1": "914824155844", "me-south-1": "217643126080", "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}  # fmt: skip


def training_image(region: str, image: Image = IMAGES[-1]) -> str:
    """The address of `image` in `region`."""
    return _address(region, "huggingface-pytorch-training", image.tag)


INFERENCE = {
    True: "2.6.0-transformers5.5.3-gpu-py312-cu124-ubuntu22.04",
    False: "2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04",
}
"""Hugging Face's images for inference, with a GPU and without: they take `handler.py` from the model's archive."""


def inference_image(region: str, gpu: bool) -> str:
    """The address of Hugging Face's image for inference in `region`."""
    return _address(region, "huggingface-pytorch-inference", INFERENCE[gpu])


def torch_version(address: str) -> tuple[int, ...] | None:
    """The PyTorch that a container's name tells, as in `...-training:2.9.0-transformers...`; None where it does not."""
    found = re.search(r"pytorch-training:(\d+)\.(\d+)(?:\.(\d+))?", address)
    return tuple(int(part) for part in found.groups() if part) if found else None


def _address(region: str, repository: str, tag: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{ACCOUNTS.get(region, ACCOUNT)}.dkr.ecr.{region}.{domain}/{repository}:{tag}"
