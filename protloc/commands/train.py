"""train.py: from a FASTA file to a model folder and its figures."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import set_seed
from transformers.utils import logging as hf_logging

from protloc.config import TrainConfig, maximized
from protloc.data.corpus import load_corpus
from protloc.errors import UserError
from protloc.evaluation.split import Evaluation, evaluate
from protloc.model.build import build_model
from protloc.model.folder import encoder_of
from protloc.runs.devices import own_gpus
from protloc.runs.processes import launch, outer_rank
from protloc.tasks.choose import Wanted
from protloc.tasks.task import Task
from protloc.training.arguments import check_options, gpus_here
from protloc.training.checkpoints import checkpoint_to_resume
from protloc.training.epochs import end_pruned, was_pruned
from protloc.training.ranks import Ranks, joined
from protloc.training.report import run_metrics, save_model_folder, write_report
from protloc.training.service import logging_service
from protloc.training.setup import build_trainer
from protloc.training.trainer import predict_logits

log = logging.getLogger(__name__)


def train(config: TrainConfig, run_dir: Path) -> float:
    """Fine-tune one model, in as many processes as `config.trainer` asks for.

    Args:
        config: the options, checked.
        run_dir: the run's folder; everything is written into it.

    Returns:
        The validation figure that chose the best epoch, what a search maximizes; a loss with its sign turned.

    Raises:
        UserError: for anything that the user can mend.
        RankError: one of several processes failed.
        Stopped: a signal ended the run.
    """
    check_options(config.trainer)
    if outer_rank() is not None:
        return train_rank(config, run_dir)
    gpus = gpus_here(config.trainer)
    with own_gpus(gpus, torch.cuda.device_count()):
        return _launched(config, run_dir, gpus or config.trainer.processes, config.trainer.nodes)


def _launched(config: TrainConfig, run_dir: Path, processes: int, nodes: int) -> float:
    if processes * nodes == 1:
        return train_rank(config, run_dir)
    log.info("%d processes%s", processes, f" on each of {nodes} machines" if nodes > 1 else "")
    result: float = launch(
        train_rank, (config, run_dir), processes=processes, nodes=nodes, rendezvous=config.trainer.rendezvous
    )
    return result


def train_rank(config: TrainConfig, run_dir: Path) -> float:
    """One process of a run, or the only one; arguments and result as in `train`."""
    # tiny's convolutions leave gradients in their own layout; to copy them costs less than another layout would
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    with joined(config.trainer) as ranks:
        run_dir = ranks.share(run_dir)
        with logging_service(config, run_dir) if ranks.first else nullcontext():
            return _train(config, run_dir, ranks)


def _train(config: TrainConfig, run_dir: Path, ranks: Ranks) -> float:
    began = time.perf_counter()
    hf_logging.disable_progress_bar()
    set_seed(config.seed)  # before the model is built, else two heads of one seed differ
    with ranks.local_first():
        corpus = load_corpus(config.data, Wanted(config.task, config.model.membrane))
    model, tokenizer = build_model(config.model, corpus.task)
    model.config.shortest = min(corpus.train["length"])
    trainer = build_trainer(config, corpus, model, tokenizer, run_dir, ranks)
    checkpoint = ranks.share(checkpoint_to_resume(config, run_dir, corpus.fingerprint) if ranks.first else None)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        trainer.progress.close()
    if was_pruned(trainer):
        if ranks.first:
            metrics = run_metrics(config, corpus, model, trainer, {}, time.perf_counter() - began)
            end_pruned(run_dir, config.trainer.monitor, metrics)
        ranks.wait()
        return maximized(config.trainer.monitor, float(trainer.state.best_metric))
    check_finite(trainer.model)
    logits, loss = predict_logits(trainer, corpus.validation, "validation")
    task = corpus.task.fitted(logits, np.asarray(corpus.validation["label"]))
    evaluations = {"validation": evaluate(task, corpus.validation, logits, loss)}
    if corpus.test is not None:
        evaluations["test"] = evaluate(task, corpus.test, *predict_logits(trainer, corpus.test, "test"))
    figure = float(evaluations["validation"].figures[config.trainer.monitor])
    weights = trainer.whole_weights()
    if ranks.first:
        metrics = run_metrics(config, corpus, model, trainer, evaluations, time.perf_counter() - began)
        save_model_folder(model, task, tokenizer, metrics, run_dir / "model", weights)
        write_report(run_dir, config, trainer, task, encoder_of(model, tokenizer), evaluations, metrics)
        _tell(task, evaluations, run_dir)
        log.info("kept the weights with validation %s %.6f", config.trainer.monitor, figure)
    ranks.wait()
    return maximized(config.trainer.monitor, figure)


def check_finite(model: nn.Module) -> None:
    """Keep no model whose weights are no numbers.

    Raises:
        UserError: see above.
    """
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise UserError(
                f"the weights became infinite or no number ({name}), and no model is kept: give a lower "
                "trainer.learning_rate=, or trainer.precision=fp32"
            )


def _tell(task: Task, evaluations: dict[str, Evaluation], run_dir: Path) -> None:
    first, *others = task.headline
    for split, evaluation in evaluations.items():
        figures = evaluation.figures
        low, high = figures["interval_95"][first.name]
        log.info(
            "%s: %s %.4f (95 %% interval %.4f to %.4f), %s on %d proteins",
            split, first.words, figures[first.name], low, high,
            ", ".join(f"{figure.words} {figures[figure.name]:.4f}" for figure in others), figures["proteins"],
        )  # fmt: skip
        if "membrane" in figures:
            bound = figures["membrane"]
            log.info("membrane (%s): accuracy %.4f, MCC %.4f on %d proteins",
                     split, bound["accuracy"], bound["mcc"], bound["proteins"])  # fmt: skip
    log.info("everything lies in %s; the model in %s", run_dir, run_dir / "model")
