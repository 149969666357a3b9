"""A search's memory: Optuna's study in its database, with the sampler and the pruner by their names."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from protloc.config import SearchConfig
from protloc.errors import UserError
from protloc.runs.objectives import DIRECTIONS
from protloc.search.space import Space, setting

if TYPE_CHECKING:
    from optuna.study import Study

OWN: dict[str, dict[str, Any]] = {
    "tpe": {"multivariate": True, "group": True, "constant_liar": True},
    "median": {"n_startup_trials": 5, "n_warmup_steps": 2},
}
"""Options where ours are other than Optuna's: TPE sees options together, conditional ones by their groups, and trials
that are begun together keep apart. A run is judged from its second epoch, when five others have come to their end."""


def load_optuna() -> Any:
    """Optuna, quiet: what matters of it is said in our words.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("a search needs Optuna: pip install 'protloc[sweep]'", exit_code=2) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def open_study(config: SearchConfig) -> Study:
    """The search's study: a new one, or the one that is there.

    Raises:
        UserError: the database cannot be opened, an older Optuna wrote it, or its study has other objectives; or a
            name or an option is unknown.
    """
    optuna = load_optuna()
    storage = _storage(config.storage, optuna)
    directions = [DIRECTIONS[name] for name in config.objectives]
    pruner = None if len(directions) > 1 or config.pruner is None else config.pruner
    study: Study = optuna.create_study(
        study_name=config.study_name, storage=storage, directions=directions, load_if_exists=True,
        pruner=_named("pruner", pruner, config.pruner_options, optuna) if pruner else optuna.pruners.NopPruner(),
    )  # fmt: skip
    if study.user_attrs.get("objectives", config.objectives) != config.objectives:
        raise UserError(
            f"{config.storage}: the search {config.study_name} has the objectives "
            f"[{','.join(study.user_attrs['objectives'])}]; give them, or another hydra.sweeper.study_name="
        )
    study.set_user_attr("objectives", list(config.objectives))
    # a sampler that begins anew with the same seed would choose the same settings again
    seed = config.seed + len(study.get_trials(deepcopy=False))
    study.sampler = _named("sampler", config.sampler, config.sampler_options, optuna, seed=seed)
    return study


def _storage(address: str, optuna: Any) -> Any:
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    wait = {"connect_args": {"timeout": 60}} if address.startswith("sqlite") else {}
    try:
        return optuna.storages.RDBStorage(address, engine_kwargs=wait)
    except RuntimeError as error:
        if "no longer compatible" not in str(error):
            raise
        raise UserError(
            f"{address} was written by an older Optuna, and its search cannot go on: begin a new one with another "
            "hydra.sweep.dir= (or hydra.sweeper.storage=); to read the old one: "
            f"optuna storage upgrade --storage {address}"
        ) from error
    except (ArgumentError, NoSuchModuleError, OperationalError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"hydra.sweeper.storage={address} cannot be opened: {reason}") from error


def _named(kind: str, name: str, options: Mapping[str, Any], optuna: Any, **more: Any) -> Any:
    """A sampler or pruner of Optuna's: `tpe` or `TPESampler`.

    Args:
        kind: `sampler` or `pruner`.
        name: without its kind, or with it.
        options: of its constructor.
        optuna: the module.
        more: options that it gets where it takes them.
    """
    module, ending = getattr(optuna, f"{kind}s"), kind.capitalize()
    there = {
        key.removesuffix(ending).lower(): value
        for key, value in vars(module).items()
        if key.endswith(ending) and not key.startswith(("Base", "Nop", "Patient", "Partial", "Grid"))
    }
    made = there.get(name.lower().removesuffix(kind))
    if made is None:
        raise UserError(f"hydra.sweeper.{kind}={name}: there are {', '.join(sorted(there))}", exit_code=2)
    takes = inspect.signature(made).parameters
    values = OWN.get(name.lower().removesuffix(kind), {}) | {k: v for k, v in more.items() if k in takes}
    try:
        return made(**{**values, **options})
    except (TypeError, ValueError) as error:
        raise UserError(f"hydra.sweeper.{kind}={name}: {error}", exit_code=2) from error


def enqueue(study: Study, settings: Sequence[Any], recipe: Mapping[str, Any], space: Space) -> list[str]:
    """Put the known settings in front, those that are not there yet.

    Args:
        study: the search's.
        settings: `recipe`, or values by the options' names.
        recipe: what a run without the search has.
        space: of the search.

    Returns:
        The words of the recipe that the space does not hold; they are left to the sampler.

    Raises:
        UserError: a setting cannot be read, or has a value outside the space.
    """
    left: list[str] = []
    for given in settings:
        if given != "recipe" and not isinstance(given, Mapping):
            raise UserError(f"hydra.sweeper.enqueue: {given} is neither recipe nor {{option: value}}", exit_code=2)
        params, outside = setting(space, recipe if given == "recipe" else given)
        if given == "recipe":
            left = outside
        elif outside or (unknown := [name for name in given if name not in names(space)]):
            wrong = outside or unknown
            raise UserError(f"hydra.sweeper.enqueue: {', '.join(wrong)}: not in hydra.sweeper.params", exit_code=2)
        if params:
            study.enqueue_trial(params, skip_if_exists=True)
    return left


def names(space: Space) -> set[str]:
    """All options of the space, also those under choices."""
    found = set(space)
    for values in space.values():
        for inner in getattr(values, "under", {}).values():
            found |= names(inner)
    return found
