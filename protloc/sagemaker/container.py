"""Inside SageMaker's container: its folders and variables as words of train.py, and the results where it takes them.

The run's folder is /opt/ml/checkpoints, which SageMaker keeps in step with S3. A job that was interrupted finds it
there again and goes on (`resume=auto`); one that was complete already only hands its results over.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from protloc.sagemaker.job import SPLIT

SHOWN = 1000
"""Characters of a failure that SageMaker's console shows, and a few to spare."""

LEFT = ("checkpoints", "model")
"""What of the run's folder is no result: SageMaker has the first, and the second goes to a place of its own."""


def main(train: Callable[[], tuple[int, str]]) -> None:
    """The job's entry; ends with train.py's exit code, and on failure with a readable `failure` file.

    Args:
        train: train.py with the words in `sys.argv`: its exit code, and the line that says why where this is not 0.
    """
    environment = os.environ
    try:
        as_torchrun(environment)
        set_wandb_key(environment)
        run_dir = run_folder(environment)
        code, line = run(train, words(environment, run_dir))
    except BaseException:
        failure = failure_file(environment)
        if not failure.exists():  # the first process that fails knows why; the others miss it
            failure.write_text(traceback.format_exc()[-SHOWN:])
        raise
    if code:
        failure_file(environment).write_text(line[:SHOWN] + "\n")
    elif int(environment.get("RANK", "0")) == 0:
        hand_over(run_dir, Path(environment["SM_MODEL_DIR"]), Path(environment["SM_OUTPUT_DATA_DIR"]))
    sys.exit(code)


def run(train: Callable[[], tuple[int, str]], arguments: list[str]) -> tuple[int, str]:
    """train.py with these words; its exit code, and what it said where this is not 0."""
    sys.argv = ["train.py", *arguments]
    try:
        return train()
    except SystemExit as end:  # resume=auto found a run at its end: only its results are to be handed over
        return int(str(end.code or 0)), ""


def run_folder(environment: Mapping[str, str]) -> Path:
    """The folder that SageMaker keeps in step with S3; it stands beside the model's."""
    folder = Path(environment["SM_MODEL_DIR"]).parent / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def words(environment: Mapping[str, str], run_dir: Path) -> list[str]:
    """The words of train.py: the job's overrides, a tuner's values, the machine, the folder.

    Paths in the overrides name their channel's variable (`${oc.env:SM_CHANNEL_DATA_PATH}`), which Hydra resolves.

    Args:
        environment: SM_HPS holds the hyperparameters as JSON, `overrides` among them; SM_NUM_GPUS the GPUs.
        run_dir: the run's folder.
    """
    given = json.loads(environment["SM_HPS"])
    overrides: list[str] = given.get("overrides", [])
    tuned = [
        f"{name.replace(SPLIT, '.')}={value}"
        for name, value in given.items()
        if name != "overrides" and not name.startswith("_")
    ]
    gpus = int(environment.get("SM_NUM_GPUS", "0"))
    said = any(word.startswith("trainer.gpus=") for word in overrides)
    # Without this, an image whose PyTorch sees no GPU would train on the CPU of an expensive machine.
    machine = [f"trainer.gpus={gpus}"] if gpus and not said else []
    return [*overrides, *tuned, *machine, "resume=auto", f"hydra.run.dir={run_dir}"]


def as_torchrun(environment: dict[str, str] | os._Environ[str]) -> None:
    """Where SageMaker's data parallel library started the processes by MPI, say so in torchrun's variables."""
    for name, source in (("RANK", "RANK"), ("WORLD_SIZE", "SIZE"), ("LOCAL_RANK", "LOCAL_RANK")):
        value = environment.get(f"OMPI_COMM_WORLD_{source}")
        if value is not None:
            environment.setdefault(name, value)


def set_wandb_key(environment: dict[str, str] | os._Environ[str]) -> None:
    """Fetch Weights & Biases' key from AWS Secrets Manager, where the job names a secret."""
    secret = environment.get("PROTLOC_WANDB_SECRET")
    if not secret:
        return
    import boto3

    client = boto3.client("secretsmanager", region_name=environment.get("AWS_REGION"))
    environment["WANDB_API_KEY"] = client.get_secret_value(SecretId=secret)["SecretString"].strip()


def hand_over(run_dir: Path, model_dir: Path, output_dir: Path) -> None:
    """Copy the model, with what serving needs, and the run's figures and plots to where SageMaker takes them."""
    from protloc.serving.bundle import write_inference_code

    shutil.copytree(run_dir / "model", model_dir, dirs_exist_ok=True)
    write_inference_code(model_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    for path in run_dir.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, output_dir)
        elif path.is_dir() and path.name not in LEFT and not path.name.startswith("."):
            shutil.copytree(path, output_dir / path.name, dirs_exist_ok=True)


def failure_file(environment: Mapping[str, str]) -> Path:
    """Where SageMaker looks for the reason of a failure."""
    path = Path(environment.get("SM_OUTPUT_DIR", "/opt/ml/output")) / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
