"""Prediction from a model folder: streaming, in order, the same answer in any company."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from protloc.data.records import Protein
from protloc.errors import UserError
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.model.precision import pick_precision
from tests.models import NAMES, SEVERAL, TASK, build


@pytest.fixture(params=["tiny", "protbert", "esm2", "tiny for several labels"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A saved model folder."""
    kind, _, several = request.param.partition(" ")
    task = SEVERAL if several else TASK
    model, tokenizer = build(kind, tmp_path / "backbone", pooling="light_attention", task=task)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def proteins(count: int) -> list[Protein]:
    """Proteins of 1 to 90 residues, shorter and longer than the crop."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 90, size=count)
    return [
        Protein(f"p{i}", "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWYX"), size=n)), "", i) for i, n in enumerate(sizes)
    ]


def rows(predictor: Predictor, given: list[Protein]) -> list[dict[str, Any]]:
    return [row for window in predictor.predict(given) for row in window]


def test_answers_do_not_depend_on_batch_or_window(folder: Path) -> None:
    given = proteins(23)
    saved = load_model(folder)
    alone = rows(Predictor(saved, device="cpu", precision="fp32", batch_tokens=1, window=1), given)
    assert [row["id"] for row in alone] == [p.id for p in given]
    for batch_tokens, window in ((100, 7), (4096, 1000)):
        together = rows(
            Predictor(saved, device="cpu", precision="fp32", batch_tokens=batch_tokens, window=window), given
        )
        assert [row["id"] for row in together] == [p.id for p in given]
        for name in (*NAMES, *(["membrane"] if saved.task.has_membrane else [])):
            np.testing.assert_allclose([r[name] for r in together], [r[name] for r in alone], atol=1e-5)


def test_excluded_classes_are_never_an_answer(folder: Path) -> None:
    given, saved = proteins(40), load_model(folder)
    found = rows(Predictor(saved, device="cpu", precision="fp32", exclude=["Nucleus", "Plastid"]), given)
    assert {row["location"] for row in found} == {"Cytoplasm"}
    assert all(row["Nucleus"] == row["Plastid"] == 0.0 for row in found)
    if saved.task == TASK:
        assert all(row["Cytoplasm"] == 1.0 for row in found)
    with pytest.raises(UserError, match=r"^exclude: no class 'Plastd'; did you mean Plastid\?$"):
        Predictor(saved, exclude=["Plastd"])
    with pytest.raises(UserError, match=r"^exclude: no class is left$"):
        Predictor(saved, exclude=NAMES)


def test_memory_holds_one_window(folder: Path) -> None:
    """The input is read only as far as the window that is asked for."""
    read = []

    def source() -> Iterator[Protein]:
        for protein in proteins(10):
            read.append(protein.id)
            yield protein

    windows = Predictor(load_model(folder), device="cpu", window=3).predict(source())
    assert read == []
    assert len(next(windows)) == 3
    assert len(read) == 3
    assert [len(window) for window in windows] == [3, 3, 1]


def test_no_proteins_no_rows(folder: Path) -> None:
    assert list(Predictor(load_model(folder), device="cpu").predict([])) == []


def test_a_run_folder_will_do(folder: Path) -> None:
    assert load_model(folder.parent).task in (TASK, SEVERAL)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(UserError, match=rf"has no {missing}: model_dir= takes the folder RUN/model"):
        load_model(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no folder, so there is no config.json"):
        load_model(tmp_path / "nowhere")


def test_damaged_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_model(folder)


def test_weights_that_are_not_there(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights of the model, classifier.bias first: they would be random"):
        load_model(folder)


def test_another_models_folder(folder: Path, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "backbone" / "config.json", folder / "config.json") if (
        tmp_path / "backbone" / "config.json"
    ).exists() else (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"config.json: model_type is .*, must be 'protloc'$"):
        load_model(folder)


def test_precisions_that_this_machine_lacks() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(UserError, match="precision=fp16 needs a GPU"):
        pick_precision("fp16", cpu)
    assert pick_precision("fp32", cpu) == "fp32"
    assert pick_precision("auto", cpu) in ("fp32", "bf16")
