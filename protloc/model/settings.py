"""A model folder's `config.json`, checked against what protloc writes; nothing else in it is looked at.

A model folder may come from anybody. transformers reads many keys that change what is run: code to import
(`auto_map`), quantizers, attention kernels to fetch. So its reader never sees the file: the keys below are taken, with
their types and ranges, and a configuration is built from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from protloc.errors import UserError
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.pooling import POOLINGS
from protloc.tasks.choose import TASKS

LARGEST = 2**20
"""Bytes of a `config.json`; ours have a few thousand."""

COUNT = 100_000
"""Channels, layers, classes, tokens: more is no model of proteins."""


@dataclass(frozen=True)
class Key:
    """What a key may hold.

    Attributes:
        right: whether a value is.
        wanted: in words, for messages.
        default: where the key is missing; `NEEDED` where it must not be.
    """

    right: Callable[[Any], bool]
    wanted: str
    default: Any = None


NEEDED: Any = object()


def _whole(least: int, most: int = COUNT) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _names(value: Any) -> bool:
    """`id2label` as JSON has it: `{"0": "Nucleus", ...}`, numbered without a gap."""
    if not isinstance(value, dict) or not 2 <= len(value) <= COUNT:
        return False
    numbered = sorted(value) == sorted(map(str, range(len(value))))
    texts = list(value.values())
    return numbered and all(isinstance(t, str) and t for t in texts) and len(set(texts)) == len(texts)


PROBLEMS = tuple(task.problem_type for task in TASKS.values())
KEYS = {
    "model_type": Key(lambda v: v == ProteinClassifierConfig.model_type, "'protloc'", NEEDED),
    "backbone": Key(lambda v: isinstance(v, dict), "the backbone's configuration", NEEDED),
    "backbone_name": Key(lambda v: isinstance(v, str) and len(v) < 1000, "a name", ""),
    "pooling": Key(lambda v: isinstance(v, str) and v in POOLINGS, f"one of {', '.join(POOLINGS)}", NEEDED),
    "dropout": Key(_share, "0 to 1", 0.0),
    "max_residues": Key(lambda v: v is None or _whole(2, 10**7)(v), "null, or 2 or more", NEEDED),
    "shortest": Key(lambda v: v is None or _whole(1, 10**7)(v), "null, or 1 or more"),
    "crop": Key(lambda v: v in ("middle", "head", "tail"), "middle, head or tail", NEEDED),
    "special_token_ids": Key(
        lambda v: isinstance(v, list) and len(v) < 100 and all(map(_whole(0), v)), "a list of token ids", ()
    ),
    "start_tokens": Key(_whole(0, 16), "0 to 16", 0),
    "end_tokens": Key(_whole(0, 16), "0 to 16", 0),
    "problem_type": Key(lambda v: v in PROBLEMS, f"one of {', '.join(PROBLEMS)}", PROBLEMS[0]),
    "thresholds": Key(
        lambda v: v is None or (isinstance(v, dict) and all(map(_share, v.values()))), "a probability a class"
    ),
    "membrane_threshold": Key(lambda v: v is None or _share(v), "null, or 0 to 1"),
    "pad_token_id": Key(_whole(0), "a token id", NEEDED),
    "id2label": Key(_names, "the names of two classes or more, each once, numbered from 0", NEEDED),
}
"""Every key that protloc reads."""

PLAIN = (str, int, float, bool, type(None))
REFUSED = ("auto_map", "quantization_config", "compression_config")
"""Keys of a backbone that make transformers import or fetch something."""

LEFT_OUT = ("attn_implementation", "attn_implementation_internal", "experts_implementation", "dtype")
"""How keys of a backbone end that say how to compute: protloc decides that, where it runs."""

SHAPES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
          "max_position_embeddings", "type_vocab_size", "embedding_size", "filters", "stride", "kernel_size",
          "expansion", "distance_buckets", "towers")  # fmt: skip
"""Keys of a backbone that size it."""


def read_settings(path: Path) -> ProteinClassifierConfig:
    """The configuration of a model folder.

    Args:
        path: its `config.json`.

    Raises:
        UserError: it is not what protloc writes; one line names the key.
    """
    found = _parsed(path)
    values = {}
    for name, key in KEYS.items():
        value = found.get(name, key.default)
        if value is NEEDED:
            raise UserError(f"{path}: no {name!r}: it is not a protloc model's")
        if not (name not in found or key.right(value)):
            raise UserError(f"{path}: {name} is {_shown(value)}, must be {key.wanted}")
        values[name] = value
    del values["model_type"]
    names = [values["id2label"][str(i)] for i in range(len(values["id2label"]))]
    if values["thresholds"] is not None and set(values["thresholds"]) != set(names):
        raise UserError(f"{path}: thresholds must name each class once: {', '.join(names)}")
    values["id2label"] = dict(enumerate(names))
    values["label2id"] = {name: i for i, name in enumerate(names)}
    values["special_token_ids"] = list(values["special_token_ids"])
    values["backbone"] = _backbone(path, values["backbone"])
    if values["pad_token_id"] >= values["backbone"].vocab_size:
        raise UserError(f"{path}: pad_token_id is {values['pad_token_id']}, but the backbone knows fewer tokens")
    return ProteinClassifierConfig(**values)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise UserError(f"{path}: larger than {LARGEST:,} bytes: it is not a protloc model's")
        found = json.loads(raw)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: no JSON object")
    return found


def _backbone(path: Path, given: dict[str, Any]) -> Any:
    """The backbone's configuration, from plain values alone."""
    for name in REFUSED:
        if given.get(name) is not None:
            raise UserError(f"{path}: backbone.{name} would run code or fetch it; protloc does neither")
    kind = given.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING or kind == ProteinClassifierConfig.model_type:
        raise UserError(f"{path}: backbone.model_type is {_shown(kind)}, a family that is not known here")
    for name in SHAPES:
        value = given.get(name, 1)
        if not (_whole(1, 10**7)(value) or (value == 0 and name == "type_vocab_size")):
            raise UserError(f"{path}: backbone.{name} is {_shown(value)}, must be a whole number from 1")
    kept = {name: value for name, value in given.items() if not name.endswith(LEFT_OUT) and _is_plain(value)}
    try:
        return CONFIG_MAPPING[kind](**{name: value for name, value in kept.items() if name != "model_type"})
    except Exception as error:  # whatever a value of a wrong kind makes another's code raise
        raise UserError(f"{path}: backbone: {str(error).strip().splitlines()[-1][:300]}") from error


def _is_plain(value: Any) -> bool:
    """A number, a text, or a flat list or dictionary of them."""
    if isinstance(value, list):
        return all(isinstance(each, PLAIN) for each in value)
    if isinstance(value, dict):
        return all(isinstance(each, PLAIN) for each in value.values())
    return isinstance(value, PLAIN)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
