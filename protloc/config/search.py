"""hydra.sweeper.*: a search over options, where hydra/sweeper=search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protloc.config.option import MISSING, option


@dataclass
class SearchConfig:
    """What a search tries, how it chooses, and when it ends; it sees validation figures only."""

    _target_: str = "hydra_plugins.protloc_search.SearchSweeper"  # what Hydra makes of these options
    params: dict[str, Any] = option(
        {}, "options to search: interval(...), tag(log, interval(...)), choice(...), range(...); under each choice may "
        "stand the options that count there alone",
    )  # fmt: skip
    n_trials: int = option(30, "trials in all; those of an earlier command count", least=1)
    timeout: float | None = option(None, "seconds after which no trial begins; null: never", least=0)
    n_jobs: int = option(1, "trials that are begun together, for a launcher that runs them side by side", least=1)
    objectives: list[str] = field(
        default_factory=lambda: ["figure"],
        metadata={"help": "what is searched for: figure (trainer.monitor on validation), seconds, parameters"},
    )
    sampler: str = option("tpe", "what chooses the next setting, a sampler of Optuna's: tpe, random, gp, cmaes, ...")
    sampler_options: dict[str, Any] = option({}, "options of the sampler, by Optuna's names")
    seed: int = option(1, "seed of the sampler", least=0)
    pruner: str | None = option(
        "median",
        "what stops hopeless runs between two epochs, a pruner of Optuna's: median, hyperband, ...; null: none",
    )
    pruner_options: dict[str, Any] = option({}, "options of the pruner, by Optuna's names")
    enqueue: list[Any] = field(
        default_factory=lambda: ["recipe"],
        metadata={
            "help": "settings that are tried first: recipe (what a run without the search has), or {option: value}"
        },
    )
    max_failure_rate: float = option(0.2, "the search ends where more of its runs fail; one may", least=0, most=1)
    study_name: str = option("protloc", "name of the search in its database")
    storage: str = option(MISSING, "address of the database")
