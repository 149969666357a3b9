"""The model folder: what `from_pretrained` reads, and the only thing that prediction needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protloc.data.encoding import ResidueEncoder
from protloc.errors import UserError
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class SavedModel:
    """A model folder, loaded for prediction: weights in fp32, dropout off."""

    model: ProteinClassifier
    tokenizer: PreTrainedTokenizerBase
    encoder: ResidueEncoder
    names: list[str]


def class_names(config: ProteinClassifierConfig) -> list[str]:
    """The classes in the order of the logits."""
    return [config.id2label[i] for i in range(config.num_labels)]


def encoder_of(model: ProteinClassifier, tokenizer: PreTrainedTokenizerBase) -> ResidueEncoder:
    """What `model` reads of a protein."""
    config = model.config
    return ResidueEncoder(tokenizer, config.max_residues, config.crop, config.shortest)


def load_model(folder: str | Path) -> SavedModel:
    """Read a model folder, or the `model` folder of a run.

    Args:
        folder: `RUN/model`, or `RUN`.

    Raises:
        UserError: it is no model folder, or not one of protloc's.
    """
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    path = Path(folder)
    if not (path / "config.json").is_file() and (path / "model" / "config.json").is_file():
        path = path / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (path / name).is_file():
            found = "has no" if path.is_dir() else "is no folder, so there is no"
            raise UserError(f"{path} {found} {name}: model_dir= takes the folder RUN/model that train.py wrote")
    try:
        model, info = ProteinClassifier.from_pretrained(
            path, use_safetensors=True, local_files_only=True, dtype="float32", output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read as a protloc model: {str(error).splitlines()[0]}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(f"{path} lacks {len(missing)} weights of the model, {missing[0]} first: they would be random")
    return SavedModel(model.eval(), tokenizer, encoder_of(model, tokenizer), class_names(model.config))
