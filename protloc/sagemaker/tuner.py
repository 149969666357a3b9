"""SageMaker's own search over the job's options."""

from __future__ import annotations

from typing import Any

from protloc.config import TrainerConfig, TunerConfig
from protloc.sagemaker.aws import aws_errors
from protloc.sagemaker.estimator import channels, estimator, load_sdk
from protloc.sagemaker.job import SPLIT, TrainingJob
from protloc.sagemaker.metrics import OBJECTIVE, metric_definitions
from protloc.sagemaker.space import searched


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
    """An option's values in the SDK's words."""
    values = searched(name, text)
    if isinstance(values, list):
        return sdk.CategoricalParameter(values)
    kind = sdk.ContinuousParameter if isinstance(values.low, float) else sdk.IntegerParameter
    return kind(values.low, values.high, scaling_type="Logarithmic" if values.log else "Auto")
