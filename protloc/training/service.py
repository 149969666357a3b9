"""The logging service of a run: opened before the data are read, closed whatever happens."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from protloc.config import TrainConfig, WandbLogger
from protloc.errors import UserError


@contextmanager
def logging_service(config: TrainConfig, run_dir: Path) -> Iterator[None]:
    """Keep the service of `config.logger` open; Trainer's own callback finds it and sends the curves.

    Args:
        config: the run's options, which Weights & Biases stores beside the curves.
        run_dir: where both services keep their files.

    Raises:
        UserError: the package is not installed, or Weights & Biases refuses the run.
    """
    options = config.logger
    if options.name != "none" and find_spec(options.name) is None:
        raise UserError(f"logger={options.name} needs its package: pip install 'protloc[{options.name}]'")
    if isinstance(options, WandbLogger):
        yield from _wandb(config, options, run_dir)
        return
    if options.name == "tensorboard":
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(run_dir / "tensorboard")  # the only way to tell the callback
    yield


def _wandb(config: TrainConfig, options: WandbLogger, run_dir: Path) -> Iterator[None]:
    import wandb

    try:
        run = wandb.init(
            project=options.project,
            entity=options.entity,
            name=options.run_name or run_dir.name,
            mode="offline" if options.mode == "offline" else "online",
            dir=run_dir,
            config={"protloc": dataclasses.asdict(config)},
        )
    except wandb.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"Weights & Biases: {reason} (logger.mode=offline needs no account)") from error
    try:
        yield
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()  # a sweep's next run must not go on in this one
