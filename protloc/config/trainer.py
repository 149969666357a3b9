"""The groups `trainer` and `logger`: how training runs, and where its curves go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protloc.config.model import Recipe
from protloc.config.option import option


@dataclass
class TrainerConfig(Recipe):
    """How training runs: the recipe, filled from `model.recipe`, and the machine."""

    max_grad_norm: float = option(1.0, "gradients are scaled down to this norm; 0: never", least=0)
    class_weights: str = option(
        "none", "balanced: each class counts alike in the loss, however few its proteins", choices=("none", "balanced")
    )
    focal_gamma: float = option(
        0.0, "focal loss: answers that are nearly right count less, by this power; 0: all alike", least=0, most=10
    )
    membrane_weight: float = option(1.0, "weight of the membrane's loss beside that of the locations", least=0)
    monitor: str = option(
        "mcc", "validation figure that chooses the best epoch",
        choices=("mcc", "macro_f1", "micro_f1", "loss", "accuracy", "balanced_accuracy", "subset_accuracy", "jaccard",
                 "average_precision"),
    )  # fmt: skip
    precision: str = option(
        "auto", "arithmetic of the model; auto: bf16 where the device computes it fast, else fp32",
        choices=("auto", "fp32", "bf16", "fp16"),
    )  # fmt: skip
    gpus: int | str = option(
        "auto", "GPUs of this machine, a process each: auto (all), 0 (the CPU) or a number", choices=("auto",), least=0
    )
    processes: int = option(1, "processes on the CPU, where trainer.gpus=0", least=1)
    nodes: int = option(1, "machines that train together; the same command runs on each of them", least=1)
    rendezvous: str | None = option(None, "HOST:PORT of one of these machines, where they find each other")
    backend: str = option(
        "auto", "how processes talk; auto: nccl between GPUs, gloo between CPUs; smddp: SageMaker's library",
        choices=("auto", "nccl", "gloo", "smddp"),
    )  # fmt: skip
    strategy: str = option(
        "ddp", "ddp: each process holds the whole model; fsdp: they share it, for models that do not fit one GPU",
        choices=("ddp", "fsdp"),
    )  # fmt: skip
    max_tokens: int | str = option(
        "auto", "tokens computed at once on one device; a larger batch is split, with the same result; auto: what fits",
        choices=("auto",), least=1,
    )  # fmt: skip
    compile: bool = option(False, "compile the backbone's layers: slow to start, for long runs on a GPU")
    activation_checkpointing: bool = option(
        False, "keep no activations inside the backbone's layers, compute them twice: less memory, a third slower"
    )
    keep_checkpoints: int = option(2, "checkpoints kept: the best and the newest", least=1)
    args: dict[str, Any] = option({}, "any other option of transformers.TrainingArguments, by its own name")


@dataclass
class LoggerConfig:
    """Where the curves go beside the run's own files."""

    name: str = option("none", "the service", choices=("none", "wandb", "tensorboard"))


@dataclass
class WandbLogger(LoggerConfig):
    """Weights & Biases; `mode=offline` needs no account."""

    name: str = option("wandb", "the service", choices=("wandb",))
    project: str = option("protloc", "project of the run")
    entity: str | None = option(None, "team or user; null: your default")
    run_name: str | None = option(None, "name of the run; null: the run folder's name")
    mode: str = option("online", "offline: write to the run folder, send nothing", choices=("online", "offline"))


def maximized(monitor: str, figure: float) -> float:
    """A figure as a search maximizes it: a loss with its sign turned."""
    return -figure if monitor == "loss" else figure
