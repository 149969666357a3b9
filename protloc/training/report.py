"""What a run leaves behind: the model folder, the figures, the predictions, the plots."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from protloc.config import TrainConfig
from protloc.data.corpus import Corpus
from protloc.data.encoding import ResidueEncoder
from protloc.data.records import Protein
from protloc.data.tables import TableWriter
from protloc.evaluation.card import model_card
from protloc.evaluation.plots import plot_confusion, plot_curves
from protloc.evaluation.provenance import device_name, git_revision, versions
from protloc.files import write_json, write_text
from protloc.model.classifier import ProteinClassifier
from protloc.tasks.decision import columns, rows
from protloc.training.arguments import precision_of
from protloc.training.evaluation import Evaluation, cropped
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
        "classes": list(corpus.labels.names),
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
    tokenizer: PreTrainedTokenizerBase,
    metrics: dict[str, Any],
    folder: Path,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write what `from_pretrained` and predict.py read, and a card with the measured figures.

    `weights` are the model's where it does not hold them whole itself.
    """
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    write_text(folder / "README.md", model_card(model.config, metrics))


def write_report(
    run_dir: Path,
    config: TrainConfig,
    trainer: ProteinTrainer,
    encoder: ResidueEncoder,
    evaluations: dict[str, Evaluation],
    metrics: dict[str, Any],
) -> None:
    """Write `metrics.json`, the plots and, where there are test proteins, their predictions and the mistakes."""
    names = metrics["classes"]
    write_json(run_dir / "metrics.json", metrics)
    plot_curves(
        trainer.state.log_history, config.trainer.monitor, metrics["best_epoch"], run_dir / "training_curves.png"
    )
    split, shown = list(evaluations.items())[-1]
    title = f"{config.model.name} on {metrics['data']['name']}, {split}: {shown.figures['accuracy']:.1%} right"
    plot_confusion(np.asarray(shown.figures["confusion_matrix"]), names, title, run_dir / "confusion_matrix.png")
    if "test" in evaluations:
        answers = list(rows(list(_proteins(shown)), shown.logits, names, encoder))
        _write_table(run_dir / "predictions_test.csv", answers, columns(names))
        mistakes = list(_mistakes(shown, answers))
        _write_table(run_dir / "mistakes_test.csv", mistakes, ["id", "true", "predicted", "probability", "length"])


def _proteins(evaluation: Evaluation) -> Iterator[Protein]:
    for row in evaluation.proteins:
        yield Protein(id=row["id"], sequence=row["sequence"], description="", line=0)


def _mistakes(evaluation: Evaluation, answers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The proteins predicted wrong, the surest first: where the labels or the model deserve a look."""
    pairs = zip(evaluation.proteins["location"], evaluation.proteins["label"], evaluation.logits, answers, strict=True)
    wrong = [(true, answer) for true, label, logits, answer in pairs if int(np.argmax(logits)) != label]
    for true, answer in sorted(wrong, key=lambda pair: -pair[1]["probability"]):
        yield {
            "id": answer["id"],
            "true": true,
            "predicted": answer["location"],
            "probability": answer["probability"],
            "length": answer["length"],
        }


def _write_table(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    with TableWriter(path, names, overwrite=True) as table:
        table.write(rows)
