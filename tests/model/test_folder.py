"""Model folders from anybody: nothing in them runs, prompts or is believed; what is damaged is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from tests.models import SEVERAL, build, proteins
from tests.scripts import run


def saved(folder: Path, kind: str = "tiny") -> Path:
    model, tokenizer = build(kind, folder / "backbone", task=SEVERAL)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    copy = tmp_path / "model"
    copy.mkdir()
    for path in whole.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def change(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; `backbone__x` sets x inside `backbone`, `...` takes a key out."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *outer, key = name.split("__")
        place = content[outer[0]] if outer else content
        if value is ...:
            del place[key]
        else:
            place[key] = value
    path.write_text(json.dumps(content))


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize("kind", ["tiny", "protbert", "esm2"])
def test_a_folder_is_read_as_transformers_reads_it(kind: str, tmp_path: Path) -> None:
    model, tokenizer = build(kind, tmp_path / "backbone", task=SEVERAL)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    found = load_model(tmp_path / "model")
    assert found.task == SEVERAL
    assert found.encoder.table.tolist() == load_model(tmp_path / "model").encoder.table.tolist()
    ours, theirs = found.model.state_dict(), model.state_dict()
    assert set(ours) == set(theirs)
    for name, weight in theirs.items():
        assert torch.equal(ours[name], weight), name
    batch = tokenizer(["MKVLAAAGIVW", "MK"], padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(found.model(**batch).joined(), model(**batch).joined())
    assert found.model.backbone.config._attn_implementation == model.backbone.config._attn_implementation


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": ...}, {"model_type": "bert"}, {"backbone": ...}, {"backbone": 3}, {"backbone": {}},
        {"backbone__model_type": "protloc"}, {"backbone__model_type": "nothing_known"}, {"backbone__model_type": ["x"]},
        {"backbone__hidden_size": 0}, {"backbone__hidden_size": -16}, {"backbone__hidden_size": "16"},
        {"backbone__hidden_size": 17}, {"backbone__hidden_size": 10**12}, {"backbone__hidden_size": 10**6},
        {"backbone__hidden_size": True}, {"backbone__hidden_size": None}, {"backbone__towers": 3},
        {"backbone__towers": 0}, {"backbone__num_hidden_layers": 1.5}, {"backbone__num_hidden_layers": 5},
        {"backbone__widths": "wide"}, {"backbone__widths": [0]}, {"backbone__widths": [-1]},
        {"backbone__widths": [1, 3]}, {"backbone__filters": 0}, {"backbone__kernel_size": 0},
        {"backbone__stride": 0}, {"backbone__vocab_size": 5},
        {"backbone__dropout": "much"}, {"backbone__embedding_size": 2}, {"backbone__distance_buckets": 3},
        {"backbone__pad_token_id": 99}, {"pooling": "max"}, {"pooling": None}, {"pooling": ["mean"]}, {"dropout": 2},
        {"max_residues": 0}, {"max_residues": "all"}, {"max_residues": -5}, {"max_residues": ...}, {"crop": "random"},
        {"special_token_ids": "none"}, {"special_token_ids": [-1]}, {"start_tokens": -1}, {"end_tokens": 10**9},
        {"problem_type": "regression"}, {"problem_type": 1}, {"thresholds": {"Nucleus": 0.5}}, {"thresholds": [0.5]},
        {"thresholds": {"Cytoplasm": 2, "Nucleus": 0.5, "Plastid": 0.1}}, {"membrane_threshold": "high"},
        {"membrane_threshold": None}, {"pad_token_id": "x"}, {"pad_token_id": ...}, {"pad_token_id": 10**5},
        {"id2label": {"0": "A"}}, {"id2label": {"0": "A", "2": "B", "1": ""}}, {"id2label": ["A", "B", "C"]},
        {"id2label": {"0": "A", "1": "A", "2": "B"}}, {"id2label": {"0": "A", "1": "B"}}, {"id2label": ...},
    ],
    ids=lambda changes: json.dumps(changes, default=str)[:60],
)  # fmt: skip
def test_a_configuration_that_cannot_be(folder: Path, changes: dict[str, Any]) -> None:
    change(folder / "config.json", **changes)
    assert str(folder) in refusal(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "nul", "\x00\x01", "[" * 100_000, '{"a": ' * 5_000, " " * (2**20 + 1)]
)
def test_a_configuration_that_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert refusal(folder).startswith(f"{folder}/config.json: ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\x00" * 50,
        b'{"version": "1.0"}',
        b'{"model": {"type": "WordLevel", "vocab": {}}}',
        b"{" * 9999,
    ],
)
def test_a_tokenizer_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    assert refusal(folder).startswith(f"{folder}/tokenizer.json: no tokenizer of a protloc model: ")


def test_a_tokenizer_of_another_model(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", "esm2")
    (folder / "tokenizer.json").write_bytes((other / "tokenizer.json").read_bytes())
    assert "token" in refusal(folder)


def edited(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> str:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return refusal(folder)


def test_weights_that_cannot_be(folder: Path) -> None:
    path = f"{folder}/model.safetensors"
    before = (folder / "model.safetensors").read_bytes()
    name, bias = "classifier.weight", "classifier.bias"

    def again(edit: Callable[[dict[str, torch.Tensor]], object]) -> str:
        (folder / "model.safetensors").write_bytes(before)
        return edited(folder, edit)

    assert again(lambda w: w.pop(bias)) == f"{path} lacks 1 weights of the model, {bias} first: they would be random"
    assert again(lambda w: w.update(more=torch.ones(1))) == (
        f"{path} has 1 weights that the model does not know, more first"
    )
    assert again(lambda w: w.update({bias: torch.ones(4)})) == (
        f"{path}: {bias} has the shape (4,), config.json says (3,)"
    )
    assert again(lambda w: w.update({bias: torch.ones(3, dtype=torch.int64)})) == (
        f"{path}: {bias} is of type I64, must be one of F32, F16, BF16, F64"
    )
    for value in (float("nan"), float("inf")):
        assert again(lambda w, value=value: w[name].fill_(value)) == (  # type: ignore[misc]
            f"{path}: {name} holds values that are infinite or no number"
        )
    for damaged in (b"", before[:100], before[:-7], b"\xff" * 64, b"\x00" * 8 + before[8:]):
        (folder / "model.safetensors").write_bytes(damaged)
        assert refusal(folder).startswith(f"{path}: cannot be read as safetensors: ")


def test_half_precision_weights_are_read(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({n: w.half() for n, w in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    found = load_model(folder).model
    assert {p.dtype for p in found.parameters()} == {torch.float32}
    assert torch.equal(found.classifier.weight, weights["classifier.weight"].half().float())


EVIL = """
import pathlib
pathlib.Path({mark!r}).write_text("it ran")
class Evil:
    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        return cls()
"""


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (
            "tokenizer_config.json",
            {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, "tokenizer_class": "Evil"},
        ),
        ("config.json", {"auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}),
        ("config.json", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
        ("config.json", {"attn_implementation": "someone/kernels", "_attn_implementation": "someone/kernels"}),
        ("config.json", {"backbone__attn_implementation": "someone/kernels"}),
        ("config.json", {"backbone__torch_dtype": "evil.Evil", "architectures": ["Evil"], "dtype": "evil"}),
        ("adapter_config.json", {"peft_type": "LORA", "auto_mapping": {"base_model_class": "Evil"}}),
        ("generation_config.json", {"custom_generate": "evil"}),
    ],
)
def test_nothing_in_a_folder_runs_or_asks(folder: Path, file: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """In a process of its own, with a `y` on standard input for whoever asks."""
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    if not (folder / file).exists():
        (folder / file).write_text("{}")
    change(folder / file, **changes)
    (tmp_path / "x.fasta").write_text(">a\nMKVLA\n")
    result = run(
        "predict.py", f"model_dir={folder}", f"input={tmp_path}/x.fasta", "output=-", cwd=folder, stdin="y\n" * 9
    )
    assert not mark.exists()
    assert result.returncode == 0, result.stderr
    assert "[y/N]" not in result.stdout + result.stderr
    assert result.stdout.splitlines()[1].startswith("a,")


@pytest.mark.parametrize("name", ["auto_map", "quantization_config"])
def test_a_backbone_that_wants_code_is_refused(folder: Path, name: str) -> None:
    change(folder / "config.json", **{f"backbone__{name}": {"AutoModel": "evil.Evil"}})
    assert refusal(folder) == (
        f"{folder}/config.json: backbone.{name} would run code or fetch it; protloc does neither"
    )


def test_an_answer_that_is_no_number_is_none(whole: Path) -> None:
    found = load_model(whole)
    with torch.no_grad():
        found.model.classifier.bias[0] = np.nan
    with pytest.raises(UserError, match=r"the model's answer for 2 proteins is no number, first for one of"):
        Predictor(found, device="cpu").rows(proteins(2))
