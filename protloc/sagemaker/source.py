"""The source that a job runs: the package, its configurations, train.py, pins. Nothing else leaves this machine."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

from protloc.config import DemoData, TrainConfig
from protloc.errors import UserError
from protloc.runs.package import PACKAGE, conf_files, package_files, pinned
from protloc.sagemaker.job import ENTRY

LIMIT = 20 * 2**20
"""Bytes of all files together: a hundred times what they have. More means that data lie among them."""

ENTRY_TEXT = '''"""What SageMaker runs: train.py, with the words and the folders of the job."""

from protloc.cli.main import outcome_of_train
from protloc.sagemaker.container import main

if __name__ == "__main__":
    main(outcome_of_train)
'''


def source_files(config: TrainConfig) -> dict[str, bytes]:
    """Every file of the source by its place in the archive.

    Args:
        config: the run's options: they say which extras it needs.

    Raises:
        UserError: together they are too large.
    """
    files = {**package_files(), **conf_files()}
    train = PACKAGE.parent / "train.py"
    if train.is_file():
        files["train.py"] = train.read_bytes()
    files[ENTRY] = ENTRY_TEXT.encode()
    files["requirements.txt"] = "".join(f"{line}\n" for line in pinned(*_extras(config))).encode()
    size = sum(map(len, files.values()))
    if size > LIMIT:
        largest = max(files, key=lambda name: len(files[name]))
        raise UserError(
            f"the source has {size / 2**20:.0f} MiB, more than {LIMIT / 2**20:.0f}; the largest file is {largest}: "
            "keep data out of protloc/ and conf/"
        )
    return files


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of the files: the same bytes for the same files."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(files[name]), 0o644
            archive.addfile(info, io.BytesIO(files[name]))
    return buffer.getvalue()


def _extras(config: TrainConfig) -> list[str]:
    extras = ["demo"] if isinstance(config.data, DemoData) else []
    return extras + ([config.logger.name] if config.logger.name != "none" else [])
