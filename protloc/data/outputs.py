"""Where predictions go, found and checked before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

from protloc.config import PredictConfig
from protloc.data.streams import comes_once, open_bytes
from protloc.data.tables import check_output
from protloc.errors import UserError


def output_of(config: PredictConfig) -> str:
    """`output=`, or beside the input: `data/proteome.fasta.gz` becomes `data/proteome.locations.csv`.

    Raises:
        UserError: the input is a pipe, which has nothing beside it.
    """
    if config.output is not None:
        return config.output
    if comes_once(config.input):
        raise UserError(f"input={config.input} needs output=: a file, or - for CSV on standard output", exit_code=2)
    path = Path(config.input)
    return str(path.with_name(f"{Path(path.name.removesuffix('.gz')).stem}.locations.csv"))


def check_files(config: PredictConfig) -> None:
    """Refuse an input that cannot be read, and an output that cannot be written.

    Raises:
        UserError: see `check_output` and `open_bytes`.
    """
    check_output(output_of(config), overwrite=config.overwrite, source=config.input)
    if not comes_once(config.input):
        with open_bytes(config.input):
            pass
