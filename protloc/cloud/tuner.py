"""SageMaker's own search over the job's options."""

from __future__ import annotations

from typing import Any

from protloc.cloud.aws import aws_errors
from protloc.cloud.container import SPLIT
from protloc.cloud.estimator import channels, estimator, load_sdk
from protloc.cloud.job import TrainingJob
from protloc.cloud.metrics import OBJECTIVE, metric_definitions
from protloc.cloud.options import TunerConfig
from protloc.config import TrainerConfig
from protloc.errors import UserError


def submit_tuner(job: TrainingJob, tuner: TunerConfig, trainer: TrainerConfig, session: Any) -> None:
    """Start a search whose jobs are like `job`, but for the options searched.

    Args:
        job: the job; its name is the search's.
        tuner: the options of the search.
        trainer: with the figure that is looked at, and the epochs that Hyperband gives at most.
        session: the SDK's.

    Raises:
        UserError: the space cannot be read, or AWS refuses.
    """
    load_sdk()
    import sagemaker.tuner as sdk

    strategy = None
    if tuner.strategy == "Hyperband":
        strategy = sdk.StrategyConfig(sdk.HyperbandStrategyConfig(max_resource=int(trainer.epochs), min_resource=1))
    search = sdk.HyperparameterTuner(
        estimator(job, session),
        OBJECTIVE,
        {name.replace(".", SPLIT): _range(name, text, sdk) for name, text in tuner.space.items()},
        metric_definitions(),
        strategy=tuner.strategy,
        strategy_config=strategy,
        objective_type="Minimize" if trainer.monitor == "loss" else "Maximize",
        max_jobs=tuner.max_jobs,
        max_parallel_jobs=tuner.parallel,
        tags=[{"Key": key, "Value": value} for key, value in job.tags.items()],
    )
    with aws_errors(f"start the tuner {job.name}"):
        search.fit(channels(job) or None, job_name=job.name, wait=False, include_cls_metadata=False)


def _range(name: str, text: str, sdk: Any) -> Any:
    """`interval(1e-5, 1e-3)`, `tag(log, interval(...))` or `choice(a, b)`, as sweeps write them, in the SDK's words."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        value = OverridesParser.create().parse_override(f"{name}={text}").value()
    except HydraException as error:
        raise UserError(f"tuner.space.{name}={text} cannot be read: {_SYNTAX}", exit_code=2) from error
    if isinstance(value, IntervalSweep):
        kind = sdk.ContinuousParameter if isinstance(value.start, float) else sdk.IntegerParameter
        return kind(value.start, value.end, scaling_type="Logarithmic" if "log" in value.tags else "Auto")
    if isinstance(value, ChoiceSweep):
        return sdk.CategoricalParameter(list(value.list))
    if isinstance(value, RangeSweep):
        return sdk.CategoricalParameter(list(value.range()))
    raise UserError(f"tuner.space.{name}={text} is no range: {_SYNTAX}", exit_code=2)


_SYNTAX = "give interval(0.1, 0.5), tag(log, interval(1e-5, 1e-3)) or choice(16, 32)"
