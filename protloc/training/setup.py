"""The trainer of a run, from its options."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
from transformers import (
    EarlyStoppingCallback,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainingArguments,
)

from protloc.config import TrainConfig
from protloc.data.batching import Collator, as_batch, longest_first, pad_states
from protloc.data.corpus import Corpus
from protloc.data.encoding import ResidueEncoder
from protloc.data.parse import cache_folder
from protloc.errors import UserError
from protloc.model.classifier import Head, ProteinClassifier
from protloc.model.folder import encoder_of
from protloc.model.forward import Forward
from protloc.model.layers import can_checkpoint, compile_layers
from protloc.model.packed import choose_attention
from protloc.model.states import frozen_states
from protloc.training.arguments import precision_of, training_arguments
from protloc.training.epochs import EpochFigures
from protloc.training.memory import STATE_TOKENS, pick_max_tokens
from protloc.training.progress import StatesProgress, TrainingProgress
from protloc.training.ranks import Ranks
from protloc.training.trainer import ProteinTrainer

log = logging.getLogger(__name__)


def build_trainer(
    config: TrainConfig,
    corpus: Corpus,
    model: ProteinClassifier,
    tokenizer: PreTrainedTokenizerBase,
    run_dir: Path,
    ranks: Ranks,
) -> ProteinTrainer:
    """The trainer for one run, ready for `.train()`; what it trains shares its weights with `model`.

    Raises:
        UserError: the options do not fit each other or the machine.
    """
    encoder, pad_id = encoder_of(model, tokenizer), tokenizer.pad_token_id
    options = config.trainer
    if min(options.batch_size, len(corpus.train)) < ranks.world:
        raise UserError(
            f"{ranks.world} processes, but {min(options.batch_size, len(corpus.train))} proteins in a batch: give a "
            "larger trainer.batch_size=, or fewer processes"
        )
    steps_per_epoch = max(1, len(corpus.train) // options.batch_size)
    task = corpus.task
    task.check_monitor(options.monitor)
    lengths = np.asarray(corpus.train["length"])
    progress = TrainingProgress(int(lengths.clip(max=encoder.max_residues or lengths.max()).sum()), task.headline[:2])
    layer_class = model.family.layer_class(model.backbone) if options.strategy == "fsdp" else None
    args = training_arguments(options, config.logger, run_dir, config.seed, steps_per_epoch, layer_class)
    if config.tuning.name == "frozen":
        trained, collator = _head_alone(config, corpus, model, encoder, pad_id, args, ranks)
    else:
        trained, collator = _whole(config, model, encoder, pad_id, args)
    trainer = ProteinTrainer(
        model=trained,
        args=args,
        train_dataset=corpus.train,
        eval_dataset=corpus.validation.select(longest_first(corpus.validation["length"])),
        data_collator=collator,
        processing_class=tokenizer,
        loss=task.loss(options, np.asarray(corpus.train["label"])),
        compute_metrics=lambda prediction: task.summary(
            np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        ),
        progress=progress,
        data=corpus.fingerprint,
        quadratic=0.0 if config.tuning.name == "frozen" else model.family.attention_cost(model.config.backbone),
    )
    trainer.remove_callback(PrinterCallback)
    if options.patience:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=options.patience))
    trainer.add_callback(EpochFigures(run_dir, ranks))  # the last: a run that ends by itself is not asked about
    return trainer


def _whole(
    config: TrainConfig, model: ProteinClassifier, encoder: ResidueEncoder, pad_id: int, args: TrainingArguments
) -> tuple[ProteinClassifier, Collator]:
    """The model that reads token ids, and what makes its batches."""
    precision = precision_of(args)
    attention = choose_attention(config.model.attention, model.backbone, args.device, precision)
    if config.trainer.activation_checkpointing and not can_checkpoint(model.backbone):
        raise UserError(
            f"trainer.activation_checkpointing=true, but a {model.backbone.config.model_type} backbone has no layers "
            "that can do without their activations; leave it out"
        )
    max_tokens = pick_max_tokens(
        config.trainer.max_tokens, model, attention, precision, args.device, config.trainer.activation_checkpointing
    )
    if config.trainer.compile:
        compile_layers(model.backbone)
    log.info("batches are %s, at most %s tokens at once, computed in %s on %s",
             attention, f"{max_tokens:,}", precision, args.device)  # fmt: skip
    packed = attention == "packed"
    batch = partial(as_batch, pad_id=pad_id, packed=packed)
    return model, Collator(encoder.encode, batch, max_tokens, packed=packed)


def _head_alone(
    config: TrainConfig, corpus: Corpus, model: ProteinClassifier, encoder: ResidueEncoder, pad_id: int,
    args: TrainingArguments, ranks: Ranks,
) -> tuple[Head, Collator]:  # fmt: skip
    """The head over the frozen backbone's states, computed here where they are not there yet, and its batches."""
    if config.model.name_or_path is None:
        raise UserError(
            f"tuning=frozen, but model={config.model.name} starts from random weights, which know nothing: take a "
            "pretrained backbone (model=esm2_8m, say), or tuning=full"
        )
    forward = Forward(
        model, pad_id, device=args.device, precision=precision_of(args),
        max_tokens=config.trainer.max_tokens, attention=config.model.attention,
    )  # fmt: skip
    splits = [corpus.train, corpus.validation, *([corpus.test] if corpus.test is not None else [])]
    sequences = [sequence for split in splits for sequence in split["sequence"]]
    with StatesProgress() as progress:
        folder = cache_folder(config.data.cache_dir) / "states"
        if ranks.world > 1:  # each process computes its share, then finds those of the others
            frozen_states(forward, encoder, sequences[ranks.rank :: ranks.world], folder, progress.told)
            ranks.wait()
        store = frozen_states(forward, encoder, sequences, folder, progress.told)
    model.backbone.requires_grad_(False)
    max_tokens = STATE_TOKENS if config.trainer.max_tokens == "auto" else int(config.trainer.max_tokens)
    return Head(model.train()), Collator(store.__getitem__, pad_states, max_tokens)
