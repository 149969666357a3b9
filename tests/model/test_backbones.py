"""The families of backbones: what each says of itself, and that nobody else asks for their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel, EsmConfig, RoFormerConfig

from protloc.errors import UserError
from protloc.model.backbones import FAMILIES, family_of
from protloc.model.backbones.tiny import TinyConfig
from tests.models import build
from tests.test_layers import PACKAGE


def test_no_other_module_asks_for_a_family_by_name() -> None:
    names = "|".join(FAMILIES)
    asks = re.compile(rf"model_type\s*(==|!=|in\b)|[\"']({names})[\"']")
    for file in PACKAGE.rglob("*.py"):
        if file.parent.name != "backbones":
            assert not asks.search(file.read_text()), file


@pytest.mark.parametrize(
    ("kind", "layers", "layer", "packs"),
    [("tiny", 3, "SideBySide", False), ("protbert", 2, "BertLayer", True), ("esm2", 2, "EsmLayer", True)],
)
def test_layers_and_embeddings(kind: str, layers: int, layer: str, packs: bool, tmp_path: Path) -> None:
    model, _ = build(kind, tmp_path)
    family = model.family
    assert len(family.layers(model.backbone)) == layers
    assert family.layer_class(model.backbone) == layer
    assert family.can_pack(model.config.backbone) == packs
    names = {name.split(".")[0] for name, _ in model.backbone.named_children()}
    assert names - {"rotary_embeddings"} == {"embeddings", "encoder"}
    assert family.embeddings(model.backbone) is model.backbone.embeddings


def test_positions() -> None:
    assert family_of(BertConfig(max_position_embeddings=512)).positions(BertConfig(max_position_embeddings=512)) == 512
    learned = EsmConfig(vocab_size=33, max_position_embeddings=1026, position_embedding_type="absolute", pad_token_id=1)
    rotary = EsmConfig(vocab_size=33, max_position_embeddings=1026, position_embedding_type="rotary", pad_token_id=1)
    assert (family_of(learned).positions(learned), family_of(learned).first_position(learned)) == (1024, 2)
    assert (family_of(rotary).positions(rotary), family_of(rotary).first_position(rotary)) == (None, 0)
    assert family_of(TinyConfig()).positions(TinyConfig()) is None


def test_cost_of_attention() -> None:
    config = BertConfig(hidden_size=1024, intermediate_size=4096)
    assert family_of(config).attention_cost(config) == 4 * 1024 / (8 * 1024**2 + 4 * 1024 * 4096)
    assert family_of(TinyConfig()).attention_cost(TinyConfig()) == 0.0


def test_a_family_without_a_module_reads_padded_batches() -> None:
    config = RoFormerConfig()
    family = family_of(config)
    assert family.model_type == ""
    assert not family.can_pack(config)
    assert family.positions(config) == 1536


def test_only_our_own_family_is_made_from_scratch() -> None:
    with pytest.raises(UserError, match=r"a bert backbone is loaded: give model.name_or_path="):
        FAMILIES["bert"].from_scratch({})


def test_layers_that_are_not_found(tmp_path: Path) -> None:
    model = BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))
    model.encoder.layer = None
    with pytest.raises(UserError, match="keeps its layers where protloc does not find them"):
        FAMILIES["bert"].layers(model)
