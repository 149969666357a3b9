"""The edge to Hydra, one function a command: from the words on the command line to a checked configuration.

Everything a user can get wrong here ends as one line and exit code 2. Nothing heavy is imported, so that `--help`, a
typo and shell completion answer at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from protloc.cli.resume import check_same, check_unused, overrides_to_resume
from protloc.cli.words import as_rank, check_place, is_sweep, with_home, with_list
from protloc.config import DeployConfig, LaunchConfig, PredictConfig, ServeConfig, TrainConfig, problems
from protloc.errors import RankError, Stopped, UserError, say
from protloc.files import conf_dir
from protloc.runs.folder import END, LOCK, alone, has_run, store_run
from protloc.runs.processes import outer_rank

DISK = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
    errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.EIO,
)  # fmt: skip
"""What the system says of a name or a disk that it cannot use: the user's to mend, wherever it comes up."""

HOSTING = tuple(f"action={name}" for name in ("deploy", "transform", "invoke", "delete"))
"""What launch_sagemaker.py does with models; everything else it does is training."""


def train() -> None:
    """The command `protloc-train`, and train.py."""
    sys.exit(_run("train", TrainConfig, _train))


def predict() -> None:
    """The command `protloc-predict`, and predict.py."""
    sys.exit(_run("predict", PredictConfig, _predict))


def serve() -> None:
    """The command `protloc-serve`, and `python -m protloc.serving`."""
    sys.exit(_run("serving", ServeConfig, _serve))


def launch() -> None:
    """The command `protloc-launch`, and launch_sagemaker.py: training, or a model that answers."""
    if any(word in HOSTING for word in sys.argv[1:]):
        sys.exit(_run("deploy", DeployConfig, _deploy))
    sys.exit(_run("launch", LaunchConfig, _launch))


def outcome_of_train() -> tuple[int, str]:
    """train.py with the words in `sys.argv`, for a process that goes on afterwards.

    Returns:
        Its exit code, and the line that says why where this is not 0.
    """
    return _outcome("train", TrainConfig, _train)


def _train(config: TrainConfig, run_dir: Path) -> float:
    from protloc.commands.train import train

    return train(config, run_dir)


def _predict(config: PredictConfig, run_dir: Path) -> None:
    from protloc.data.outputs import check_files

    check_files(config)  # before PyTorch is loaded, which takes longer than all that can be wrong with a name
    from protloc.commands.predict import predict

    predict(config)


def _serve(config: ServeConfig, run_dir: Path) -> None:
    from protloc.serving.server import serve

    serve(config)


def _deploy(config: DeployConfig, run_dir: Path) -> None:
    from protloc.commands.deploy import deploy

    deploy(config)


def _launch(config: LaunchConfig, run_dir: Path) -> None:
    from hydra.core.hydra_config import HydraConfig

    from protloc.commands.launch import launch

    launch(config, list(HydraConfig.get().overrides.task))


def _run(name: str, root: type, function: Callable[[Any, Path], float | None]) -> int:
    """Compose, check and call; the exit code."""
    _occupy_standard_streams()
    code, line, page = 0, "", ""
    if {"-h", "--help"} & set(sys.argv[1:]):
        from protloc.cli.help import help_text

        page = help_text(name, root, conf_dir(), sys.argv[1:]) + "\n"
    else:
        code, line = _outcome(name, root, function)
    unwritten = _unwritten(page)
    code, line = (code, line) if code or not unwritten else (1, unwritten)
    if code:
        say(f"error: {line}")
    return code


def _occupy_standard_streams() -> None:
    """Where one is closed (`>&-`), lest the first file that is opened takes its number and gets what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for good
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _unwritten(page: str) -> str:
    """Print a page and all that waits; why that cannot be done, where it cannot: Python says so over several lines."""
    try:
        sys.stdout.write(page)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the second attempt, at Python's end
        gone = isinstance(error, BrokenPipeError)
        return "the reader of the output is gone" if gone else f"standard output: cannot be written: {error.strerror}"
    return ""


def _outcome(name: str, root: type, function: Callable[[Any, Path], float | None]) -> tuple[int, str]:
    """The exit code, and the line for the user where this is not 0; what is a fault of ours is raised."""
    code, line = _attempt(name, root, function)
    if code and root is TrainConfig:
        from protloc.runs.sweeps import PLACES

        while PLACES:
            PLACES.pop().clear()
    return code, line


def _attempt(name: str, root: type, function: Callable[[Any, Path], float | None]) -> tuple[int, str]:
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch on Linux: huge pages, a fifth faster on a CPU
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing a page
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, _stop)
    try:
        _hydra(name, root, function)
    except UserError as error:
        return error.exit_code, str(error)
    except RankError as error:
        return 1, str(error)
    except Stopped as stopped:
        return int(str(stopped.code)), f"stopped by {stopped.name}"
    except KeyboardInterrupt:
        return 130, "stopped by the keyboard"
    except Exception as error:
        from protloc.cli.mistakes import mistake

        if isinstance(error, BrokenPipeError):
            return 1, "the reader of the output is gone"
        if isinstance(error, OSError) and error.errno in DISK:
            return 1, f"{error.filename or 'a file, or standard output'}: {error.strerror}"
        line = mistake(error)
        if line is None:
            raise  # ours: with its traceback
        return 2, line
    return 0, ""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def _hydra(name: str, root: type, function: Callable[[Any, Path], float | None]) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig, OmegaConf

    from protloc.cli.mistakes import check_flags
    from protloc.config.schemas import options_of, register_schemas

    check_flags(sys.argv[1:])
    sys.argv[1:] = [with_list(with_home(word)) for word in sys.argv[1:]]
    if root is TrainConfig:
        sys.argv[1:] = overrides_to_resume(sys.argv[1:])
        if outer_rank() is not None:
            sys.argv[1:] = as_rank(sys.argv[1:], outer_rank() or 0)
    check_place(root, sys.argv[1:])
    register_schemas(root)
    failures: list[BaseException] = []

    def job(cfg: DictConfig) -> float | None:
        hydra_config = HydraConfig.get()
        config, run_dir = options_of(cfg), Path(hydra_config.runtime.output_dir)
        wrong = list(problems(config))
        if hydra_config.mode == RunMode.RUN:
            if hydra_config.runtime.choices.get("hydra/launcher") != "basic":
                wrong.append("this sends jobs somewhere else: add -m, for one run too")
            if wrong:
                raise UserError("; ".join(wrong), exit_code=2)
        if root is not TrainConfig or (outer_rank() or 0) > 0:
            if wrong:
                raise UserError("; ".join(wrong), exit_code=2)
            return function(config, run_dir)
        with alone(run_dir / LOCK, str(run_dir)):
            resolved = OmegaConf.to_container(cfg, resolve=True)
            if config.resume is not None and has_run(run_dir):
                check_same(run_dir, resolved)
                if (run_dir / END).exists():  # a sweep's job that was queued once more than needed
                    return None
            else:
                check_unused(run_dir)
                store_run(run_dir, resolved, list(hydra_config.overrides.task))
            if wrong:  # in a sweep, a run that fails and is listed
                raise UserError("; ".join(wrong), exit_code=2)
            return function(config, run_dir)

    # a folder of its own: beside conf/model/, model=RUN would be a choice of that group
    folder = conf_dir() / "hosting" if root is DeployConfig else conf_dir()

    @hydra.main(version_base="1.3", config_path=str(folder), config_name=name)
    def main(cfg: DictConfig) -> float | None:
        sweep = HydraConfig.get().mode == RunMode.MULTIRUN
        try:
            return job(cfg)
        except Exception as error:
            if sweep:
                raise  # Hydra names the job, goes on with the others, and raises at the end
            failures.append(error)
            return None

    try:
        main()
    finally:
        if is_sweep(sys.argv[1:]):
            from protloc.runs.sweeps import tell

            tell()
    if failures:
        raise failures[0]
