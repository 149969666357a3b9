"""Commands under test as forked children of a process that has imported everything, where nothing else differs.

A command on a few proteins spends most of its time on importing PyTorch and transformers. `Popen` and `run` are
subprocess's, with the same arguments, for `python script.py ...` and `python -m module ...`: real process ids, pipes,
signals and exit codes. They ask a server, started at the first use, that has only imported the packages of IMPORTED, in
one thread; it forks a child, which is then the process that was asked for: command line, folder, environment, standard
streams, signal handlers and session, random numbers of its own, and Python's own end of a script.

What is not as in a process of its own, so that a test about it starts one with `subprocess`: the packages are there
before they are asked for; the variables of AT_IMPORT have been read, and other values are refused; the hash seed, by
which sets are ordered, is one for all children; at its end a child is gone when all is said, and takes nothing apart.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import functools
import gc
import importlib
import importlib.machinery
import inspect
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, AnyStr

IMPORTED = (
    "accelerate", "boto3", "datasets", "evaluate", "fastapi", "fastapi_offline", "hydra", "hydra.experimental.callback",
    "matplotlib.backends.backend_agg", "pandas", "prometheus_client", "rich.console", "rich.progress", "torch",
    "torch.distributed.launcher.api", "torch.nn.attention.varlen", "transformers.masking_utils",
    "transformers.modeling_layers", "transformers.models.esm.modeling_esm", "transformers.trainer", "uvicorn",
)  # fmt: skip
"""Modules of others, as far as they are installed; protloc itself is imported by each child."""

AT_IMPORT = ("HF_", "HOME", "LANG", "LC_", "MPL", "OMP_", "PYTHON", "TMPDIR", "TORCH_", "TRANSFORMERS_", "XDG_")
"""Beginnings of variables that Python, or a package when it is imported, reads once."""

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""For the children: where nothing else is said, they have this beside the environment of the tests."""

NO_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""For the server alone: importing pyarrow starts a thread, which a child would miss."""


# --- the tests' side -------------------------------------------------------------------------------------------------


class Popen(subprocess.Popen[AnyStr]):
    """subprocess.Popen for a Python script or module, as a forked child.

    Raises:
        ValueError: the command is none of the two, or needs an environment that the server was not started in.
    """

    _reply: socket.socket

    def _execute_child(self, *arguments: Any) -> None:
        given = inspect.signature(super()._execute_child).bind(*arguments).arguments  # type: ignore[misc]
        python, *words = map(str, given["args"])
        if python != sys.executable or (words[0].startswith("-") and words[0] != "-m"):
            raise ValueError(f"no Python script or module: {given['args']}")
        if refused := [name for name in ("preexec_fn", "pass_fds", "shell") if given[name]]:
            raise ValueError(f"{', '.join(refused)}: start a process of its own")
        environment = {**os.environ, **ONE_THREAD} if given["env"] is None else dict(given["env"])
        control, there = server()
        if at_import(environment) != at_import(there):
            changed = dict(at_import(environment).items() ^ at_import(there).items())
            raise ValueError(f"{', '.join(sorted(changed))}: read at import, so start a process of its own")
        ends = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self._reply, theirs = socket.socketpair()
        streams: list[int] = [end if end >= 0 else number for number, end in enumerate(ends)]
        with theirs:
            socket.send_fds(control, [b"."], [*streams, theirs.fileno()])
        request = {
            "words": words, "environment": environment, "folder": os.path.abspath(given["cwd"] or ""),
            "session": given["start_new_session"],
        }  # fmt: skip
        self._reply.sendall(json.dumps(request).encode())
        self._reply.shutdown(socket.SHUT_WR)
        self.pid = _received(self._reply)
        self._child_created = True
        self._close_pipe_fds(*(given[name] for name in PIPES))  # type: ignore[attr-defined]

    def _internal_poll(self, _deadstate: Any = None) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                if not select.select([self._reply], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self.returncode = _received(self._reply)
                self._reply.close()
        return self.returncode


def _send(reply: socket.socket, number: int) -> None:
    reply.sendall(number.to_bytes(4, signed=True))


def _received(reply: socket.socket) -> int:
    content = reply.recv(4, socket.MSG_WAITALL)
    assert len(content) == 4, "the server is gone"
    return int.from_bytes(content, signed=True)


PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def run(
    arguments: list[str], *, input: str | None = None, capture_output: bool = False, timeout: float | None = None,
    check: bool = False, **options: Any,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """subprocess.run in text mode, as a forked child."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with Popen(arguments, **{"text": True, **options}) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    result = subprocess.CompletedProcess(arguments, process.returncode, out, err)
    if check:
        result.check_returncode()
    return result


@functools.cache
def server() -> tuple[socket.socket, dict[str, str]]:
    """The way to this process's server, and the environment that it was started in."""
    environment = {**os.environ, **ONE_THREAD}
    ours, theirs = socket.socketpair()
    command = [sys.executable, __file__, str(theirs.fileno())]
    with theirs:
        # Pipes, as nearly every child has them: `sys.stdin` and `sys.stdout` are made here, and by what they stand on.
        process = subprocess.Popen(
            command, env={**environment, **NO_THREAD}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours, environment


def at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that were read when the server imported its packages."""
    return {name: value for name, value in environment.items() if name.startswith(AT_IMPORT)}


# --- the server's side -----------------------------------------------------------------------------------------------


def serve(control: socket.socket) -> None:
    """Fork a child for each request until the tests' side is gone; the children alone return."""
    while streams := socket.recv_fds(control, 1, 4)[1]:
        if os.fork() == 0:
            control.close()
            keep(streams)
            return
        for stream in streams:
            os.close(stream)
    os._exit(0)


def keep(streams: list[int]) -> None:
    """Fork the child and say how it ends; the child alone returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reply = socket.socket(fileno=streams.pop())
    with reply.makefile() as asked:
        request = json.load(asked)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["session"]:
            os.setsid()
        _send(reply, os.getpid())
        reply.close()
        become(request, streams)
        return
    try:
        for stream in streams:
            os.close(stream)
        _send(reply, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """What Python makes of itself between its start and the first line of a script."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # Their numbers would be the same in all children; those of `random` are not.
    importlib.import_module("numpy").random.seed()
    importlib.import_module("torch").default_generator.seed()
    sys.orig_argv[1:] = sys.argv[:] = request["words"]
    gc.enable()


def begin() -> None:
    """Run the script or module that `sys.argv` names, as the interpreter does."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={})
    if sys.argv[0] == "-m":
        sys.path.insert(0, os.getcwd())
        del sys.argv[0]
        runpy._run_module_as_main(sys.argv[0])  # type: ignore[attr-defined]
        return
    path = os.path.abspath(sys.argv[0])
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    main.__dict__.update(__file__=path, __cached__=None)
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), main.__dict__)


class End:
    """The end of a child, after everything that runs at exit: its code, without taking all packages apart first."""

    code: int | None = 0
    """None where the interpreter is to see to it."""

    def show(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """An uncaught exception, its traceback without this file."""
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.__excepthook__(kind, error.with_traceback(trace), trace)

    def leave(self) -> None:
        """End here and now."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):  # the interpreter says so, and changes the code
            return
        if self.code is not None:
            os._exit(self.code)


def main() -> None:
    """Import everything, and serve; the children run what they were asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a keeper ended
    end = End()
    atexit.register(end.leave)  # before any other: the last to be called
    sys.excepthook = end.show
    del sys.path[0]  # this folder
    for name in IMPORTED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread was started: it would be missing in the children"
    gc.collect()
    gc.disable()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        begin()
    except SystemExit as error:
        end.code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except KeyboardInterrupt:
        end.code = None
        raise
    except BaseException:
        end.code = 1
        raise


if __name__ == "__main__":
    main()
