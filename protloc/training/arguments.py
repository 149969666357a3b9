"""protloc's training options as `transformers.TrainingArguments`."""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from protloc.config import LoggerConfig, TrainerConfig, no_option
from protloc.errors import UserError
from protloc.model.layers import CHECKPOINTING
from protloc.model.precision import pick_precision

KEPT = {"output_dir": "hydra.run.dir=FOLDER names it", "remove_unused_columns": "the data path needs every column"}
"""Options of TrainingArguments that protloc keeps for itself, and why."""

EVAL_BATCH = 64
"""Proteins handed over at once for evaluation; what is computed at once is bounded by `max_tokens`."""

WORKERS = 2
"""Processes that make batches for a GPU; on a CPU they would take its cores from the model."""

SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def training_arguments(
    options: TrainerConfig,
    logger: LoggerConfig,
    run_dir: Path,
    seed: int,
    steps_per_epoch: int,
    layer_class: str | None = None,
) -> TrainingArguments:
    """Everything Trainer is told; `options.args` has the last word.

    Args:
        options: the `trainer` group.
        logger: the `logger` group.
        run_dir: the run's folder; checkpoints go to `checkpoints/` in it.
        seed: of the order of the proteins and of dropout.
        steps_per_epoch: optimizer steps an epoch, for the length of the warm-up.
        layer_class: with `strategy=fsdp` the class of the layers that are dealt out, one by one.

    Raises:
        UserError: transformers refuses the combination. What else cannot work `check_options` has refused by then.
    """
    device = training_device(options)
    precision = pick_precision(options.precision, device)
    values: dict[str, Any] = {
        "output_dir": str(run_dir / "checkpoints"),
        "run_name": run_dir.name,
        "seed": seed,
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.batch_size,  # split by the collator, under max_tokens
        "per_device_eval_batch_size": EVAL_BATCH,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "lr_scheduler_type": SCHEDULES[options.schedule],
        "warmup_steps": int(options.warmup * options.epochs * steps_per_epoch),
        "max_grad_norm": options.max_grad_norm,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": device.type == "cpu",
        "ddp_backend": None if options.backend in ("auto", "smddp") else options.backend,
        "ddp_find_unused_parameters": False,  # there are none: see build.py
        "ddp_broadcast_buffers": False,  # none ever changes
        "train_sampling_strategy": "group_by_length",
        "remove_unused_columns": False,  # the collator reads the sequences
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": options.keep_checkpoints,
        "restore_callback_states_from_checkpoint": True,  # patience goes on counting
        "load_best_model_at_end": True,
        "metric_for_best_model": options.monitor,
        "greater_is_better": options.monitor != "loss",
        "logging_steps": max(1, min(50, steps_per_epoch // 5)),
        "logging_nan_inf_filter": False,  # a NaN must be seen, not averaged away
        "report_to": [] if logger.name == "none" else [logger.name],
        "disable_tqdm": True,  # protloc draws its own progress
        "activation_checkpointing": options.activation_checkpointing,
        "activation_checkpointing_kwargs": CHECKPOINTING if options.activation_checkpointing else None,
        **(_sharded(options, layer_class) if options.strategy == "fsdp" else {}),
        **(_for_gpu(device, precision) if device.type == "cuda" else {"dataloader_pin_memory": False}),
    }
    try:
        made = TrainingArguments(**{**values, **options.args})
    except (ValueError, ImportError) as error:
        if not options.args:
            raise  # ours
        raise UserError(f"trainer.args do not fit: {' '.join(str(error).split())}", exit_code=2) from error
    if made.n_gpu > 1:  # one process has one GPU; Trainer would cut its batches up for all that it sees
        made._n_gpu = 1
    return made


def _sharded(options: TrainerConfig, layer_class: str | None) -> dict[str, Any]:
    """FSDP2, layer by layer; it recomputes activations by itself."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "reshard_after_forward": True,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "transformer_layer_cls_to_wrap": [layer_class],  # what transformers names by itself no ESM-2 holds
            "activation_checkpointing": options.activation_checkpointing,
        },
        "activation_checkpointing": False,
        "activation_checkpointing_kwargs": None,
    }


def _for_gpu(device: torch.device, precision: str) -> dict[str, Any]:
    """Batches made ahead by other processes and copied while the GPU computes; tf32 for what bf16 leaves in fp32."""
    return {
        "dataloader_num_workers": WORKERS,
        "dataloader_persistent_workers": True,
        "dataloader_pin_memory": True,
        "accelerator_config": {"non_blocking": True},
        "tf32": precision != "fp32" and torch.cuda.get_device_capability(device) >= (8, 0),
    }


def gpus_here(options: TrainerConfig) -> int:
    """How many GPUs `trainer.gpus` means on this machine; 0: the run is on its CPU.

    Raises:
        UserError: more than there are, or several processes on the CPU are asked for too.
    """
    have = torch.cuda.device_count()
    wanted = have if options.gpus == "auto" else int(options.gpus)
    if wanted > have:
        raise UserError(f"trainer.gpus={wanted}, but this machine has {have or 'no'} CUDA device{'s' * (have > 1)}")
    if wanted and options.processes > 1:
        raise UserError("trainer.processes is for the CPU: give trainer.gpus=0 with it, or trainer.gpus=N alone")
    return wanted


def training_device(options: TrainerConfig) -> torch.device:
    """The kind of device that a run is on.

    Raises:
        UserError: as `gpus_here`.
    """
    return torch.device("cuda" if gpus_here(options) else "cpu")


def precision_of(args: TrainingArguments) -> str:
    """`fp32`, `bf16` or `fp16`, as Trainer will compute."""
    return "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32"


def check_options(options: TrainerConfig) -> None:
    """Refuse what cannot work on this machine, before the data are read.

    Raises:
        UserError: an argument is unknown or of the wrong type, or the machine lacks what is asked for.
    """
    check_arguments(options.args)
    device = training_device(options)
    if device.type == "cpu":  # asking a GPU would take memory on it, in a process that may only start others
        pick_precision(options.precision, device)
        if options.strategy == "fsdp":  # accelerate would leave it out without a word
            raise UserError("trainer.strategy=fsdp shares a model out over GPUs, and this run is on the CPU; take ddp")


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse what `TrainingArguments` does not know, before any work.

    Args:
        given: `trainer.args`, by the names of `TrainingArguments`.

    Raises:
        UserError: a name is unknown or kept, or a value is not of the type that transformers declares.
    """
    hints = typing.get_type_hints(TrainingArguments)
    names = [f.name for f in dataclasses.fields(TrainingArguments) if f.init]
    for name, value in given.items():
        if name not in names:
            message = no_option(f"trainer.args.{name}", names)
            known = "it takes the options of transformers.TrainingArguments"
            raise UserError(message if "did you mean" in message else f"{message.split(';')[0]}; {known}", exit_code=2)
        if name in KEPT:
            raise UserError(f"trainer.args.{name} is set by protloc: {KEPT[name]}", exit_code=2)
        kinds = typing.get_args(hints[name]) or (hints[name],)
        if not any(_fits(value, kind) for kind in kinds if not (str in kinds and kind is str and _choices(kinds))):
            wanted = ", ".join(_choices(kinds)) or " or ".join(_word(kind) for kind in kinds)
            raise UserError(f"trainer.args.{name}={value}: must be {wanted}", exit_code=2)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in [member.value for member in kind]
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    plain = typing.get_origin(kind) or kind
    if isinstance(value, bool) or plain is bool:  # a bool is an int to Python, not to a user
        return isinstance(value, bool) and plain is bool
    if plain is float:
        return isinstance(value, int | float)
    if plain in (list, dict):
        return isinstance(value, Sequence | Mapping) and not isinstance(value, str)
    return isinstance(value, plain)


def _choices(kinds: Sequence[Any]) -> list[str]:
    """The words that an enumeration among `kinds` allows."""
    return [str(m.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum) for m in kind]


def _word(kind: Any) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))
