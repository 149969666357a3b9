"""Small models and options for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase, set_seed

from protloc.config import ModelConfig, Recipe
from protloc.data.records import Protein
from protloc.model.backbones import FAMILIES
from protloc.model.build import build_model
from protloc.model.classifier import ProteinClassifier
from protloc.tasks.labels import LabelSpace
from protloc.tasks.multilabel import Multilabel
from protloc.tasks.single import SingleLabel
from protloc.tasks.task import Task
from tests.backbones import write_esm2, write_protbert

NAMES = ("Cytoplasm", "Nucleus", "Plastid")
TASK = SingleLabel(LabelSpace(NAMES))
SEVERAL = Multilabel(LabelSpace(NAMES), has_membrane=True, membrane_threshold=0.4, thresholds=(0.3, 0.5, 0.7))
TINY = {
    "model_type": "protloc_conv", "hidden_size": 16, "towers": 2, "embedding_size": 20, "filters": 4,
    "widths": [1, 3, 5], "num_hidden_layers": 2, "kernel_size": 5, "substitution": 0.0,
}  # fmt: skip
RECIPE = Recipe(epochs=1, batch_size=4, learning_rate=1e-3, weight_decay=0.0)


def model_options(kind: str, folder: Path, **changes: Any) -> ModelConfig:
    """Options for a small `tiny`, ProtBert or ESM-2; the last two are written to `folder` with random weights."""
    values: dict[str, Any] = {"name": kind, "max_residues": 40, "recipe": RECIPE}
    if kind == "tiny":
        values["from_scratch"] = TINY
    elif kind == "protbert":
        values |= {"name_or_path": str(write_protbert(folder)), "spaces": True, "unknown": "UZOB"}
    else:
        values |= {"name_or_path": str(write_esm2(folder))}
    return ModelConfig(**{**values, **changes})


def tiny_tokenizer() -> PreTrainedTokenizerBase:
    """That of `tiny`."""
    return FAMILIES["protloc_conv"].from_scratch({})[1]


def build(
    kind: str, folder: Path, *, seed: int = 0, task: Task = TASK, **changes: Any
) -> tuple[ProteinClassifier, PreTrainedTokenizerBase]:
    """A model in evaluation mode, its weights drawn with `seed`."""
    options = model_options(kind, folder, **changes)
    set_seed(seed)
    model, tokenizer = build_model(options, task)
    return model.eval(), tokenizer


def saved(folder: Path, **changes: Any) -> Path:
    """The model folder of a `tiny`, in `folder`."""
    model, tokenizer = build("tiny", folder, **changes)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def proteins(count: int) -> list[Protein]:
    """Proteins of 1 to 89 residues, shorter and longer than the models' crop."""
    rng = np.random.default_rng(0)
    return [
        Protein(f"p{i}", "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=rng.integers(1, 90))))
        for i in range(count)
    ]
