"""Make `AutoConfig`, `AutoModel` and `AutoModelForSequenceClassification` know protloc's models on `import protloc`.

Registering needs transformers, which takes seconds to import, and `import protloc` should not. So where transformers
is not there yet, the registration waits for it: it runs right behind the import of transformers' own tables.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

CONFIGS = "transformers.models.auto.configuration_auto"
MODELS = "transformers.models.auto.modeling_auto"


def register_configs() -> None:
    """Name the configurations' `model_type`s to `AutoConfig`."""
    from protloc.model.configuration import ProteinClassifierConfig, TinyConfig

    auto = sys.modules[CONFIGS].AutoConfig
    for config in (TinyConfig, ProteinClassifierConfig):
        auto.register(config.model_type, config, exist_ok=True)


def register_models() -> None:
    """Name the models of these configurations to the Auto classes."""
    from protloc.model.classifier import ProteinClassifier
    from protloc.model.configuration import ProteinClassifierConfig, TinyConfig
    from protloc.model.tiny import TinyModel

    auto = sys.modules[MODELS]
    auto.AutoModel.register(TinyConfig, TinyModel, exist_ok=True)
    auto.AutoModelForSequenceClassification.register(ProteinClassifierConfig, ProteinClassifier, exist_ok=True)


class _After(importlib.abc.MetaPathFinder):
    """Runs `action` once, right behind the import of the module `name`."""

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self.name, self.action = name, action

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.action()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def register() -> None:
    """Register now where transformers is loaded, else as soon as it is."""
    for name, action in ((CONFIGS, register_configs), (MODELS, register_models)):
        if name in sys.modules:
            action()
        else:
            sys.meta_path.insert(0, _After(name, action))
