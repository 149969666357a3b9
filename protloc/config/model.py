"""The groups `model` and `tuning`: a backbone, the recipe that suits it, and which weights training changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protloc.config.option import MISSING, option


@dataclass
class Recipe:
    """The training options that suit a backbone; `trainer.*` takes them from here unless told otherwise."""

    epochs: float = option(MISSING, "passes over the training proteins", least=0.01)
    batch_size: int = option(MISSING, "proteins an optimizer step", least=1)
    learning_rate: float = option(MISSING, "peak learning rate", least=0)
    weight_decay: float = option(MISSING, "decoupled weight decay", least=0)
    warmup: float = option(0.1, "share of the steps over which the learning rate rises", least=0, most=1)
    schedule: str = option(
        "cosine", "how the learning rate falls after the warm-up", choices=("linear", "cosine", "constant")
    )
    label_smoothing: float = option(0.0, "probability spread evenly over all classes", least=0, most=0.5)
    patience: int = option(0, "stop after N epochs without a better validation; 0: never", least=0)


@dataclass
class ModelConfig:
    """A backbone, what it wants to read, and the head on top of it."""

    name: str = option(MISSING, "the entry's name, for tables and the model card")
    name_or_path: str | None = option(None, "Hugging Face name or local folder of the backbone; null: from scratch")
    revision: str | None = option(None, "branch, tag or commit on the Hugging Face hub")
    from_scratch: dict[str, Any] = option(
        {}, "the backbone's configuration where nothing is loaded; `model_type` first"
    )
    spaces: bool | None = option(None, "the backbone's tokenizer wants a space between residues; null: as its family")
    unknown: str = option("", "residues that the backbone reads as X")
    prefix: str = option("", "a token that the backbone wants before the protein")
    max_residues: int | None = option(1022, "longest protein read whole, in residues; null: any length", least=2)
    crop: str = option(
        "middle", "what a longer protein loses: its middle (both ends carry signals), or all but its head or tail",
        choices=("middle", "head", "tail"),
    )  # fmt: skip
    attention: str = option(
        "auto", "how proteins share a batch while training; auto: packed, without padding, where that is faster",
        choices=("auto", "packed", "padded"),
    )  # fmt: skip
    pooling: str = option(
        "mean", "how residues become one vector a protein", choices=("mean", "cls", "light_attention", "attention")
    )
    membrane: str = option(
        "auto", "a second output, whether the protein is bound to a membrane; auto: with several labels, where the "
        "data say it", choices=("auto", "on", "off"),
    )  # fmt: skip
    dropout: float = option(0.1, "dropout in the head", least=0, most=0.9)
    freeze_layers: int = option(0, "freeze the embeddings and the first N layers of the backbone", least=0)
    recipe: Recipe = field(default_factory=Recipe, metadata={"help": "training options that suit this backbone"})


@dataclass
class TuningConfig:
    """Which weights training changes."""

    name: str = option(
        "full", "full: all weights; frozen: the head's, over the backbone's states, which are computed once and kept",
        choices=("full", "frozen"),
    )  # fmt: skip
