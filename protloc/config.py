"""Every option of protloc, typed and explained once.

The dataclasses below are the schema that Hydra checks overrides against, the objects that the package works with, and
the source of docs/configuration.md. They hold plain values only, so any part of the package can be used without Hydra.
A default of `MISSING` is filled in by the YAML files under conf/.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MISSING: Any = "???"  # Hydra's mark for "no honest default"; spelt out so that this module needs no OmegaConf


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A dataclass field that knows its meaning, its allowed values or its range (both ends included)."""
    metadata = {"help": help, "choices": choices, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# --- data ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataConfig:
    """What every data set takes."""

    limit: int | None = option(None, "take the first N proteins of each split, stratified by class; null: all", least=1)
    validation_share: float = option(
        0.1, "share of the training proteins held out, stratified, where the data has no validation split",
        least=0.01, most=0.5,
    )  # fmt: skip
    split_seed: int = option(
        0, "seed of that split; apart from `seed`, so that seeds are compared on the same proteins"
    )
    cache_dir: str | None = option(None, "where parsed and downloaded data are kept; null: ~/.cache/protloc")


@dataclass(frozen=True)
class DemoData(DataConfig):
    """SCL2205: real proteins in 13 classes with homology-reduced splits, from the package p-scldata."""


@dataclass(frozen=True)
class DeepLocData(DataConfig):
    """DeepLoc 1.0's FASTA: headers `>ACC Location-S|M|U [test]`."""

    path: str | None = option(None, "the FASTA file, plain or gz; null: download it")
    url: str = option(MISSING, "where it is downloaded from")
    dual_labels: str = option(
        "drop", "what becomes of a protein with two locations (`Cytoplasm-Nucleus`): drop it, keep the first, or stop",
        choices=("drop", "first", "error"),
    )  # fmt: skip


@dataclass(frozen=True)
class FastaData(DataConfig):
    """Your own FASTA files, one a split."""

    train: str = option(MISSING, "training proteins: FASTA, plain or gz")
    validation: str | None = option(None, "validation proteins; null: a share of the training proteins")
    test: str | None = option(None, "test proteins, read once, at the end; null: none")
    label_pattern: str = option(
        r"(?P<label>\S+)\s*$",
        "regular expression with a group `label`, searched behind the id; the default takes the last word",
    )


@dataclass(frozen=True)
class CsvData(DataConfig):
    """Your own CSV, TSV or Parquet files with named columns."""

    train: str = option(MISSING, "training proteins: .csv, .tsv (plain or gz) or .parquet")
    validation: str | None = option(None, "validation proteins; null: a share of the training proteins")
    test: str | None = option(None, "test proteins, read once, at the end; null: none")
    id_column: str = option("id", "column with the protein's name")
    sequence_column: str = option("sequence", "column with its residues")
    label_column: str = option("location", "column with its location")
    split_column: str | None = option(
        None, "column of `train` that says train, validation or test; null: the files are the splits"
    )


# --- model -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """The training options that suit a backbone; `trainer.*` takes them from here unless told otherwise."""

    epochs: float = option(MISSING, "passes over the training proteins", least=0.01)
    batch_size: int = option(MISSING, "proteins an optimizer step", least=1)
    learning_rate: float = option(MISSING, "peak learning rate", least=0)
    weight_decay: float = option(MISSING, "decoupled weight decay", least=0)
    warmup: float = option(0.1, "share of the steps over which the learning rate rises", least=0, most=1)
    schedule: str = option(
        "cosine", "how the learning rate falls after the warm-up", choices=("linear", "cosine", "constant")
    )
    label_smoothing: float = option(0.0, "probability spread evenly over all classes", least=0, most=0.5)
    patience: int = option(0, "stop after N epochs without a better validation; 0: never", least=0)


@dataclass(frozen=True)
class ModelConfig:
    """A backbone, what it wants to read, and the head on top of it."""

    name: str = option(MISSING, "the entry's name, for tables and the model card")
    name_or_path: str | None = option(None, "Hugging Face name or local folder of the backbone; null: from scratch")
    revision: str | None = option(None, "branch, tag or commit on the Hugging Face hub")
    from_scratch: dict[str, Any] = option(
        {}, "the backbone's configuration where nothing is loaded; `model_type` first"
    )
    spaces: bool = option(False, "the backbone's tokenizer wants a space between residues")
    unknown: str = option("", "residues that the backbone reads as X")
    prefix: str = option("", "a token that the backbone wants before the protein")
    max_residues: int | None = option(1022, "longest protein read whole, in residues; null: any length", least=2)
    crop: str = option(
        "middle", "what a longer protein loses: its middle (both ends carry signals), or all but its head or tail",
        choices=("middle", "head", "tail"),
    )  # fmt: skip
    attention: str = option(
        "auto", "how proteins share a batch while training; auto: packed, without padding, where that is faster",
        choices=("auto", "packed", "padded"),
    )  # fmt: skip
    pooling: str = option(
        "mean", "how residues become one vector a protein", choices=("mean", "cls", "light_attention", "attention")
    )
    dropout: float = option(0.1, "dropout in the head", least=0, most=0.9)
    freeze_layers: int = option(0, "freeze the embeddings and the first N layers of the backbone", least=0)
    recipe: Recipe = field(default_factory=Recipe, metadata={"help": "training options that suit this backbone"})


# --- tuning ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TuningConfig:
    """Which weights training changes."""

    name: str = option(
        "full", "full: all weights; frozen: the head's, over the backbone's states, which are computed once and kept",
        choices=("full", "frozen"),
    )  # fmt: skip


# --- trainer ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainerConfig(Recipe):
    """How training runs: the recipe, filled from `model.recipe`, and the machine."""

    max_grad_norm: float = option(1.0, "gradients are scaled down to this norm; 0: never", least=0)
    class_weights: str = option(
        "none", "balanced: each class counts alike in the loss, however few its proteins", choices=("none", "balanced")
    )
    monitor: str = option(
        "mcc", "validation figure that chooses the best epoch",
        choices=("accuracy", "balanced_accuracy", "macro_f1", "mcc", "loss"),
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


# --- logger ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoggerConfig:
    """Where the curves go beside the run's own files."""

    name: str = option("none", "the service", choices=("none", "wandb", "tensorboard"))


@dataclass(frozen=True)
class WandbLogger(LoggerConfig):
    """Weights & Biases; `mode=offline` needs no account."""

    name: str = option("wandb", "the service", choices=("wandb",))
    project: str = option("protloc", "project of the run")
    entity: str | None = option(None, "team or user; null: your default")
    run_name: str | None = option(None, "name of the run; null: the run folder's name")
    mode: str = option("online", "offline: write to the run folder, send nothing", choices=("online", "offline"))


# --- the roots, one a script -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainConfig:
    """The options of train.py."""

    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    trainer: TrainerConfig = MISSING
    logger: LoggerConfig = MISSING
    tuning: TuningConfig = MISSING
    seed: int = option(1, "seed of the weights, the order of the proteins and dropout", least=0)
    resume: str | None = option(
        None,
        "a run's folder: go on where it stopped; auto: go on in hydra.run.dir where it stopped, or begin",
    )


@dataclass(frozen=True)
class PredictConfig:
    """The options of predict.py."""

    model_dir: str = option(MISSING, "a model folder: RUN/model, or RUN itself")
    input: str = option(MISSING, "proteins: FASTA, CSV, TSV (plain or gz), Parquet, or - for FASTA on standard input")
    output: str | None = option(
        None, "the table: .csv, .tsv, .jsonl, .parquet, or - for CSV on standard output; null: INPUT.locations.csv here"
    )
    overwrite: bool = option(False, "replace an existing output")
    on_error: str = option("stop", "a broken record stops the run, or is skipped and listed", choices=("stop", "skip"))
    id_column: str = option("id", "column with the protein's name, in tables")
    sequence_column: str = option("sequence", "column with its residues, in tables")
    device: str = option("auto", "where it runs", choices=("auto", "cpu", "cuda"))
    precision: str = option("auto", "arithmetic of the model", choices=("auto", "fp32", "bf16", "fp16"))
    batch_tokens: int | str = option(
        "auto", "tokens computed at once, padding included; auto: what is fast, and less when memory runs out",
        choices=("auto",), least=1,
    )  # fmt: skip
    window: int = option(4096, "proteins sorted by length at once; memory grows with it", least=1)


@dataclass(frozen=True)
class ServeConfig:
    """The options of `python -m protloc.serving`."""

    model_dir: str = option(MISSING, "a model folder: RUN/model, or RUN itself")
    host: str = option("127.0.0.1", "address to listen on; another than this machine's own needs a token")
    port: int = option(8080, "port; 0: any that is free", least=0, most=65535)
    token: str | None = option(None, "clients must send it as a bearer token; null: none is asked for")
    open_to_all: bool = option(False, "let other machines ask without a token")
    device: str = option("auto", "where the model runs", choices=("auto", "cpu", "cuda"))
    precision: str = option("auto", "arithmetic of the model", choices=("auto", "fp32", "bf16", "fp16"))
    batch_tokens: int | str = option(
        "auto", "tokens computed at once, padding included; auto: what is fast, and less when memory runs out",
        choices=("auto",), least=1,
    )  # fmt: skip
    queue: int = option(64, "requests that may wait; more get 429", least=1)
    wait_ms: float = option(5.0, "milliseconds that a request waits for others, to be computed with them", least=0)
    timeout: float = option(300.0, "seconds after which a request that waits is dropped, with 504", least=0.1)
    max_body: int = option(32 * 2**20, "bytes of a request's body; larger ones get 413", least=1)
    max_proteins: int = option(10_000, "proteins of a request; more get 413", least=1)
    max_residues: int = option(10_000_000, "residues of a request; more get 413", least=1)


def problems(config: Any, prefix: str = "") -> Iterator[str]:
    """One line for each value outside its choices or range, by its full name, as in `trainer.precision`."""
    for f in dataclasses.fields(config):
        value, name = getattr(config, f.name), f"{prefix}{f.name}"
        if dataclasses.is_dataclass(value):
            yield from problems(value, f"{name}.")
            continue
        choices, least, most = (f.metadata.get(key) for key in ("choices", "least", "most"))
        if isinstance(value, str) and choices and value not in choices:
            yield f"{name}={value}: choose one of {', '.join(choices)}" + (" or a number" if least is not None else "")
        if isinstance(value, int | float):
            if least is not None and value < least:
                yield f"{name}={value}: must be at least {least:g}"
            if most is not None and value > most:
                yield f"{name}={value}: must be at most {most:g}"
