"""hydra/launcher=sagemaker. Hydra finds launchers in this namespace package only; it has no __init__.py."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SageMakerLauncher(Launcher):
    """Each run of a sweep as a job; the options are in conf/hydra/launcher/sagemaker.yaml."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what `launch` needs; the task runs on SageMaker, not here."""
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Send the jobs, a few at a time, and give back what they have found."""
        from protloc.sagemaker.sweep import launch  # late: every command of Hydra's imports this module

        return launch(self.context, self.config, self.options, job_overrides, initial_job_idx)
