"""Local files and folders that a run reads, as inputs of a job: its channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from protloc.config import TrainConfig
from protloc.errors import UserError

FILES = ("path", "train", "validation", "test")
"""Options of the `data` group that name a file."""

BACKBONE = "model.name_or_path"


@dataclass(frozen=True)
class Input:
    """An option that names a file or a folder, and where this comes from.

    Attributes:
        option: as in `data.train`.
        local: on this machine; None where `uri` is given.
        uri: on S3, as the user gave it.
        file: the file's name inside the channel; empty where the channel itself is the folder.
    """

    option: str
    local: Path | None
    uri: str | None
    file: str

    @property
    def channel(self) -> str:
        """The channel's name: `data_train`; the container finds its folder in SM_CHANNEL_DATA_TRAIN."""
        return self.option.replace(".", "_")

    @property
    def word(self) -> str:
        """The override that points the option to the channel, wherever the container has it."""
        folder = f"${{oc.env:SM_CHANNEL_{self.channel.upper()}}}"
        name = self.file.replace("\\", "\\\\").replace("'", "\\'")
        return f"{self.option}='{folder}/{name}'" if self.file else f"{self.option}='{folder}'"


def inputs(config: TrainConfig) -> Iterator[Input]:
    """What the run reads from files of this machine or from S3.

    Raises:
        UserError: a file is not there.
    """
    for name in FILES:
        value = getattr(config.data, name, None)
        if value is None:
            continue
        option = f"data.{name}"
        if value.startswith("s3://"):
            yield Input(option, None, value, value.rstrip("/").rpartition("/")[2])
        elif Path(value).is_file():
            yield Input(option, Path(value), None, Path(value).name)
        else:
            raise UserError(f"{option}={value}: no such file here; give a file, or an address s3://BUCKET/FILE")
    backbone = config.model.name_or_path
    if backbone is None:
        return
    if backbone.startswith("s3://"):
        yield Input(BACKBONE, None, backbone.rstrip("/") + "/", "")
    elif Path(backbone).is_dir():
        yield Input(BACKBONE, Path(backbone), None, "")
