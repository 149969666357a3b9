"""New models from options, and the refusals."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from protloc.errors import UserError
from protloc.model.build import build_model, freeze
from tests.backbones import write_protbert
from tests.models import TASK, TINY, build, model_options


def test_backbone_weights_are_the_saved_ones(tmp_path: Path) -> None:
    model, _ = build("protbert", tmp_path)
    saved = BertModel.from_pretrained(tmp_path, add_pooling_layer=False)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, model.backbone.state_dict()[name]), name


def test_no_unused_weights(tmp_path: Path) -> None:
    for kind in ("protbert", "esm2"):
        names = [name for name, _ in build(kind, tmp_path / kind)[0].named_parameters()]
        assert [n for n in names if "pooler" in n or "contact" in n] == []


def test_one_seed_one_head(tmp_path: Path) -> None:
    first, second, other = (build("protbert", tmp_path, seed=s)[0].classifier.weight for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_freeze_stops_embeddings_and_the_first_layers(tmp_path: Path) -> None:
    model, _ = build("protbert", tmp_path, freeze_layers=1)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    expected = ("backbone.embeddings.", "backbone.encoder.layer.0.")
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(expected)}
    with pytest.raises(UserError, match=r"model.freeze_layers=3, but the backbone has 2 layers"):
        freeze(model, 3)


def refused(options: object) -> str:
    with pytest.raises(UserError) as caught:
        build_model(options, TASK)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_refuses_the_model_that_has_seen_the_answers(tmp_path: Path) -> None:
    options = model_options("tiny", tmp_path, name_or_path="Rostlab/prot_bert_bfd_localization")
    assert "already tuned on DeepLoc's proteins" in refused(options)


def test_refuses_a_folder_without_a_model(tmp_path: Path) -> None:
    message = refused(model_options("tiny", tmp_path, name_or_path=str(tmp_path)))
    assert "cannot be loaded" in message
    assert "model.name_or_path=" in message
    nowhere = str(tmp_path / "nowhere")
    assert refused(model_options("tiny", tmp_path, name_or_path=nowhere)) == (
        f"model.name_or_path={nowhere}: no such folder"
    )


def test_refuses_pickled_weights(tmp_path: Path) -> None:
    options = model_options("protbert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(BertModel(BertConfig.from_pretrained(tmp_path)).state_dict(), tmp_path / "pytorch_model.bin")
    assert "cannot be loaded" in refused(options)


def test_refuses_a_backbone_with_missing_weights(tmp_path: Path) -> None:
    options = model_options("protbert", tmp_path)
    BertModel(BertConfig.from_pretrained(tmp_path, num_hidden_layers=1)).save_pretrained(tmp_path / "short")
    (tmp_path / "short" / "model.safetensors").replace(tmp_path / "model.safetensors")
    assert "lacks 16 weights of the backbone" in refused(options)


def test_refuses_more_residues_than_positions(tmp_path: Path) -> None:
    write_protbert(tmp_path, positions=30)
    options = model_options("tiny", tmp_path, name_or_path=str(tmp_path), spaces=True, unknown="UZOB")
    assert refused(options) == "model.max_residues=40, but this backbone has positions for 28 residues"


def test_refuses_the_class_token_where_there_is_none(tmp_path: Path) -> None:
    assert "this backbone has no class token" in refused(model_options("tiny", tmp_path, pooling="cls"))


def test_refuses_unknown_options_of_the_encoder(tmp_path: Path) -> None:
    options = model_options("tiny", tmp_path, from_scratch={"model_type": "protloc_conv", "hiden_size": 8})
    assert refused(options) == "no option 'model.from_scratch.hiden_size'; did you mean model.from_scratch.hidden_size?"


def test_towers_of_equal_width(tmp_path: Path) -> None:
    options = model_options("tiny", tmp_path, from_scratch={**TINY, "hidden_size": 16, "towers": 3})
    assert refused(options) == "model.from_scratch: hidden_size=16 cannot be shared by 3 towers"
