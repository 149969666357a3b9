"""The model: one answer a protein, whatever stands beside it."""

from pathlib import Path

import pytest
import torch

from protloc.model.backbones.tiny_encoder import ChannelDropout
from protloc.model.classifier import ProteinClassifier
from tests.models import NAMES, build

KINDS = ("tiny", "protbert", "esm2")
SEQUENCES = ["MKV", "ACDEFGHIKLMNPQRSTVWY" * 2, "M" * 17, "MKTAYIAKQRQISFVKSHFSRQ" * 9, "ACXUZ"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "light_attention"])
@pytest.mark.parametrize("kind", KINDS)
def test_alone_or_in_a_batch(kind: str, pooling: str, tmp_path: Path) -> None:
    if kind == "tiny" and pooling == "cls":
        pytest.skip("tiny has no class token; test_build pins the refusal")
    model, tokenizer = build(kind, tmp_path, pooling=pooling)
    with torch.no_grad():
        together = model(**tokenizer(SEQUENCES, padding=True, return_tensors="pt")).logits
        alone = torch.cat([model(**tokenizer([s], return_tensors="pt")).logits for s in SEQUENCES])
    assert together.shape == (len(SEQUENCES), len(NAMES))
    assert together.std(dim=0).min() > 1e-4  # they do differ from each other
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("crop", ["middle", "head", "tail"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_long_protein_is_cropped_in_the_model_as_in_the_data_path(kind: str, crop: str, tmp_path: Path) -> None:
    from protloc.model.folder import encoder_of

    model, tokenizer = build(kind, tmp_path, max_residues=7, crop=crop)
    with torch.no_grad():
        whole = model(**tokenizer(SEQUENCES, padding=True, return_tensors="pt")).logits
        encoder = encoder_of(model, tokenizer)
        read = [encoder.read(s) for s in SEQUENCES]
        short = model(**tokenizer(read, padding=True, return_tensors="pt")).logits
    assert max(len(s) for s in read) == 7
    torch.testing.assert_close(whole, short, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient(kind: str, tmp_path: Path) -> None:
    model, tokenizer = build(kind, tmp_path, pooling="light_attention")
    batch = tokenizer(["ACDEFGHIKLMNPQRSTVWYX", "MKVL"], padding=True, return_tensors="pt")
    model(**batch, labels=torch.tensor([0, 2])).loss.backward()
    # a softmax over positions does not see a constant, nor do keys of an attention that adds one to every score
    blind = ("pooling.scores.bias", "attention.self.key.bias")
    without = [n for n, p in model.named_parameters() if not n.endswith(blind) and (p.grad is None or not p.grad.any())]
    # ProtBert's rows for positions and letters that this batch lacks live in tables that do get a gradient
    assert without == []


def test_loss_is_the_mean_cross_entropy_of_raw_logits(tmp_path: Path) -> None:
    model, tokenizer = build("tiny", tmp_path)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 5.0, -5.0]))
    output = model(**tokenizer(["MKV"], return_tensors="pt"), labels=torch.tensor([1]))
    assert output.logits.tolist() == [[0.0, 5.0, -5.0]]  # not squashed
    assert output.loss.item() == pytest.approx(
        torch.logsumexp(torch.tensor([0.0, 5.0, -5.0]), 0).item() - 5.0, abs=1e-6
    )


def test_config_survives_saving(tmp_path: Path) -> None:
    model, _ = build("esm2", tmp_path / "esm2", pooling="light_attention", crop="tail")
    model.save_pretrained(tmp_path / "saved")
    again = ProteinClassifier.from_pretrained(tmp_path / "saved")
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    assert again.config.backbone.to_dict() == model.config.backbone.to_dict()
    assert (again.config.pooling, again.config.crop, again.config.max_residues) == ("light_attention", "tail", 40)
    assert again.config.id2label == {0: "Cytoplasm", 1: "Nucleus", 2: "Plastid"}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_the_answer_is_the_mean_of_the_towers(tmp_path: Path) -> None:
    model, _ = build("tiny", tmp_path, dropout=0.0)
    for module in model.modules():
        if isinstance(module, ChannelDropout):
            module.p = 0.0
    assert model.towers == 2
    batch = {"input_ids": torch.randint(2, 22, (3, 30)), "attention_mask": torch.ones(3, 30, dtype=torch.int64)}
    assert model(**batch).members is None
    output = model.train()(**batch)
    assert output.members.shape == (3, 2, 3)
    torch.testing.assert_close(output.members.mean(1), output.logits)
    assert not torch.allclose(output.members[:, 0], output.members[:, 1])


def test_towers_learn_each_for_itself(tmp_path: Path) -> None:
    """The loss of the first gives the second no gradient; the motifs get both."""
    model, _ = build("tiny", tmp_path, pooling="attention")
    batch = {"input_ids": torch.randint(2, 22, (3, 30)), "attention_mask": torch.ones(3, 30, dtype=torch.int64)}
    model.train()(**batch).members[:, 0].square().sum().backward()
    moved = {name: bool(p.grad is not None and p.grad.any()) for name, p in model.named_parameters()}
    assert moved["backbone.encoder.layer.0.towers.0.conv.weight"]
    assert not moved["backbone.encoder.layer.0.towers.1.conv.weight"]
    assert moved["backbone.embeddings.motifs.0.weight"]
    assert moved["pooling.towers.0.scores.weight"]
    assert not moved["pooling.towers.1.scores.weight"]
