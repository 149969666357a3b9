"""What a run leaves behind: the model folder, the figures, the predictions, the plots."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from protloc.config import TrainConfig
from protloc.data.corpus import Corpus
from protloc.data.encoding import ResidueEncoder
from protloc.evaluation.card import model_card
from protloc.evaluation.plots import plot_curves
from protloc.evaluation.provenance import device_name, git_revision, versions
from protloc.evaluation.split import Evaluation, cropped, write_predictions
from protloc.files import write_json, write_text
from protloc.model.classifier import ProteinClassifier
from protloc.tasks.task import Task
from protloc.training.arguments import precision_of
from protloc.training.trainer import ProteinTrainer

log = logging.getLogger(__name__)


def run_metrics(
    config: TrainConfig,
    corpus: Corpus,
    model: ProteinClassifier,
    trainer: ProteinTrainer,
    evaluations: dict[str, Evaluation],
    seconds: float,
) -> dict[str, Any]:
    """The content of `metrics.json`.

    Args:
        config: the run's options.
        corpus: the data, with the counts of all that was dropped or changed.
        model: the whole model.
        trainer: after training.
        evaluations: by split.
        seconds: of the whole run so far.
    """
    state = trainer.state
    splits = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    max_residues = model.config.max_residues
    return {
        **{split: evaluation.figures for split, evaluation in evaluations.items()},
        "task": corpus.task.name,
        "classes": list(corpus.task.names),
        "counts": {
            **corpus.counts,
            **{
                f"{name}_{split}": count
                for split, proteins in splits.items()
                if proteins is not None
                for name, count in cropped(proteins, max_residues).items()
            },
        },
        "best_epoch": best_epoch(trainer),
        "epochs": state.epoch,
        "resumed_at_epoch": trainer.progress.began or None,
        "steps": state.global_step,
        "parameters": {
            "total": sum(p.numel() for p in model.parameters()),
            "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        },
        "seed": config.seed,
        "data": {"name": corpus.name, "fingerprint": corpus.fingerprint},
        "model": config.model.name,
        "tuning": config.tuning.name,
        "precision": precision_of(trainer.args),
        "device": device_name(trainer.args.device),
        "versions": versions(),
        "git_revision": git_revision(),
        "seconds": {
            "training": round(trainer.progress.seconds, 2),
            "waiting_for_data": round(trainer.progress.waited, 2),
            "total": round(seconds, 2),
        },
        "residues_per_second": round(trainer.progress.residues_per_second(state.epoch or 0)),
    }


def best_epoch(trainer: ProteinTrainer) -> float | None:
    """The epoch whose weights were kept; None where none was evaluated."""
    step = trainer.state.best_global_step
    entries = [e["epoch"] for e in trainer.state.log_history if e["step"] == step and "eval_loss" in e]
    return entries[0] if entries else None


def save_model_folder(
    model: ProteinClassifier,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    metrics: dict[str, Any],
    folder: Path,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write what `from_pretrained` and predict.py read, and a card with the measured figures.

    `task` has what was fitted on validation; `weights` are the model's where it does not hold them whole itself.
    """
    model.config.update(task.settings())
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    write_text(folder / "README.md", model_card(model.config, task, metrics))


def write_report(
    run_dir: Path,
    config: TrainConfig,
    trainer: ProteinTrainer,
    task: Task,
    encoder: ResidueEncoder,
    evaluations: dict[str, Evaluation],
    metrics: dict[str, Any],
) -> None:
    """Write `metrics.json`, the plots and, where there are test proteins, their predictions and the mistakes."""
    plot_curves(
        trainer.state.log_history, [figure.name for figure in task.headline[:2]], config.trainer.monitor,
        metrics["best_epoch"], run_dir / "training_curves.png",
    )  # fmt: skip
    split, shown = list(evaluations.items())[-1]
    first = task.headline[0]
    said = f"{shown.figures[first.name]:{first.format}} {first.words}"
    task.draw(shown.figures, f"{config.model.name} on {metrics['data']['name']}, {split}: {said}", run_dir)
    if "test" in evaluations:
        write_predictions(shown, task, encoder, run_dir, "test")
    write_json(run_dir / "metrics.json", metrics)  # last: a run that has it has come to its end
