"""train.py: from a FASTA file to a model folder and its figures."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import torch
from transformers import set_seed
from transformers.utils import logging as hf_logging

from protloc.config import TrainConfig, maximized
from protloc.data.corpus import load_corpus
from protloc.model.build import build_model
from protloc.model.folder import encoder_of
from protloc.runs.devices import own_gpus
from protloc.runs.processes import launch, outer_rank
from protloc.training.arguments import check_options, gpus_here
from protloc.training.checkpoints import checkpoint_to_resume
from protloc.training.evaluation import Evaluation, evaluate_split
from protloc.training.ranks import Ranks, joined
from protloc.training.report import run_metrics, save_model_folder, write_report
from protloc.training.service import logging_service
from protloc.training.setup import build_trainer

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
        corpus = load_corpus(config.data)
    model, tokenizer = build_model(config.model, corpus.labels.names)
    model.config.shortest = min(corpus.train["length"])
    trainer = build_trainer(config, corpus, model, tokenizer, run_dir, ranks)
    checkpoint = ranks.share(checkpoint_to_resume(config, run_dir, corpus.fingerprint) if ranks.first else None)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        trainer.progress.close()
    evaluations = {"validation": evaluate_split(trainer, "validation", corpus.validation, corpus.labels.names)}
    if corpus.test is not None:
        evaluations["test"] = evaluate_split(trainer, "test", corpus.test, corpus.labels.names)
    figure = float(evaluations["validation"].figures[config.trainer.monitor])
    weights = trainer.whole_weights()
    if ranks.first:
        metrics = run_metrics(config, corpus, model, trainer, evaluations, time.perf_counter() - began)
        save_model_folder(model, tokenizer, metrics, run_dir / "model", weights)
        write_report(run_dir, config, trainer, encoder_of(model, tokenizer), evaluations, metrics)
        _tell(evaluations, run_dir)
        log.info("kept the weights with validation %s %.6f", config.trainer.monitor, figure)
    ranks.wait()
    return maximized(config.trainer.monitor, figure)


def _tell(evaluations: dict[str, Evaluation], run_dir: Path) -> None:
    for split, evaluation in evaluations.items():
        figures = evaluation.figures
        low, high = figures["interval_95"]["accuracy"]
        log.info(
            "%s: accuracy %.4f (95 %% interval %.4f to %.4f), MCC %.4f, macro F1 %.4f on %d proteins",
            split, figures["accuracy"], low, high, figures["mcc"], figures["macro_f1"], figures["proteins"],
        )  # fmt: skip
    log.info("everything lies in %s; the model in %s", run_dir, run_dir / "model")
