"""The option dataclasses as Hydra's schemas."""

from __future__ import annotations

import dataclasses
from typing import Any

from protloc.config import (
    ClusterConfig,
    CsvData,
    DeepLoc2Data,
    DeepLocData,
    DemoData,
    DeployConfig,
    FastaData,
    LoggerConfig,
    ModelConfig,
    PredictConfig,
    SearchConfig,
    ServeConfig,
    TrainConfig,
    TrainerConfig,
    TunerConfig,
    TuningConfig,
    WandbLogger,
    no_option,
)
from protloc.errors import UserError

SCHEMAS: dict[tuple[str | None, str], type] = {
    (None, "train_schema"): TrainConfig,
    (None, "predict_schema"): PredictConfig,
    (None, "serving_schema"): ServeConfig,
    (None, "deploy_schema"): DeployConfig,
    ("data", "demo_schema"): DemoData,
    ("data", "deeploc_schema"): DeepLocData,
    ("data", "deeploc2_schema"): DeepLoc2Data,
    ("data", "fasta_schema"): FastaData,
    ("data", "csv_schema"): CsvData,
    ("model", "schema"): ModelConfig,
    ("tuning", "schema"): TuningConfig,
    ("trainer", "schema"): TrainerConfig,
    ("cluster", "schema"): ClusterConfig,
    ("tuner", "schema"): TunerConfig,
    ("hydra/sweeper", "search_schema"): SearchConfig,
    ("logger", "schema"): LoggerConfig,
    ("logger", "wandb_schema"): WandbLogger,
}
"""Group and name under which the files in conf/ build on each dataclass."""

OPEN = ("args", "from_scratch", "tags", "environment", "space", "params", "sampler_options", "pruner_options")
"""Dictionaries that take any key; those that name options of another package are checked where that is loaded."""


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
        node = OmegaConf.structured(root if schema is TrainConfig and issubclass(root, TrainConfig) else schema)
        _open(node)
        store.store(group=group, name=name, node=node, provider="protloc")


def _open(node: Any) -> None:
    """Let the dictionaries that take any key take it, at any depth."""
    from omegaconf import OmegaConf

    for key in node:
        inner: Any = node._get_node(key)
        if key in OPEN:
            inner._set_flag("struct", False)
        elif OmegaConf.is_dict(inner) and not inner._is_missing() and not inner._is_none():
            _open(inner)


def options_of(cfg: Any, prefix: str = "") -> Any:
    """A composed configuration as an object of its dataclass; `prefix` where it is a part, for messages.

    Raises:
        UserError: it has a key that is no option, as `+name=` can add it.
    """
    from omegaconf import OmegaConf

    if not OmegaConf.is_config(cfg):
        return cfg
    made = OmegaConf.to_object(cfg)
    check_no_more(made, prefix)
    return made


def check_no_more(options: Any, prefix: str = "") -> None:
    """Refuse an attribute that is no option, at any depth.

    Raises:
        UserError: see above.
    """
    if not dataclasses.is_dataclass(options):
        return
    names = [f.name for f in dataclasses.fields(options)]
    for extra in vars(options).keys() - set(names):
        raise UserError(no_option(f"{prefix}{extra}", names), exit_code=2)
    for name in names:
        check_no_more(getattr(options, name), f"{prefix}{name}.")
