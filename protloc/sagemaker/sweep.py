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
from protloc.files import write_json, write_text
from protloc.runs.epochs import EPOCHS, pruned_metrics, read_epochs, read_verdict
from protloc.runs.folder import END, ERROR, store_run
from protloc.sagemaker.aws import aws_errors, open_session
from protloc.sagemaker.follow import ENDED, Job, status
from protloc.sagemaker.plan import TRAIN
from protloc.sagemaker.prepare import prepare, send
from protloc.sagemaker.store import split

JOB = "job.txt"
"""In a run's folder: the name of its job."""


@dataclass
class Run:
    """One run of the sweep.

    Attributes:
        overrides: its words.
        cfg: its configuration, with Hydra's.
        config: the launcher's options for it.
        folder: its place in the sweep's folder.
        job: on SageMaker, once it was sent.
        session: boto3's, that it was sent by.
        result: once it has ended.
    """

    overrides: list[str]
    cfg: DictConfig
    config: LaunchConfig
    folder: Path
    job: Job | None = None
    session: Any = None
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
    """Send one job, or find the one that an earlier command has sent; what is wrong with it is its result."""
    run.folder.mkdir(parents=True, exist_ok=True)
    if _sent_before(run):
        return
    words = _store(run)
    try:
        wrong = list(problems(run.config))
        if wrong:
            raise UserError("; ".join(wrong), exit_code=2)
        prepared = prepare(run.config, words)
        run.session, name = prepared.session, prepared.job.name
        write_text(run.folder / JOB, f"{name}\n")  # before it is sent: killed in between, the next command looks for it
        send(run.config, prepared)
    except UserError as error:
        _failed(run, error)
        return
    print(f"#{run.cfg.hydra.job.num} {' '.join(words)}: {name}", flush=True)
    run.job = Job(run.session, name)


def _sent_before(run: Run) -> bool:
    """Whether a run of a search has its job already; a search that goes on says so by `resume=auto`."""
    if run.config.resume != "auto" or not (run.folder / JOB).exists() or (run.folder / END).exists():
        return False
    run.session = open_session(run.config.cluster.region)
    job = Job(run.session, (run.folder / JOB).read_text().strip())
    try:
        job.describe()
    except UserError:
        return False  # it was never sent
    print(f"#{run.cfg.hydra.job.num} goes on: {job.name}", flush=True)
    run.job = job
    return True


def _store(run: Run) -> list[str]:
    """Write what the run is into its folder; its words."""
    words = list(filter_overrides(run.overrides))
    store_run(run.folder, OmegaConf.to_container(OmegaConf.masked_copy(run.cfg, sorted(TRAIN)), resolve=True), words)
    return words


def _look(run: Run) -> None:
    """Fetch the results of a job that has ended; of one that goes on, what a search that watches it wants to know."""
    assert run.job is not None
    found, verdict, monitor = run.job.describe(), read_verdict(run.folder), run.config.trainer.monitor
    if found["TrainingJobStatus"] not in ENDED:
        if verdict is not None:
            _fetch_epochs(run, found)
            if verdict.stop and found["TrainingJobStatus"] == "InProgress":
                run.job.stop()
        return
    try:
        if verdict is not None and verdict.stop and found["TrainingJobStatus"] == "Stopped":
            seconds = {"total": found.get("BillableTimeInSeconds", 0)}
            write_json(run.folder / END, {**pruned_metrics(read_epochs(run.folder), monitor), "seconds": seconds})
        elif found["TrainingJobStatus"] != "Completed":
            raise UserError("; ".join(line.strip() for line in status(found)))
        else:
            run.job.download(run.folder)
            _store(run)  # with our words in place of the container's
        run.result = maximized(monitor, json.loads((run.folder / END).read_text())["validation"][monitor])
    except UserError as error:
        _failed(run, error)


def _fetch_epochs(run: Run, found: dict[str, Any]) -> None:
    """Bring the epochs' figures here from the folder on S3 that the job keeps in step with its own."""
    bucket, key = split(f"{found['CheckpointConfig']['S3Uri'].rstrip('/')}/{EPOCHS}")
    try:
        with aws_errors(f"read s3://{bucket}/{key}"):
            text = run.session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except UserError:
        return  # none is there yet
    write_text(run.folder / EPOCHS, text)


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
