"""GPUs for runs side by side on one machine: each run takes its own, and waits until there are enough.

A device is held by a lock on a file, which the system lets go of when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

FOLDER = Path(tempfile.gettempdir()) / "protloc_gpus"


def side_by_side() -> bool:
    """Whether other runs were started beside this one: by submitit on this machine, which shows each all GPUs."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "local"


@contextmanager
def leased(count: int, devices: Sequence[str], folder: Path = FOLDER) -> Iterator[list[str]]:
    """`count` of `devices` that no other run holds; it waits until there are that many.

    Args:
        count: at most as many as `devices`.
        devices: names, as in `CUDA_VISIBLE_DEVICES`.
        folder: of the locks.
    """
    assert count <= len(devices), "checked where the option is read"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while len(mine := _take(count, devices, folder, held)) < count:
            held.close()  # all or none: two runs that each hold a part would wait for ever
            time.sleep(random.uniform(0.2, 1.0))
        yield mine


def _take(count: int, devices: Sequence[str], folder: Path, held: ExitStack) -> list[str]:
    mine: list[str] = []
    for device in devices:
        if len(mine) == count:
            break
        file: IO[str] = held.enter_context((folder / f"{device}.lock").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        mine.append(device)
    return mine


@contextmanager
def own_gpus(count: int, there: int) -> Iterator[None]:
    """Show this process `count` GPUs that are its own, where runs stand side by side; else all, as they are.

    Args:
        count: GPUs that the run takes.
        there: GPUs that the machine shows.
    """
    if not count or not side_by_side():
        yield
        return
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = shown.split(",") if shown else [str(i) for i in range(there)]
    with leased(count, devices) as mine:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        try:
            yield
        finally:
            if shown is None:
                del os.environ["CUDA_VISIBLE_DEVICES"]
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = shown
