"""Packed batches: the same logits and gradients as alone and padded, whatever the neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel

from protloc.data.batching import pack, pad
from protloc.errors import UserError
from protloc.model.backbones.esm_fused import FusedIntermediate, fuse
from protloc.model.build import build_model
from protloc.model.classifier import ProteinClassifier
from protloc.model.folder import encoder_of
from protloc.model.packed import NAME, Packing, choose_attention, packed_attention, runs, unpack
from tests.backbones import write_esm2
from tests.models import NAMES, TASK, build, model_options

CPU = torch.device("cpu")
LENGTHS = [7, 40, 1, 23, 23, 90, 40, 2]  # two runs of equal lengths, one protein longer than the crop of 40


def encoded(model: ProteinClassifier, tokenizer: Any) -> list[np.ndarray]:
    """Proteins of `LENGTHS` residues, as ids."""
    rng = np.random.default_rng(0)
    encoder = encoder_of(model, tokenizer)
    return [encoder.encode("".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWYXU"), size=n))) for n in LENGTHS]


def logits(model: ProteinClassifier, batch: dict[str, Any]) -> np.ndarray:
    with torch.inference_mode():
        return model(**batch).logits.numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "light_attention", "attention"])
@pytest.mark.parametrize("kind", ["protbert", "esm2"])
def test_alone_padded_packed_and_in_any_order(kind: str, pooling: str, tmp_path: Path) -> None:
    model, tokenizer = build(kind, tmp_path, pooling=pooling)
    rows = encoded(model, tokenizer)
    alone = np.concatenate([logits(model, pad([row], tokenizer.pad_token_id)) for row in rows])
    np.testing.assert_allclose(logits(model, pad(rows, tokenizer.pad_token_id)), alone, atol=1e-5)
    np.testing.assert_allclose(logits(model, pack(rows)), alone, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_allclose(logits(model, pack([rows[i] for i in order])), alone[order], atol=1e-5)
    np.testing.assert_allclose(logits(model, pack(rows[-1:])), alone[-1:], atol=1e-5)
    assert np.abs(alone - alone.mean(0)).max() > 0.01, "the proteins differ"


@pytest.mark.parametrize("kind", ["protbert", "esm2"])
def test_gradients_padded_packed_and_accumulated(kind: str, tmp_path: Path) -> None:
    model, tokenizer = build(kind, tmp_path, pooling="light_attention", dropout=0.0)
    rows = encoded(model, tokenizer)
    labels = torch.arange(len(rows)) % len(NAMES)
    pad_id = tokenizer.pad_token_id

    def gradients(batches: list[tuple[dict[str, Any], torch.Tensor]]) -> torch.Tensor:
        model.zero_grad()
        for batch, target in batches:
            out = model(**batch).logits
            (torch.nn.functional.cross_entropy(out, target, reduction="sum") / len(rows)).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    padded = gradients([(pad(rows, pad_id), labels)])
    packed = gradients([(pack(rows), labels)])
    parts = gradients([(pack(rows[:3]), labels[:3]), (pack(rows[3:4]), labels[3:4]), (pack(rows[4:]), labels[4:])])
    assert padded.norm() > 0.1
    torch.testing.assert_close(packed, padded, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(parts, padded, atol=1e-5, rtol=1e-4)


def test_absolute_positions_of_esm_restart_too(tmp_path: Path) -> None:
    model, tokenizer = build("esm2", tmp_path)
    model.config.backbone.position_embedding_type = "absolute"
    torch.manual_seed(0)
    model = ProteinClassifier(model.config).eval()
    rows = encoded(model, tokenizer)
    np.testing.assert_allclose(logits(model, pack(rows)), logits(model, pad(rows, tokenizer.pad_token_id)), atol=1e-5)


def test_pack_by_hand() -> None:
    batch = pack([np.array([5, 6, 7]), np.array([8])])
    assert batch["input_ids"].tolist() == [5, 6, 7, 8]
    assert batch["position_ids"].tolist() == [0, 1, 2, 0]
    assert batch["cu_seqlens"].tolist() == [0, 3, 4]
    assert batch["cu_seqlens"].dtype == torch.int32
    assert batch["lengths"] == [3, 1]


def test_unpack_by_hand() -> None:
    row, residues = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([True, False, True, True])
    padded, mask = unpack(row, residues, Packing([1, 3], torch.tensor([0, 1, 4], dtype=torch.int32), 3))
    assert padded[..., 0].tolist() == [[1.0, 0.0, 0.0], [2.0, 3.0, 4.0]]
    assert mask.tolist() == [[True, False, False], [False, True, True]]


def test_runs_of_equal_length() -> None:
    assert list(runs([7, 7, 3, 7])) == [(2, 7), (1, 3), (1, 7)]


def test_what_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    esm, _ = build("esm2", tmp_path / "esm")
    tiny, _ = build("tiny", tmp_path / "tiny")
    assert choose_attention("auto", esm.backbone, CPU, "fp32") == "packed"
    gpu, heads = torch.device("cuda"), esm.backbone.config
    for capability, size, expected in (((9, 0), 8, "packed"), ((7, 5), 8, "padded"), ((9, 0), 4, "padded")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        heads.num_attention_heads = heads.hidden_size // size
        assert choose_attention("auto", esm.backbone, gpu, "bf16") == expected
    assert choose_attention("auto", esm.backbone, gpu, "fp32") == "padded"
    with pytest.raises(UserError, match=r"an? esm backbone cannot be packed on this CUDA"):
        choose_attention("packed", esm.backbone, gpu, "bf16")
    assert choose_attention("padded", esm.backbone, CPU, "fp32") == "padded"
    assert choose_attention("auto", tiny.backbone, CPU, "fp32") == "padded"
    with pytest.raises(UserError, match=r"model.attention=packed, but a protloc_conv backbone cannot be packed"):
        choose_attention("packed", tiny.backbone, CPU, "fp32")


def test_dropout_in_attention_is_not_packed(tmp_path: Path) -> None:
    model, _ = build("protbert", tmp_path)
    model.config.backbone.attention_probs_dropout_prob = 0.1
    assert not model.family.can_pack(model.config.backbone)
    assert ProteinClassifier(model.config).backbone.config._attn_implementation == "sdpa"


def test_a_saved_and_loaded_model_packs(tmp_path: Path) -> None:
    model, _ = build("protbert", tmp_path / "backbone")
    model.save_pretrained(tmp_path / "model")
    assert NAME not in (tmp_path / "model" / "config.json").read_text(), "other programs can read the folder"
    loaded = ProteinClassifier.from_pretrained(tmp_path / "model")
    assert loaded.backbone.config._attn_implementation == NAME
    eager = ProteinClassifier.from_pretrained(tmp_path / "model", attn_implementation="eager")
    assert eager.backbone.config._attn_implementation == "eager"


def test_a_loaded_backbone_packs(tmp_path: Path) -> None:
    model, _ = build_model(model_options("esm2", tmp_path), TASK)
    assert model.backbone.config._attn_implementation == NAME
    assert isinstance(model.backbone.encoder.layer[0].intermediate, FusedIntermediate)


def test_one_kernel_for_what_esm2_does_in_five(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = AutoModel.from_pretrained(write_esm2(tmp_path / "esm2")).eval()
    batch = {"input_ids": torch.randint(4, 24, (2, 30)), "attention_mask": torch.ones(2, 30, dtype=torch.int64)}
    names, before = list(backbone.state_dict()), backbone(**batch).last_hidden_state
    fuse(backbone)
    assert {type(layer.intermediate) for layer in backbone.encoder.layer} == {FusedIntermediate}
    assert list(backbone.state_dict()) == names
    torch.testing.assert_close(backbone(**batch).last_hidden_state, before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lengths", [[3, 3, 40], [700, 2], [1300, 1]])
def test_attention_in_bf16_is_pytorchs_own(lengths: list[int]) -> None:
    """By plain products where the scores are small, some heads at a time (at 700: four of five, then one)."""
    torch.manual_seed(0)
    states = [torch.randn(1, 5, sum(lengths), 16, requires_grad=True) for _ in range(3)]
    weight = torch.randn(1, sum(lengths), 5, 16)
    cu_seqlens = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        query, key, value = (state.to(dtype) for state in states)
        packing = Packing(lengths, cu_seqlens, max(lengths))
        out, _ = packed_attention(nn.Module(), query, key, value, None, packing=packing)
        assert out.dtype == dtype
        found.append([out.float(), *torch.autograd.grad((out * weight).sum(), states)])
    for half, whole in zip(*found, strict=True):
        torch.testing.assert_close(half, whole, rtol=0.05, atol=0.05)
