"""Training on real Trainer: the loss does not depend on the split, the best epoch is kept, a lost loss stops."""

from __future__ import annotations

import math
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from accelerate import PartialState
from transformers import TrainerCallback

from protloc.config import DataConfig, LoggerConfig, TrainConfig, TrainerConfig, TuningConfig
from protloc.data.batching import longest_first
from protloc.data.corpus import Corpus
from protloc.errors import UserError
from protloc.model.backbones.tiny_encoder import ChannelDropout
from protloc.tasks.losses import CrossEntropy, balanced_weights
from protloc.tasks.task import Task
from protloc.training.checkpoints import COMPLETE
from protloc.training.ranks import Ranks
from protloc.training.setup import build_trainer
from protloc.training.trainer import ProteinTrainer, predict_logits
from tests.models import NAMES, SEVERAL, TASK, build, model_options

TRAINER = TrainerConfig(
    epochs=1, batch_size=8, learning_rate=1e-2, weight_decay=0.0, warmup=0.0, schedule="constant",
    label_smoothing=0.1, precision="fp32", gpus=0,
)  # fmt: skip


def proteins(count: int, seed: int = 0) -> datasets.Dataset:
    """Proteins that a model can learn: each class has a favourite residue."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for i in range(count):
        label = i % 3
        letters = rng.choice(list("ACDEFGHIKLMNPQRSTVWY" + "LKS"[label] * 15), size=int(rng.integers(5, 60)))
        rows.append({"id": f"p{i}", "sequence": "".join(letters), "label": label, "location": NAMES[label]})
    return datasets.Dataset.from_list([{**row, "length": len(row["sequence"])} for row in rows])


def several(rows: datasets.Dataset) -> datasets.Dataset:
    """The proteins with a second place for every fourth, and a membrane for every third."""
    places = [f"{place}|Plastid" if i % 4 == 0 and place != "Plastid" else place
              for i, place in enumerate(rows["location"])]  # fmt: skip
    targets = SEVERAL.targets(places, ["SMU"[i % 3] for i in range(len(places))])
    return rows.remove_columns(["label", "location"]).add_column("location", places).add_column("label", list(targets))


def corpus(count: int = 24, task: Task = TASK) -> Corpus:
    """A corpus in memory."""
    train, validation = proteins(count), proteins(12, seed=1)
    if task == SEVERAL:
        train, validation = several(train), several(validation)
    return Corpus(train, validation, None, task, {"train": count}, [], "0" * 64, "made up")


def trainer_for(
    run_dir: Path, kind: str = "tiny", *, data: Corpus | None = None, tuning: str = "full", **changes: object
) -> ProteinTrainer:
    """A trainer on a small model, its dropout off."""
    data = data or corpus()
    model, tokenizer = build(kind, run_dir / "backbone", dropout=0.0, task=data.task)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | ChannelDropout):
            module.p = 0.0
    options = replace(TRAINER, **changes)  # type: ignore[arg-type]
    kept = DataConfig(cache_dir=str(run_dir / "cache"))
    chosen = model_options(kind, run_dir / "backbone")
    config = TrainConfig(kept, chosen, options, LoggerConfig(), TuningConfig(tuning), seed=3)
    return build_trainer(config, data, model.train(), tokenizer, run_dir, Ranks(PartialState(cpu=True)))


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
@pytest.mark.parametrize("task", [TASK, SEVERAL], ids=["single", "multilabel"])
def test_loss_and_gradient_do_not_depend_on_accumulation(task: Task, class_weights: str, tmp_path: Path) -> None:
    seen = []
    data = corpus(task=task)
    for max_tokens in (10_000, 200, 60):  # whole, in two or three parts, protein by protein
        trainer = trainer_for(
            tmp_path / str(max_tokens), data=data, max_tokens=max_tokens, class_weights=class_weights, focal_gamma=0.5
        )
        trainer.args.logging_steps = 1
        trainer.args.train_sampling_strategy = "sequential"
        trainer.train()
        history = [entry for entry in trainer.state.log_history if "loss" in entry]
        seen.append([(entry["loss"], entry["grad_norm"]) for entry in history])
        weights = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
        seen[-1].append((weights.sum().item(), weights.norm().item()))
    assert len(seen[0]) == 4  # three steps, and the weights they end with
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen[2], seen[0], rtol=1e-4, atol=1e-5)


def test_first_loss_is_that_of_the_formula(tmp_path: Path) -> None:
    """A model that knows nothing has the entropy of a uniform guess; any scaling by world size or steps would show."""
    trainer = trainer_for(tmp_path, max_tokens=100, learning_rate=0.0)
    with torch.no_grad():
        trainer.model.classifier.weight.zero_()
        trainer.model.classifier.bias.zero_()
    trainer.args.logging_steps = 1
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(3), abs=1e-4)


def test_several_places_and_the_membrane_are_learnt(tmp_path: Path) -> None:
    data = corpus(240, SEVERAL)
    trainer = trainer_for(tmp_path, data=data, epochs=8, learning_rate=1e-2, monitor="micro_f1")
    trainer.train()
    logits, loss = predict_logits(trainer, data.validation)
    assert logits.shape == (12, 4)
    assert loss == pytest.approx(
        trainer.loss(torch.tensor(logits)[:, None], torch.tensor(data.validation["label"][:])).item(), rel=1e-5
    )
    targets = np.asarray(data.validation["label"])
    figures = data.task.fitted(logits, targets).figures(logits, targets)
    assert figures["micro_f1"] > 0.8
    assert figures["membrane"]["proteins"] == 8


@pytest.mark.parametrize("kind", ["tiny", "protbert", "esm2"])
def test_every_parameter_moves_and_the_classes_are_learnt(kind: str, tmp_path: Path) -> None:
    data = corpus(120)
    trainer = trainer_for(tmp_path, kind, data=data, epochs=6, learning_rate=5e-3)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    still = [name for name, p in trainer.model.named_parameters() if torch.equal(p, before[name])]
    assert [name for name in still if not name.endswith("key.bias")] == []
    logits, _ = predict_logits(trainer, data.validation)
    assert (logits.argmax(1) == np.asarray(data.validation["label"])).mean() > 0.8


@pytest.mark.parametrize(("kind", "rate"), [("tiny", 2e-1), ("protbert", 2e-2), ("esm2", 2e-2)])
def test_best_epoch_is_kept_and_patience_stops(kind: str, rate: float, tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, kind, epochs=8, learning_rate=rate, patience=2, monitor="loss")
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    best = int(np.argmin(losses))
    assert len(losses) == min(8, best + 3)
    assert best < len(losses) - 1, "the last epoch is not the best, or nothing would be shown"
    assert trainer.evaluate()["eval_loss"] == pytest.approx(losses[best], rel=1e-5)
    assert len(list((tmp_path / "checkpoints").iterdir())) <= TRAINER.keep_checkpoints


def test_logits_come_back_in_the_order_of_the_data(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, max_tokens=70)
    data = proteins(11, seed=5)
    assert sorted(longest_first(data["length"])) == list(range(11))
    logits, loss = predict_logits(trainer, data)
    one_by_one = np.concatenate([predict_logits(trainer, data.select([i]))[0] for i in range(11)])
    np.testing.assert_allclose(logits, one_by_one, atol=1e-5)
    smoothed = CrossEntropy(3, 0.1)(torch.tensor(logits)[:, None], torch.tensor(data["label"][:]))
    assert loss == pytest.approx(smoothed.item(), rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path)
    with torch.no_grad():
        trainer.model.classifier.bias.fill_(math.nan)
    with pytest.raises(
        UserError, match=r"the training loss became nan at step \d: give a lower trainer.learning_rate="
    ):
        trainer.train()


def test_each_epoch_has_an_order_of_its_own(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, epochs=2)
    seen: list[str] = []
    collate = trainer.data_collator

    def recording(rows: list[dict[str, Any]]) -> Any:
        if len(rows) == TRAINER.batch_size:  # the twelve validation proteins come at once
            seen.extend(row["id"] for row in rows)
        return collate(rows)

    trainer.data_collator = recording
    trainer.train()
    first, second = seen[:24], seen[24:]
    assert sorted(first) == sorted(second) == sorted(f"p{i}" for i in range(24))
    assert first != second


def test_arguments_that_do_not_fit_each_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainer.args do not fit: .*save and eval strategy to match"):
        trainer_for(tmp_path, args={"eval_strategy": "steps", "eval_steps": 5})


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    have = torch.cuda.device_count()
    with pytest.raises(UserError, match=rf"trainer.gpus={have + 8}, but this machine has"):
        trainer_for(tmp_path, gpus=have + 8)


def test_balanced_weights_have_mean_one_over_the_proteins() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 2, 2])
    weights = balanced_weights(np.bincount(labels, minlength=3))
    assert weights.tolist() == pytest.approx([8 / 12, 0.0, 2.0])
    assert weights.numpy()[labels].mean() == pytest.approx(1.0)


def losses(trainer: ProteinTrainer) -> list[tuple[float, float]]:
    """Loss and norm of the gradient of every step."""
    trainer.args.logging_steps = 1
    trainer.train()
    return [(entry["loss"], entry["grad_norm"]) for entry in trainer.state.log_history if "loss" in entry]


def test_a_frozen_backbone_trains_the_head_as_if_it_were_there(tmp_path: Path) -> None:
    whole = trainer_for(tmp_path / "whole", "esm2", epochs=2, max_tokens=100)
    whole.model.backbone.requires_grad_(False)
    frozen = trainer_for(tmp_path / "frozen", "esm2", tuning="frozen", epochs=2, max_tokens=100)
    np.testing.assert_allclose(losses(frozen), losses(whole), rtol=1e-4, atol=1e-5)
    names = {name for name, _ in frozen.model.named_parameters()}
    assert names == {"classifier.weight", "classifier.bias"}, "the pooling here is the mean"
    (checkpoint,) = (tmp_path / "frozen" / "checkpoints").glob("checkpoint-6")
    assert (checkpoint / "model.safetensors").stat().st_size < 2000, "a checkpoint holds the head alone"
    data = corpus()
    ours, theirs = (predict_logits(trainer, data.validation)[0] for trainer in (frozen, whole))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_backbone_that_knows_nothing_is_not_frozen(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tuning=frozen, but model=tiny starts from random weights"):
        trainer_for(tmp_path, tuning="frozen")


@pytest.mark.parametrize("kind", ["protbert", "esm2"])
def test_activation_checkpointing_changes_no_gradient(kind: str, tmp_path: Path) -> None:
    plain = trainer_for(tmp_path / "plain", kind)
    saving = trainer_for(tmp_path / "saving", kind, activation_checkpointing=True)
    layer = saving.model.backbone.encoder.layer[0]
    calls: list[int] = []
    layer.intermediate.register_forward_pre_hook(lambda *_: calls.append(1))
    np.testing.assert_allclose(losses(saving), losses(plain), rtol=1e-4, atol=1e-5)
    assert len(calls) == 2 * 3 + 1, "each of three steps computes each layer twice, the evaluation once"


def test_activation_checkpointing_needs_layers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a protloc_conv backbone has no layers that can do without"):
        trainer_for(tmp_path, activation_checkpointing=True)


def test_waiting_for_data_is_measured(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path)
    trainer.train()
    assert 0 < trainer.progress.waited < trainer.progress.seconds


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    """Files above a limit cannot be written any more when the second epoch begins: a real error of the system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Fill(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    trainer = trainer_for(tmp_path, epochs=2)
    trainer.add_callback(Fill())
    try:
        with pytest.raises(UserError, match=r"checkpoint-6 cannot be written: .*; the checkpoints before it are kept"):
            trainer.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (kept,) = (tmp_path / "checkpoints").iterdir()
    assert (kept.name, (kept / COMPLETE).exists()) == ("checkpoint-3", True)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # PyTorch's compiler warns of itself
def test_compiled_layers_change_nothing_and_are_few(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("PyTorch compiles with g++, which is not here")
    plain = losses(trainer_for(tmp_path / "plain", "esm2", epochs=2))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = losses(trainer_for(tmp_path / "compiled", "esm2", epochs=2, compile=True))
    np.testing.assert_allclose(compiled, plain, rtol=1e-3, atol=1e-4)
    assert 0 < torch._dynamo.utils.counters["stats"]["unique_graphs"] < 20, "not one for each length"
