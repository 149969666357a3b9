"""hydra/sweeper=search. Hydra finds sweepers in this namespace package only; it has no __init__.py."""

from collections.abc import Sequence
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """A search by Optuna over the options of a run; its own options are in protloc/config/search.py."""

    def __init__(self, **options: Any) -> None:
        pass  # read from the configuration, checked, in `sweep`

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what `sweep` needs, with the launcher."""
        from hydra.core.plugins import Plugins

        self.context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> None:
        """Search to the end."""
        from protloc.search.sweep import search  # late: every command of Hydra's imports this module

        search(self.context, self.config, self.launcher, arguments)
