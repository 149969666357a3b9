"""Hugging Face's Trainer, set up for proteins."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from protloc.config import TrainConfig
from protloc.data.batching import Collator, LengthGroupedSampler, as_batch, longest_first, pad_states
from protloc.data.corpus import Corpus
from protloc.data.parse import cache_folder
from protloc.errors import UserError
from protloc.model.classifier import Head, ProteinClassifier
from protloc.model.folder import encoder_of
from protloc.model.forward import Forward
from protloc.model.layers import can_checkpoint, compile_layers
from protloc.model.packed import choose_attention
from protloc.model.states import frozen_states
from protloc.training.arguments import precision_of, training_arguments
from protloc.training.loss import ClassificationLoss, balanced_weights
from protloc.training.memory import STATE_TOKENS, pick_max_tokens
from protloc.training.metrics import LocalizationMetrics
from protloc.training.progress import StatesProgress, TrainingProgress

log = logging.getLogger(__name__)


class ProteinTrainer(Trainer):
    """Trainer that evaluates in the order of the data; the corpus hands it over sorted by length."""

    progress: TrainingProgress

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of the next step; the time until they are there is time in which nothing is computed."""
        began = time.perf_counter()
        found = super().get_batch_samples(*args, **kwargs)
        self.progress.waited += time.perf_counter() - began
        return found

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss of a batch, its gradient added part by part; each part is divided by the proteins of the whole."""
        step = super().training_step
        return torch.stack([step(model, part, num_items_in_batch) for part in inputs["parts"]]).sum()

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Mean loss, logits and labels of a batch, from its parts."""
        sizes = torch.tensor([len(part["labels"]) for part in inputs["parts"]], dtype=torch.float32)
        step = super().prediction_step
        steps = [step(model, part, prediction_loss_only, ignore_keys) for part in inputs["parts"]]
        losses, logits, labels = zip(*steps, strict=True)
        loss = (torch.stack(losses) * (sizes / sizes.sum()).to(losses[0].device)).sum()
        if prediction_loss_only:
            return loss, None, None
        back = torch.tensor(inputs["order"]).argsort()  # the rows' own order
        return loss, torch.cat(logits)[back.to(logits[0].device)], torch.cat(labels)[back.to(labels[0].device)]

    def _get_train_sampler(self, train_dataset: datasets.Dataset | None = None) -> Sampler | None:
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(np.asarray(self.train_dataset["length"]), step, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: datasets.Dataset) -> Sampler | None:
        # Trainer would shuffle it by length groups, and the predictions would no longer stand beside their proteins.
        return SequentialSampler(eval_dataset) if self.args.world_size <= 1 else None

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Weight decay for matrices only: not for biases and norms, nor for tables of embeddings."""
        tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        return [name for name, p in model.named_parameters() if p.ndim > 1 and id(p) not in tables]


def build_trainer(
    config: TrainConfig, corpus: Corpus, model: ProteinClassifier, tokenizer: PreTrainedTokenizerBase, run_dir: Path
) -> ProteinTrainer:
    """The trainer for one run, ready for `.train()`; what it trains shares its weights with `model`.

    Raises:
        UserError: the options do not fit each other or the machine.
    """
    encoder = encoder_of(model, tokenizer)
    options = config.trainer
    steps_per_epoch = -(-len(corpus.train) // options.batch_size)
    weights = None
    if options.class_weights == "balanced":
        weights = balanced_weights(np.asarray(corpus.train["label"]), len(corpus.labels.names))
    lengths = np.asarray(corpus.train["length"])
    progress = TrainingProgress(int(lengths.clip(max=encoder.max_residues or lengths.max()).sum()))
    metrics = LocalizationMetrics(len(corpus.labels.names))
    args = training_arguments(options, config.logger, run_dir, config.seed, steps_per_epoch)
    if config.tuning.name == "frozen":
        trained, collator = _head_alone(config, corpus, model, tokenizer, args)
    else:
        trained, collator = _whole(config, model, tokenizer, args)
    trainer = ProteinTrainer(
        model=trained,
        args=args,
        train_dataset=corpus.train,
        eval_dataset=corpus.validation.select(longest_first(corpus.validation["length"])),
        data_collator=collator,
        processing_class=tokenizer,
        compute_loss_func=ClassificationLoss(options.label_smoothing, weights),
        compute_metrics=lambda prediction: summary(metrics, prediction),
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)
    if options.patience:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=options.patience))
    trainer.progress = progress
    return trainer


def _whole(
    config: TrainConfig, model: ProteinClassifier, tokenizer: PreTrainedTokenizerBase, args: TrainingArguments
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
    batch = partial(as_batch, pad_id=tokenizer.pad_token_id, packed=packed)
    return model, Collator(encoder_of(model, tokenizer).encode, batch, max_tokens, packed=packed)


def _head_alone(
    config: TrainConfig, corpus: Corpus, model: ProteinClassifier, tokenizer: PreTrainedTokenizerBase,
    args: TrainingArguments,
) -> tuple[Head, Collator]:  # fmt: skip
    """The head over the frozen backbone's states, computed here where they are not there yet, and its batches."""
    if config.model.name_or_path is None:
        raise UserError(
            f"tuning=frozen, but model={config.model.name} starts from random weights, which know nothing: take a "
            "pretrained backbone (model=esm2_8m, say), or tuning=full"
        )
    forward = Forward(
        model, tokenizer.pad_token_id, device=args.device, precision=precision_of(args),
        max_tokens=config.trainer.max_tokens, attention=config.model.attention,
    )  # fmt: skip
    splits = [corpus.train, corpus.validation, *([corpus.test] if corpus.test is not None else [])]
    sequences = [sequence for split in splits for sequence in split["sequence"]]
    with StatesProgress() as progress:
        store = frozen_states(
            forward, encoder_of(model, tokenizer), sequences, cache_folder(config.data.cache_dir) / "states",
            progress.told,
        )  # fmt: skip
    model.backbone.requires_grad_(False)
    max_tokens = STATE_TOKENS if config.trainer.max_tokens == "auto" else int(config.trainer.max_tokens)
    return Head(model.train()), Collator(store.__getitem__, pad_states, max_tokens)


def predict_logits(trainer: Trainer, proteins: datasets.Dataset, name: str = "test") -> tuple[np.ndarray, float]:
    """Logits `(N, C)`, float32, in the order of `proteins`, and the mean loss over them.

    `name` is what the logging service calls them.
    """
    order = longest_first(proteins["length"])
    output = trainer.predict(proteins.select(order), metric_key_prefix=name)
    logits = np.empty_like(output.predictions)
    logits[order] = output.predictions
    return logits, float(output.metrics[f"{name}_loss"])


def summary(metrics: LocalizationMetrics, prediction: EvalPrediction) -> dict[str, Any]:
    """The figures that are one number, for Trainer's log and its choice of the best epoch."""
    classes = np.asarray(prediction.predictions).argmax(axis=1)
    figures = metrics.compute(predictions=classes, references=np.asarray(prediction.label_ids))
    return {name: value for name, value in figures.items() if isinstance(value, float)}
