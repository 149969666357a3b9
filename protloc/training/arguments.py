"""protloc's training options as `transformers.TrainingArguments`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from protloc.config import LoggerConfig, TrainerConfig
from protloc.errors import UserError
from protloc.model.precision import pick_precision

SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def training_arguments(
    options: TrainerConfig, logger: LoggerConfig, run_dir: Path, seed: int, steps_per_epoch: int
) -> TrainingArguments:
    """Everything Trainer is told; `options.args` has the last word.

    Args:
        options: the `trainer` group.
        logger: the `logger` group.
        run_dir: the run's folder; checkpoints go to `checkpoints/` in it.
        seed: of the order of the proteins and of dropout.
        steps_per_epoch: optimizer steps an epoch, for the length of the warm-up.

    Raises:
        UserError: the batch cannot be split, or the machine lacks what is asked for.
    """
    device = training_device(options.gpus)
    precision = pick_precision(options.precision, device)
    micro = options.micro_batch_size or options.batch_size
    if options.batch_size % micro:
        raise UserError(
            f"trainer.batch_size={options.batch_size} is no multiple of trainer.micro_batch_size={micro}", exit_code=2
        )
    values: dict[str, Any] = {
        "output_dir": str(run_dir / "checkpoints"),
        "run_name": run_dir.name,
        "seed": seed,
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": options.batch_size // micro,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "lr_scheduler_type": SCHEDULES[options.schedule],
        "warmup_steps": int(options.warmup * options.epochs * steps_per_epoch),
        "max_grad_norm": options.max_grad_norm,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": device.type == "cpu",
        "train_sampling_strategy": "group_by_length",
        "remove_unused_columns": False,  # the collator reads the sequences
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": options.keep_checkpoints,
        "load_best_model_at_end": True,
        "metric_for_best_model": options.monitor,
        "greater_is_better": options.monitor != "loss",
        "logging_steps": max(1, min(50, steps_per_epoch // 5)),
        "logging_nan_inf_filter": False,  # a NaN must be seen, not averaged away
        "report_to": [] if logger.name == "none" else [logger.name],
        "disable_tqdm": True,  # protloc draws its own progress
        "dataloader_pin_memory": device.type == "cuda",
    }
    return TrainingArguments(**{**values, **options.args})


def training_device(gpus: int | str) -> torch.device:
    """The device that `trainer.gpus` means on this machine.

    Raises:
        UserError: more GPUs than there are, or more than one.
    """
    have = torch.cuda.device_count()
    wanted = min(have, 1) if gpus == "auto" else int(gpus)
    if wanted > have:
        raise UserError(f"trainer.gpus={wanted}, but this machine has {have or 'no'} CUDA device{'s' * (have > 1)}")
    if wanted > 1:
        raise UserError(f"trainer.gpus={wanted}: training on several GPUs is not there yet; give trainer.gpus=1")
    return torch.device("cuda" if wanted else "cpu")
