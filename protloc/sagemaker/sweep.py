"""The runs of a sweep as jobs on SageMaker: each is prepared as launch_sagemaker.py would, a few at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from protloc.config import ClusterConfig, LaunchConfig, TunerConfig, maximized, problems
from protloc.config.schemas import options_of
from protloc.errors import UserError
from protloc.files import write_text
from protloc.runs.folder import END, ERROR, store_run
from protloc.sagemaker.follow import ENDED, Job, status
from protloc.sagemaker.plan import TRAIN
from protloc.sagemaker.prepare import prepare, send


@dataclass
class Run:
    """One run of the sweep.

    Attributes:
        overrides: its words.
        cfg: its configuration, with Hydra's.
        config: the launcher's options for it.
        folder: its place in the sweep's folder.
        job: on SageMaker, once it was sent.
        result: once it has ended.
    """

    overrides: list[str]
    cfg: DictConfig
    config: LaunchConfig
    folder: Path
    job: Job | None = None
    result: float | Exception | str | None = None


def launch(
    context: HydraContext,
    config: DictConfig,
    options: Mapping[str, Any],
    job_overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Send the jobs and give back what each has found.

    Args:
        context: Hydra's.
        config: the sweep's configuration.
        options: `hydra.launcher`: `cluster`, `parallel`, `wait`, `poll` in seconds.
        job_overrides: the words of each run.
        first: number of the first run.

    Returns:
        For each run the validation figure that chose its weights, what a search maximizes; with `wait=false` its
        job's name. A run that failed holds its error, and the others go on.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep = Path(config.hydra.sweep.dir)
    runs = [_run(context, config, options, list(words), first + i, sweep) for i, words in enumerate(job_overrides)]
    waiting: list[Run] = list(runs)
    going: list[Run] = []
    try:
        while waiting or going:
            while waiting and len(going) < options["parallel"]:
                run = waiting.pop(0)
                _start(run)
                if run.result is None and options["wait"]:
                    going.append(run)
            for run in going:
                _look(run)
            going = [run for run in going if run.result is None]
            if going:
                time.sleep(options["poll"])
    finally:
        for run in going:  # this process was stopped
            print(f"{run.job.name if run.job else run.folder} goes on, on SageMaker", flush=True)
    return [_returned(run) for run in runs]


def _run(
    context: HydraContext, config: DictConfig, options: Mapping[str, Any], words: list[str], number: int, sweep: Path
) -> Run:
    cfg = context.config_loader.load_sweep_config(config, words)
    with open_dict(cfg):
        cfg.hydra.job.num, cfg.hydra.job.id = number, str(number)
        folder = sweep / str(cfg.hydra.sweep.subdir)
        cfg.hydra.runtime.output_dir = str(folder.resolve())
    cluster = OmegaConf.merge(OmegaConf.structured(ClusterConfig), options["cluster"])
    values = {name: options_of(cfg[name], f"{name}.") for name in TRAIN}
    made = LaunchConfig(**values, cluster=options_of(cluster, "hydra.launcher.cluster."), tuner=TunerConfig())
    return Run(words, cfg, made, folder)


def _start(run: Run) -> None:
    """Send one job; what is wrong with it is its result."""
    run.folder.mkdir(parents=True, exist_ok=True)
    words = _store(run)
    try:
        wrong = list(problems(run.config))
        if wrong:
            raise UserError("; ".join(wrong), exit_code=2)
        prepared = prepare(run.config, words)
        send(run.config, prepared)
    except UserError as error:
        _failed(run, error)
        return
    name = prepared.job.name
    print(f"#{run.cfg.hydra.job.num} {' '.join(words)}: {name}", flush=True)
    run.job = Job(prepared.session, name)
    write_text(run.folder / "job.txt", f"{name}\n")


def _store(run: Run) -> list[str]:
    """Write what the run is into its folder; its words."""
    words = list(filter_overrides(run.overrides))
    store_run(run.folder, OmegaConf.to_container(OmegaConf.masked_copy(run.cfg, sorted(TRAIN)), resolve=True), words)
    return words


def _look(run: Run) -> None:
    """Fetch the results of a job that has ended."""
    assert run.job is not None
    found = run.job.describe()
    if found["TrainingJobStatus"] not in ENDED:
        return
    try:
        if found["TrainingJobStatus"] != "Completed":
            raise UserError("; ".join(line.strip() for line in status(found)))
        run.job.download(run.folder)
        _store(run)  # with our words in place of the container's
        monitor = run.config.trainer.monitor
        run.result = maximized(monitor, json.loads((run.folder / END).read_text())["validation"][monitor])
    except UserError as error:
        _failed(run, error)


def _failed(run: Run, error: UserError) -> None:
    run.result = error
    write_text(run.folder / ERROR, f"{error}\n")


def _returned(run: Run) -> JobReturn:
    failed = isinstance(run.result, Exception)
    name = run.job.name if run.job else ""
    return JobReturn(
        overrides=run.overrides,
        cfg=OmegaConf.masked_copy(run.cfg, sorted(TRAIN)),
        hydra_cfg=OmegaConf.masked_copy(run.cfg, "hydra"),
        working_dir=str(run.folder),
        task_name=name,
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        _return_value=run.result if run.result is not None else name,
    )
