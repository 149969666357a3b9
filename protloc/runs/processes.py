"""Start the processes of a run from inside it, or join those that another launcher has started.

The parent composes the configuration once and hands it over; its children never see the command line. Starting,
watching and ending them is torchelastic's work (`torch.distributed.launcher`).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from protloc.errors import RankError, Stopped, UserError

SHUTDOWN = 300
"""Seconds that processes have to write a checkpoint when they are told to end; then they are killed."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
"""What ends a run; SIGUSR1 is how SLURM and others say that the time is up."""


def outer_rank() -> int | None:
    """This process's rank where torchrun, accelerate or SageMaker started it; None where it stands alone."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"])
    return None


def launch(
    function: Callable[..., Any], arguments: tuple[Any, ...], *, processes: int, nodes: int, rendezvous: str | None
) -> Any:
    """Call `function(*arguments)` in `processes` new processes of this machine, and wait for them.

    Args:
        function: found by its module and name.
        arguments: picklable.
        processes: on this machine.
        nodes: machines; the same call is made on each.
        rendezvous: HOST:PORT of one of the machines; None for one machine.

    Returns:
        What the lowest rank here gave back.

    Raises:
        UserError: raised in a rank; or several nodes without a rendezvous.
        RankError: a rank failed otherwise; with that rank's own traceback.
        Stopped: a signal ended this process, and with it all of its ranks.
    """
    if nodes > 1 and rendezvous is None:
        raise UserError("trainer.nodes above 1 needs trainer.rendezvous=HOST:PORT, the same on each machine")
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=nodes, max_nodes=nodes, nproc_per_node=processes, run_id="protloc", rdzv_backend="c10d",
        rdzv_endpoint=rendezvous or "localhost:0", max_restarts=0, start_method="spawn", shutdown_timeout=SHUTDOWN,
        signals_to_handle=",".join(name.name for name in SIGNALS),
    )  # fmt: skip
    for name in ("torch.distributed.elastic", "torchelastic-events-null"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is said below, once
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    try:
        with (
            _environment(
                OMP_NUM_THREADS=threads,
                TOKENIZERS_PARALLELISM="false",
                PYTHONWARNINGS="ignore:resource_tracker",  # of queues that a signal leaves behind; they are cleaned up
            ),
            _signals_put_back(),
        ):
            results = elastic_launch(config, _rank)(function, arguments, _log_handlers())
    except SignalException as error:
        raise Stopped(error.sigval) from None
    except ChildFailedError as error:
        raise _cause(error, processes * nodes) from None
    return results[min(results)]


def _rank(function: Callable[..., Any], arguments: tuple[Any, ...], handlers: list[dict[str, Any]]) -> Any:
    """What a new process runs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent says that it was stopped, once
    rank = int(os.environ["RANK"])
    logging.basicConfig(level=logging.WARNING, format=f"[rank {rank}] %(levelname)s %(message)s", force=True)
    if rank == 0:
        _apply(handlers)
    return function(*arguments)


def _cause(error: Any, world: int) -> Exception:
    """What the user can mend, whichever rank said it; else the exception for the first rank that failed."""
    for failure in error.failures.values():
        kind, _, text = _said(failure).get("message", "").partition(": ")
        if kind == UserError.__name__:
            return UserError(text)
    rank, failure = error.get_first_failure()
    traceback = (_said(failure).get("extraInfo") or {}).get("py_callstack")
    head = f"rank {rank} of {world} failed with exit code {failure.exitcode}"
    if traceback is None:  # killed, or out of memory, or it could not even start
        name = signal.Signals(-failure.exitcode).name if failure.exitcode < 0 else "no traceback"
        return RankError(f"{head} ({name}); the others were ended")
    return RankError(f"{head}; the others were ended\n\n{traceback}")


def _said(failure: Any) -> dict[str, Any]:
    """What a rank left behind about its end."""
    return failure.message if isinstance(failure.message, dict) else {}


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Variables for the children, where the user has not set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _signals_put_back() -> Iterator[None]:
    """Torchelastic leaves its handlers behind: a sweep's next run would not end by a signal."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_handlers() -> list[dict[str, Any]]:
    """The root logger's handlers, described."""
    return [
        {
            "file": getattr(handler, "baseFilename", None),
            "stdout": getattr(handler, "stream", None) is sys.stdout,
            "format": handler.formatter._fmt if handler.formatter else None,
            "dates": handler.formatter.datefmt if handler.formatter else None,
        }
        for handler in logging.getLogger().handlers
    ]


def _apply(handlers: list[dict[str, Any]]) -> None:
    """The same handlers in a new process."""
    root = logging.getLogger()
    root.handlers.clear()
    root.setLevel(logging.INFO)
    for described in handlers:
        path = described["file"]
        stream = sys.stdout if described["stdout"] else sys.stderr
        handler = logging.FileHandler(path) if path else logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(described["format"], described["dates"]))
        root.addHandler(handler)
