"""What the processes of one run say to each other, beside the gradients. One process alone is a group of one."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from protloc.config import TrainerConfig
from protloc.errors import UserError
from protloc.runs.processes import outer_rank
from protloc.training.arguments import training_device

Value = TypeVar("Value")


class Ranks:
    """This process among those of its run.

    Attributes:
        rank: from 0; the first one writes and speaks.
        world: how many there are.
    """

    def __init__(self, state: PartialState) -> None:
        self._state = state
        self.rank, self.world = state.process_index, state.num_processes

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all have come here."""
        self._state.wait_for_everyone()

    def share(self, value: Value) -> Value:
        """The first one's value, everywhere."""
        if self.world == 1:
            return value
        shared: list[Value] = broadcast_object_list([value], from_process=0)
        return shared[0]

    @contextmanager
    def local_first(self) -> Iterator[None]:
        """Run the body on one process of each machine, then on its others: the first fills a cache for all."""
        with self._state.local_main_process_first():
            yield


@contextmanager
def joined(options: TrainerConfig) -> Iterator[Ranks]:
    """Be one of the processes that a launcher has started; leave them at the end.

    Raises:
        UserError: the backend or the GPUs are not there.
    """
    cpu = training_device(options).type == "cpu"
    if outer_rank() is None:
        yield Ranks(PartialState(cpu=cpu))
        return
    if options.backend == "smddp":
        _smddp()
    PartialState._reset_state()
    ranks = Ranks(PartialState(cpu=cpu, backend=None if options.backend == "auto" else options.backend))
    try:
        yield ranks
    except BaseException:
        # When this process ends, and not before: that breaks what the others wait for, and the reason must be on record
        # by then, else one of them is taken for the first that failed.
        atexit.register(ranks._state.destroy_process_group)
        raise
    ranks._state.destroy_process_group()


def _smddp() -> None:
    """SageMaker's data parallel library registers its backend when it is imported; it is in SageMaker's images only."""
    try:
        import smdistributed.dataparallel.torch.torch_smddp  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise UserError(
            "trainer.backend=smddp needs SageMaker's smdistributed.dataparallel, which is in its training images only; "
            "take trainer.backend=auto"
        ) from error
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group(backend="smddp")
