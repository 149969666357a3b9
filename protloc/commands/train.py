"""train.py: from a FASTA file to a model folder and its figures."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from transformers import set_seed
from transformers.utils import logging as hf_logging

from protloc.config import TrainConfig
from protloc.data.corpus import load_corpus
from protloc.model.build import build_model
from protloc.model.folder import encoder_of
from protloc.training.arguments import check_options
from protloc.training.evaluation import evaluate_split
from protloc.training.report import run_metrics, save_model_folder, write_report
from protloc.training.service import logging_service
from protloc.training.trainer import build_trainer

log = logging.getLogger(__name__)


def train(config: TrainConfig, run_dir: Path) -> float:
    """Fine-tune one model.

    Args:
        config: the options, checked.
        run_dir: the run's folder; everything is written into it.

    Returns:
        The validation figure that chose the best epoch: what a sweep maximizes.

    Raises:
        UserError: for anything that the user can mend.
    """
    check_options(config.trainer)
    with logging_service(config, run_dir):
        return _train(config, run_dir)


def _train(config: TrainConfig, run_dir: Path) -> float:
    began = time.perf_counter()
    hf_logging.disable_progress_bar()
    set_seed(config.seed)  # before the model is built, else two heads of one seed differ
    corpus = load_corpus(config.data)
    model, tokenizer = build_model(config.model, corpus.labels.names)
    trainer = build_trainer(config, corpus, model, tokenizer, run_dir)
    try:
        trainer.train()
    finally:
        trainer.progress.close()
    evaluations = {"validation": evaluate_split(trainer, "validation", corpus.validation, corpus.labels.names)}
    if corpus.test is not None:
        evaluations["test"] = evaluate_split(trainer, "test", corpus.test, corpus.labels.names)
    metrics = run_metrics(config, corpus, model, trainer, evaluations, time.perf_counter() - began)
    save_model_folder(model, tokenizer, metrics, run_dir / "model")
    write_report(run_dir, config, trainer, encoder_of(model, tokenizer), evaluations, metrics)
    for split, evaluation in evaluations.items():
        figures = evaluation.figures
        low, high = figures["interval_95"]["accuracy"]
        log.info(
            "%s: accuracy %.4f (95 %% interval %.4f to %.4f), MCC %.4f, macro F1 %.4f on %d proteins",
            split, figures["accuracy"], low, high, figures["mcc"], figures["macro_f1"], figures["proteins"],
        )  # fmt: skip
    log.info("everything lies in %s; the model in %s", run_dir, run_dir / "model")
    return float(evaluations["validation"].figures[config.trainer.monitor])
