"""A new model from its options: backbone, head, and the tokenizer that goes with them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as hf_logging

from protloc.config import ModelConfig
from protloc.data.encoding import ResidueEncoder
from protloc.errors import UserError
from protloc.model.backbones import FAMILIES, family_of
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.tokenizer import residue_tokenizer
from protloc.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

log = logging.getLogger(__name__)


def build_model(options: ModelConfig, task: Task) -> tuple[ProteinClassifier, PreTrainedTokenizerBase]:
    """The classifier with a fresh head, and its tokenizer for raw residues.

    Seed before the call: the head, and a backbone from scratch, are drawn here.

    Args:
        options: the `model` group.
        task: what it predicts.

    Raises:
        UserError: the backbone cannot be loaded, is no protein model, or does not fit the options.
    """
    backbone_config, tokenizer = _backbone(options)
    encoder = ResidueEncoder(tokenizer, options.max_residues, options.crop)
    _check_fit(options, backbone_config, encoder)
    config = ProteinClassifierConfig(
        backbone=backbone_config,
        backbone_name=options.name_or_path or options.name,
        pooling=options.pooling,
        dropout=options.dropout,
        max_residues=options.max_residues,
        crop=options.crop,
        special_token_ids=sorted({tokenizer.pad_token_id, *encoder.start.tolist(), *encoder.end.tolist()}),
        start_tokens=len(encoder.start),
        end_tokens=len(encoder.end),
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(task.names)),
        label2id={name: i for i, name in enumerate(task.names)},
        **task.settings(),
    )
    model = ProteinClassifier(config)
    if options.name_or_path is not None:
        model.backbone = _pretrained(options, backbone_config)
    freeze(model, options.freeze_layers)
    return model, tokenizer


def freeze(model: ProteinClassifier, layers: int) -> None:
    """Stop the gradients of the embeddings and the first `layers` layers of the backbone; 0 freezes nothing.

    Raises:
        UserError: the backbone has fewer layers.
    """
    if layers == 0:
        return
    stack = model.family.layers(model.backbone)
    if layers > len(stack):
        raise UserError(f"model.freeze_layers={layers}, but the backbone has {len(stack)} layers")
    for module in (model.family.embeddings(model.backbone), *stack[:layers]):
        module.requires_grad_(False)


def _backbone(options: ModelConfig) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    if options.name_or_path is None:
        return _from_scratch(options)
    if "prot_bert_bfd_localization" in options.name_or_path:
        raise UserError(
            f"{options.name_or_path} is already tuned on DeepLoc's proteins, test set included: any figure measured "
            "with it here would be wrong. Take Rostlab/prot_bert_bfd (model=protbert_bfd) instead"
        )
    if options.name_or_path.startswith(("/", "./", "../")) and not Path(options.name_or_path).is_dir():
        raise UserError(f"model.name_or_path={options.name_or_path}: no such folder")
    try:
        config = AutoConfig.from_pretrained(options.name_or_path, revision=options.revision, trust_remote_code=False)
        source = AutoTokenizer.from_pretrained(
            options.name_or_path, revision=options.revision, trust_remote_code=False, do_lower_case=False
        )
    except (OSError, ValueError) as error:
        raise _unloadable(options, error) from error
    spaces = family_of(config).spaces if options.spaces is None else options.spaces
    return config, residue_tokenizer(
        source, spaces=spaces, unknown=options.unknown, prefix=options.prefix
    )  # fmt: skip


def check_from_scratch(options: ModelConfig) -> None:
    """Refuse what no backbone from scratch has.

    Raises:
        UserError: a name is unknown, or the values do not fit each other.
    """
    if options.name_or_path is None:
        _from_scratch(options)


def _from_scratch(options: ModelConfig) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    fields = dict(options.from_scratch)
    family = FAMILIES.get(fields.pop("model_type", ""))
    if family is None:
        raise UserError(
            f"model.from_scratch.model_type={options.from_scratch.get('model_type')}: choose one of "
            f"{', '.join(FAMILIES)}; for any other backbone give model.name_or_path= (a Hugging Face name or a local "
            "folder)", exit_code=2,
        )  # fmt: skip
    return family.from_scratch(fields)


def _pretrained(options: ModelConfig, config: PreTrainedConfig) -> PreTrainedModel:
    verbosity = hf_logging.get_verbosity()
    hf_logging.set_verbosity_error()  # its report of unused weights is judged below, in one line
    try:
        backbone, info = AutoModel.from_pretrained(
            options.name_or_path,
            revision=options.revision,
            config=config,
            dtype="float32",
            use_safetensors=True,  # a pickle could run anything; the hub converts the old ones
            trust_remote_code=False,
            output_loading_info=True,
            **family_of(config).arguments(config),
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unloadable(options, error) from error
    finally:
        hf_logging.set_verbosity(verbosity)
    family_of(config).adapt(backbone)
    missing = sorted(set(info["missing_keys"]) & set(backbone.state_dict()))
    if missing:
        raise UserError(
            f"{options.name_or_path} lacks {len(missing)} weights of the backbone, {missing[0]} first: "
            "they would be random. Give a folder that holds the whole backbone"
        )
    log.info("backbone %s: %s parameters", options.name_or_path, f"{backbone.num_parameters():,}")
    return backbone


def _unloadable(options: ModelConfig, error: Exception) -> UserError:
    reason = str(error).strip().splitlines()[0]
    return UserError(
        f"the backbone {options.name_or_path!r} cannot be loaded: {reason} Give model.name_or_path= a Hugging Face "
        "name (with a connection, or already in the cache), or a folder with config.json, model.safetensors and the "
        "tokenizer"
    )


def _check_fit(options: ModelConfig, config: PreTrainedConfig, encoder: ResidueEncoder) -> None:
    if options.pooling == "cls" and not len(encoder.start):
        raise UserError("model.pooling=cls, but this backbone has no class token: choose mean or light_attention")
    positions = family_of(config).positions(config)
    if positions is None:
        return
    longest = positions - len(encoder.start) - len(encoder.end)
    if options.max_residues is None or options.max_residues > longest:
        raise UserError(
            f"model.max_residues={options.max_residues}, but this backbone has positions for {longest} residues"
        )
