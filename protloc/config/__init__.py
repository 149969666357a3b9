"""Every option of protloc, typed and explained once.

These dataclasses are the schema that Hydra checks overrides against, the objects that the package works with, and the
source of docs/configuration.md. They hold plain values only, so any part of the package can be used without Hydra. A
default of `MISSING` is filled in by the YAML files under conf/.
"""

from protloc.config.cluster import ClusterConfig, TunerConfig
from protloc.config.data import CsvData, DataConfig, DeepLoc2Data, DeepLocData, DemoData, FastaData
from protloc.config.hosting import HostConfig
from protloc.config.model import ModelConfig, Recipe, TuningConfig
from protloc.config.option import MISSING, no_option, option, problems, typed
from protloc.config.scripts import DeployConfig, LaunchConfig, PredictConfig, ServeConfig, TrainConfig
from protloc.config.search import SearchConfig
from protloc.config.trainer import LoggerConfig, TrainerConfig, WandbLogger, maximized

__all__ = [
    "MISSING",
    "ClusterConfig",
    "CsvData",
    "DataConfig",
    "DeepLoc2Data",
    "DeepLocData",
    "DemoData",
    "DeployConfig",
    "FastaData",
    "HostConfig",
    "LaunchConfig",
    "LoggerConfig",
    "ModelConfig",
    "PredictConfig",
    "Recipe",
    "SearchConfig",
    "ServeConfig",
    "TrainConfig",
    "TrainerConfig",
    "TunerConfig",
    "TuningConfig",
    "WandbLogger",
    "maximized",
    "no_option",
    "option",
    "problems",
    "typed",
]
