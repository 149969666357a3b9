"""All options of each script."""

from __future__ import annotations

from dataclasses import dataclass, field

from protloc.config.cluster import ClusterConfig, TunerConfig
from protloc.config.data import DataConfig
from protloc.config.hosting import HostConfig
from protloc.config.model import ModelConfig, TuningConfig
from protloc.config.option import MISSING, option
from protloc.config.trainer import LoggerConfig, TrainerConfig


@dataclass
class TrainConfig:
    """The options of train.py."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    task: str = option(
        "auto", "single: one place a protein; multilabel: several; auto: several where a training protein has two",
        choices=("auto", "single", "multilabel"),
    )  # fmt: skip
    seed: int = option(1, "seed of the weights, the order of the proteins and dropout", least=0)
    resume: str | None = option(
        None,
        "a run's folder: go on where it stopped; auto: go on in hydra.run.dir where it stopped, or begin",
    )


@dataclass
class ModelInUse:
    """What predict.py and the server are told about a saved model and the machine."""

    model_dir: str = option(MISSING, "a model folder: RUN/model, or RUN itself")
    device: str = option("auto", "where the model runs", choices=("auto", "cpu", "cuda"))
    precision: str = option("auto", "arithmetic of the model", choices=("auto", "fp32", "bf16", "fp16"))
    batch_tokens: int | str = option(
        "auto", "tokens computed at once, padding included; auto: what is fast, and less when memory runs out",
        choices=("auto",), least=1,
    )  # fmt: skip


@dataclass
class PredictConfig(ModelInUse):
    """The options of predict.py."""

    input: str = option(MISSING, "proteins: FASTA, CSV, TSV (plain or gz), Parquet, or - for FASTA on standard input")
    output: str | None = option(
        None,
        "the table: .csv, .tsv, .jsonl, .parquet, .gff3, or - for CSV on standard output; null: INPUT.locations.csv, "
        "beside the input",
    )
    overwrite: bool = option(False, "replace an existing output")
    escape_formulas: bool = option(
        False, "put a ' before what a spreadsheet would compute (`=...`) in CSV and TSV; for ids from strangers"
    )
    on_error: str = option("stop", "a broken record stops the run, or is skipped and listed", choices=("stop", "skip"))
    force: bool = option(False, "predict for sequences that look like nucleotides too; else they are broken records")
    id_column: str = option("id", "column with the protein's name, in tables")
    sequence_column: str = option("sequence", "column with its residues, in tables")
    exclude: list[str] = option([], "locations that these proteins cannot have: exclude=Plastid,Peroxisome")
    format: str = option(
        "protloc", "deeploc: CSV with the columns that DeepLoc 2 writes, for tools that read those",
        choices=("protloc", "deeploc"),
    )  # fmt: skip
    keep: list[str] = option(
        [], "columns of the input that the table gets too: `keep=gene,organism`; of FASTA `keep=description`"
    )
    window: int = option(4096, "proteins sorted by length at once; memory grows with it", least=1)


@dataclass
class ServeConfig(ModelInUse):
    """The options of `python -m protloc.serving`."""

    host: str = option("127.0.0.1", "address to listen on; another than this machine's own needs a token")
    port: int = option(8080, "port; 0: any that is free", least=0, most=65535)
    token: str | None = option(None, "clients must send it as a bearer token; null: none is asked for")
    open_to_all: bool = option(False, "let other machines ask without a token")
    queue: int = option(64, "requests that may wait; more get 429", least=1)
    wait_ms: float = option(5.0, "milliseconds at most that a request waits for others, where others ask too", least=0)
    timeout: float = option(300.0, "seconds after which a request that waits is dropped, with 504", least=0.1)
    max_body: int = option(32 * 2**20, "bytes of a request's body; larger ones get 413", least=1)
    max_proteins: int = option(10_000, "proteins of a request; more get 413", least=1)
    max_residues: int = option(10_000_000, "residues of a request; more get 413", least=1)


@dataclass
class LaunchConfig(TrainConfig):
    """The options of launch_sagemaker.py beside those of train.py."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    tuner: TunerConfig = field(default_factory=TunerConfig)
    action: str = option(
        "train", "train: send a job; the others look after the job that job= names",
        choices=("train", "status", "logs", "download", "stop"),
    )  # fmt: skip
    job: str | None = option(None, "name of a job that was sent")
    wait: bool = option(False, "show the job's log to its end, then download and check its results")
    dry_run: bool = option(False, "print the request as JSON, with files, command and cost; nothing is sent")
    tune: bool = option(False, "SageMaker's own search over tuner.space in place of one job")
    output: str | None = option(None, "where downloads go; null: outputs/JOB")


@dataclass
class DeployConfig:
    """The options of launch_sagemaker.py where it deploys a model or asks one."""

    action: str = option(
        "deploy", "deploy: an endpoint, or another model for it; transform: predict files on S3; invoke: ask an "
        "endpoint about a file; delete: remove an endpoint", choices=("deploy", "transform", "invoke", "delete"),
    )  # fmt: skip
    model: str | None = option(None, "a model folder: RUN/model, or s3://.../model.tar.gz of a training job")
    endpoint: str | None = option(None, "name of the endpoint")
    mode: str = option(
        "realtime", "realtime: machines of its own; serverless: none while nobody asks; async: answers go to S3",
        choices=("realtime", "serverless", "async"),
    )  # fmt: skip
    input: str | None = option(None, "proteins: FASTA, CSV, TSV or Parquet; for transform a FASTA, here or s3://...")
    output: str | None = option(None, "the table; for transform s3://BUCKET/FOLDER")
    overwrite: bool = option(False, "replace an existing output")
    parallel: int = option(4, "requests at once of action=invoke", least=1)
    wait: bool = option(False, "go on when the endpoint answers, or the transform has ended")
    dry_run: bool = option(False, "print the requests as JSON; nothing is sent")
    cluster: HostConfig = field(default_factory=HostConfig, metadata={"help": "the machines that answer"})
