"""The model folder: what `from_pretrained` reads, and the only thing that prediction needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from protloc.data.encoding import ResidueEncoder, check_letters
from protloc.errors import UserError
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.settings import read_settings
from protloc.model.weights import check_weights, read_weights
from protloc.tasks.choose import task_of
from protloc.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class SavedModel:
    """A model folder, loaded for prediction: weights in fp32, dropout off."""

    model: ProteinClassifier
    tokenizer: PreTrainedTokenizerBase
    encoder: ResidueEncoder
    task: Task


def encoder_of(model: ProteinClassifier, tokenizer: PreTrainedTokenizerBase) -> ResidueEncoder:
    """What `model` reads of a protein."""
    config = model.config
    return ResidueEncoder(tokenizer, config.max_residues, config.crop, config.shortest)


def load_model(folder: str | Path) -> SavedModel:
    """Read a model folder, or the `model` folder of a run.

    Three files are read, `config.json` by `read_settings`, `model.safetensors`, and `tokenizer.json`; nothing that lies
    beside them is looked at, and nothing is run.

    Args:
        folder: `RUN/model`, or `RUN`.

    Raises:
        UserError: it is no model folder, or not one of protloc's, or damaged.
    """
    path = Path(folder)
    if not (path / "config.json").is_file() and (path / "model" / "config.json").is_file():
        path = path / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (path / name).is_file():
            found = "has no" if path.is_dir() else "is no folder, so there is no"
            raise UserError(f"{path} {found} {name}: model_dir= takes the folder RUN/model that train.py wrote")
    config = read_settings(path / "config.json")
    model = _model(config, path)
    tokenizer = _tokenizer(config, path / "tokenizer.json")
    encoder = encoder_of(model, tokenizer)
    highest = max(int(ids.max(initial=0)) for ids in (encoder.table, encoder.start, encoder.end))
    if highest >= config.backbone.vocab_size:
        raise UserError(f"{path}/tokenizer.json: token {highest}, but the model knows {config.backbone.vocab_size}")
    return SavedModel(model.eval(), tokenizer, encoder, task_of(config))


def _model(config: ProteinClassifierConfig, path: Path) -> ProteinClassifier:
    weights = path / "model.safetensors"
    try:
        with torch.device("meta"):  # takes no memory, whatever sizes the configuration names
            shape = ProteinClassifier(config)
    except Exception as error:  # whatever values that do not fit each other make torch and transformers raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}/config.json: no model can be made of it: {reason}") from error
    check_weights(weights, shape)
    model: ProteinClassifier = ProteinClassifier.from_pretrained(
        None, config=config, state_dict=read_weights(weights), dtype="float32"
    )
    return model


def _tokenizer(config: ProteinClassifierConfig, path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of `tokenizer.json`, whatever files lie beside it say of classes and code."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    try:
        core = Tokenizer.from_file(str(path))
        pad = core.id_to_token(config.pad_token_id)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token=pad, padding_side="right")
        check_letters(tokenizer)
    except BaseException as error:  # the library's own panics are no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise UserError(f"{path}: no tokenizer of a protloc model: {str(error).strip().splitlines()[0]}") from error
    return tokenizer
