"""The option dataclasses as Hydra's schemas, and back.

Inside the package options are frozen. Hydra must fill them from files and overrides first, and makes a frozen schema
read-only. So Hydra gets twins of the dataclasses that are not frozen, and its result is turned back.
"""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from typing import Any

from protloc.config import (
    ClusterConfig,
    CsvData,
    DeepLocData,
    DemoData,
    DeployConfig,
    FastaData,
    LaunchConfig,
    LoggerConfig,
    ModelConfig,
    PredictConfig,
    ServeConfig,
    TrainConfig,
    TrainerConfig,
    TunerConfig,
    TuningConfig,
    WandbLogger,
)
from protloc.errors import UserError
from protloc.mistakes import no_option

SCHEMAS: dict[tuple[str | None, str], type] = {
    (None, "train_schema"): TrainConfig,
    (None, "predict_schema"): PredictConfig,
    (None, "serving_schema"): ServeConfig,
    (None, "deploy_schema"): DeployConfig,
    ("data", "demo_schema"): DemoData,
    ("data", "deeploc_schema"): DeepLocData,
    ("data", "fasta_schema"): FastaData,
    ("data", "csv_schema"): CsvData,
    ("model", "schema"): ModelConfig,
    ("tuning", "schema"): TuningConfig,
    ("trainer", "schema"): TrainerConfig,
    ("cluster", "schema"): ClusterConfig,
    ("tuner", "schema"): TunerConfig,
    ("logger", "schema"): LoggerConfig,
    ("logger", "wandb_schema"): WandbLogger,
}
"""Group and name under which the files in conf/ build on each dataclass."""

OPEN = ("args", "from_scratch", "tags", "environment", "space")
"""Dictionaries that take any key; those that name options of transformers are checked where transformers is loaded."""


def register_schemas(root: type) -> None:
    """Make the schemas known to Hydra.

    Args:
        root: of the script; what extends train.py's options takes their place, for its configuration builds on theirs.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    store = ConfigStore.instance()
    for group, _ in SCHEMAS:
        store.repo.pop(group or "", None)  # another script's, where one process runs several
    for (group, name), schema in SCHEMAS.items():
        if group is not None and root is DeployConfig:
            continue  # its `model=` is a folder, and no choice of the group
        node = OmegaConf.structured(twin(root if schema is TrainConfig and issubclass(root, TrainConfig) else schema))
        _open(node)
        store.store(group=group, name=name, node=node, provider="protloc")


def _open(node: Any) -> None:
    """Let the dictionaries that take any key take it, at any depth."""
    for key in node:
        inner: Any = node._get_node(key)
        if key in OPEN:
            inner._set_flag("struct", False)
        elif hasattr(inner, "_get_node") and not inner._is_missing() and not inner._is_none():
            _open(inner)


@cache
def twin(frozen: Any) -> Any:
    """The same dataclass, its bases and its nested ones included, not frozen."""
    hints = typing.get_type_hints(frozen)
    own = [
        (f.name, twin(hint), dataclasses.field(default_factory=twin(hint)))
        if _has_options(hint := hints[f.name])
        else (f.name, hint, _copied(f))
        for f in dataclasses.fields(frozen)
        if f.name in frozen.__annotations__
    ]
    bases = tuple(twin(base) for base in frozen.__bases__ if _has_options(base))
    return dataclasses.make_dataclass(frozen.__name__, own, bases=bases)


@cache
def frozen_types() -> dict[str, Any]:
    """Every option dataclass by its name, nested ones too.

    By name, for a launcher that runs jobs in other processes hands over copies of the twins.
    """
    found: dict[str, Any] = {}
    pending: list[Any] = [*SCHEMAS.values(), LaunchConfig]
    while pending:
        schema = pending.pop()
        found[schema.__name__] = schema
        pending += [hint for hint in typing.get_type_hints(schema).values() if _has_options(hint)]
    return found


def refrozen(value: Any, prefix: str = "") -> Any:
    """An instance of a twin as an instance of its frozen dataclass.

    Raises:
        UserError: it has a key that is no option, as `+name=` can add it.
    """
    if not dataclasses.is_dataclass(value):
        return value
    names = [f.name for f in dataclasses.fields(value)]
    for extra in vars(value).keys() - set(names):
        raise UserError(no_option(f"{prefix}{extra}", names), exit_code=2)
    fields = {name: refrozen(getattr(value, name), f"{prefix}{name}.") for name in names}
    return frozen_types()[type(value).__name__](**fields)


def _has_options(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def _copied(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=f.default_factory, metadata=f.metadata)
    return dataclasses.field(default=f.default, metadata=f.metadata)
