"""The edge to Hydra: from the words on the command line to a checked, frozen configuration.

Everything a user can get wrong here ends as one line and exit code 2. Nothing heavy is imported, so that `--help`, a
typo and shell completion answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protloc.config import PredictConfig, TrainConfig, problems
from protloc.errors import UserError
from protloc.files import write_text


def train() -> None:
    """The command `protloc-train`, and train.py."""
    sys.exit(_run("train", TrainConfig, _train))


def predict() -> None:
    """The command `protloc-predict`, and predict.py."""
    sys.exit(_run("predict", PredictConfig, _predict))


def _train(config: TrainConfig, run_dir: Path) -> float:
    from protloc.commands.train import train

    return train(config, run_dir)


def _predict(config: PredictConfig, run_dir: Path) -> None:
    from protloc.commands.predict import predict

    predict(config)


def conf_dir() -> Path:
    """The configuration files: inside the installed package, else the checkout's."""
    package = Path(__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def _run(name: str, root: type, function: Callable[[Any, Path], float | None]) -> int:
    """Compose, check and call; the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        from protloc.help import help_text

        print(help_text(name, root, conf_dir()))
        return 0
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch on Linux: huge pages, a fifth faster on a CPU
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing a page
    try:
        _hydra(name, root, function)
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped by the keyboard", 130)
    except Exception as error:
        from protloc.mistakes import mistake

        line = mistake(error)
        if line is None:
            raise  # ours: with its traceback
        return _fail(line, 2)
    return 0


def check_unused(run_dir: Path) -> None:
    """Refuse a folder that holds another run; one where nothing was trained may be used again.

    Raises:
        UserError: it holds checkpoints, a model or figures.
    """
    for name in ("checkpoints", "model", "metrics.json"):
        if (run_dir / name).exists():
            raise UserError(f"{run_dir} holds a run already ({name}): give another hydra.run.dir=, or remove it")


def _fail(line: str, code: int) -> int:
    print(f"error: {line}", file=sys.stderr)
    return code


def _hydra(name: str, root: type, function: Callable[[Any, Path], float | None]) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig, OmegaConf

    from protloc.mistakes import check_flags
    from protloc.schema import refrozen, register_schemas

    check_flags(sys.argv[1:])
    register_schemas()
    failures: list[Exception] = []

    def job(cfg: DictConfig) -> float | None:
        config = refrozen(OmegaConf.to_object(cfg))
        wrong = list(problems(config))
        if wrong:
            raise UserError("; ".join(wrong), exit_code=2)
        run_dir = Path(HydraConfig.get().runtime.output_dir)
        if root is TrainConfig:
            check_unused(run_dir)
            write_text(run_dir / "config.resolved.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        return function(config, run_dir)

    @hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=name)
    def main(cfg: DictConfig) -> float | None:
        try:
            return job(cfg)
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise  # Hydra names the job, goes on with the others, and raises at the end
            failures.append(error)
            return None

    main()
    if failures:
        raise failures[0]
