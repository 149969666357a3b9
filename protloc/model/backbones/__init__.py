"""The families of backbones, a module each. A new one is a module here, a YAML in conf/model/, and a test."""

from __future__ import annotations

from transformers import PreTrainedConfig

from protloc.model.backbones.bert import Bert
from protloc.model.backbones.esm import Esm
from protloc.model.backbones.family import Family
from protloc.model.backbones.tiny import Tiny

FAMILIES: dict[str, Family] = {family.model_type: family for family in (Bert(), Esm(), Tiny())}
"""By `model_type`."""


def family_of(config: PreTrainedConfig) -> Family:
    """The family of a backbone by its configuration; what holds for most where it has no module of its own."""
    return FAMILIES.get(config.model_type) or Family()
