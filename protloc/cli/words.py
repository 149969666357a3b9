"""The words of a command line before Hydra sees them."""

from __future__ import annotations

import os
import tempfile

from protloc.config import LaunchConfig, TrainConfig
from protloc.errors import UserError

LISTS = ("exclude", "keep")
"""Options that take several names."""


def is_sweep(arguments: list[str]) -> bool:
    """Whether the words ask for several runs."""
    return bool({"-m", "--multirun"} & set(arguments))


def with_home(word: str) -> str:
    """`data.path=~/x.fasta` with the folder that `~` stands for: shells leave it where the name has a dot."""
    name, found, value = word.partition("=~/")
    return f"{name}={os.path.expanduser('~')}/{value}" if found and name.replace(".", "").isidentifier() else word


def with_list(word: str) -> str:
    """`keep=gene,Gene Names [x]` as Hydra writes a list; it would take the commas for a sweep, and brackets for a list.

    What is given as a list or in Hydra's quotes stays as it is.
    """
    name, found, value = word.partition("=")
    if name not in LISTS or not found or value[:1] in ("[", '"', "'", "$"):
        return word
    quoted = (
        '"{}"'.format(part.strip().replace("\\", "\\\\").replace('"', '\\"'))
        for part in value.split(",")
        if part.strip()
    )
    return f"{name}=[{','.join(quoted)}]"


def as_rank(arguments: list[str], rank: int) -> list[str]:
    """The command line of one of several processes under torchrun: the first one alone writes and logs.

    Raises:
        UserError: a sweep, which starts its processes itself.
    """
    if is_sweep(arguments):
        raise UserError("a sweep (-m) starts its processes itself: leave torchrun out", exit_code=2)
    if rank == 0:
        return arguments
    return [*arguments, f"hydra.run.dir={tempfile.gettempdir()}", "hydra/job_logging=none"]


def check_place(root: type, arguments: list[str]) -> None:
    """Refuse a cluster that belongs to the other script.

    Args:
        root: of this script.
        arguments: its command line.

    Raises:
        UserError: train.py is to run on SageMaker, or launch_sagemaker.py elsewhere or as a sweep.
    """
    words = [word.removeprefix("cluster=") for word in arguments if word.startswith("cluster=")]
    if root is TrainConfig and any(word.startswith("sagemaker") for word in words):
        raise UserError(
            f"cluster={words[-1]} is for launch_sagemaker.py, with the same words; a sweep is sent by "
            "hydra/launcher=sagemaker",
            exit_code=2,
        )
    if root is LaunchConfig and is_sweep(arguments):
        raise UserError("a sweep is train.py's: python train.py -m hydra/launcher=sagemaker ...", exit_code=2)
    if root is LaunchConfig and any(not word.startswith("sagemaker") for word in words):
        raise UserError(
            f"cluster={words[-1]} is for train.py; here cluster=sagemaker, or one that begins so", exit_code=2
        )
