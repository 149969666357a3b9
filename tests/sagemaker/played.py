"""SageMaker's training container without Docker: a request that was sent, played through the real toolkits."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

PLAYER = """
import json, os, signal, subprocess, sys
hosts = [(base, json.load(open(base + "/environment.json"))) for base in sys.argv[2:]]
running = [
    subprocess.Popen(
        [sys.argv[1]], cwd=base, env={**os.environ, **env}, stdout=open(base + "/log", "w"), stderr=subprocess.STDOUT
    )
    for base, env in hosts
]
sys.exit(max(process.wait() for process in running))
"""


@dataclass
class Host:
    """One machine of a job: its /opt/ml."""

    base: Path

    @property
    def log(self) -> str:
        return (self.base / "log").read_text()

    @property
    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()


def prepare(request: dict[str, Any], root: Path, hosts: int = 1, gpus: int = 2) -> list[Host]:
    """Lay out /opt/ml of each host as SageMaker does; checkpoints that are there stay.

    Args:
        request: as CreateTrainingJob was sent.
        root: a folder for all of it.
        hosts: machines; each is an address of loopback, for algo-N would need a name server.
        gpus: of each, as the toolkit counts them: it starts a process for each.
    """
    names = [f"127.0.0.{i + 1}" for i in range(hosts)]
    made = []
    for name in names:
        base = root / name
        for folder in ("input", "model", "output", "code", "bin"):
            shutil.rmtree(base / folder, ignore_errors=True)
        for folder in ("input/config", "input/data", "model", "output/data", "code", "checkpoints", "bin"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        _inputs(request, base)
        _configuration(request, base, name, names)
        smi = base / "bin" / "nvidia-smi"
        smi.write_text("#!/bin/sh\n" + "".join(f"echo 'GPU {i}: none, in truth'\n" for i in range(gpus)))
        smi.chmod(0o755)
        made.append(Host(base))
    return made


def play(hosts: list[Host]) -> subprocess.Popen[bytes]:
    """Start the toolkit's `train` on each host, in a network of their own: torchrun listens on every address."""
    command = [sys.executable, "-c", PLAYER, str(Path(sys.executable).parent / "train"), *(str(h.base) for h in hosts)]
    if os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"):
        command = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *command]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_ENDPOINT")}
    return subprocess.Popen(command, env={**environment, "OMP_NUM_THREADS": "1"}, start_new_session=True)


def lose(process: subprocess.Popen[bytes]) -> None:
    """As when the power goes: every process of every host ends at once."""
    whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in whole:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def _inputs(request: dict[str, Any], base: Path) -> None:
    """Each channel's objects as files, and the source."""
    s3, config = boto3.client("s3"), {}
    for channel in request.get("InputDataConfig", []):
        name = channel["ChannelName"]
        bucket, _, prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            inside = item["Key"][len(prefix) :].lstrip("/") or item["Key"].rpartition("/")[2]
            target = base / "input" / "data" / name / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(target))
        config[name] = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
    (base / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(config))
    address = json.loads(request["HyperParameters"]["sagemaker_submit_directory"])
    bucket, _, key = address.removeprefix("s3://").partition("/")
    s3.download_file(bucket, key, str(base / "sourcedir.tar.gz"))


def _configuration(request: dict[str, Any], base: Path, name: str, names: list[str]) -> None:
    """What the toolkit reads about the job and the machines."""
    kind = request["ResourceConfig"]["InstanceType"]
    hyperparameters = {
        **request["HyperParameters"],
        "sagemaker_submit_directory": json.dumps(str(base / "sourcedir.tar.gz")),
    }
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    resources = {
        "current_host": name, "hosts": names, "current_instance_type": kind, "network_interface_name": "lo",
        "current_group_name": "homogeneousCluster",
        "instance_groups": [{"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": names}],
    }  # fmt: skip
    (base / "input" / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    environment = {
        **request["Environment"], "SAGEMAKER_BASE_DIR": str(base), "TRAINING_JOB_NAME": request["TrainingJobName"],
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main", "SM_STUDIO_LOCAL_MODE": "true",
        "AWS_REGION": "eu-west-1", "PROTLOC_CACHE": str(base / "cache"),
        "PATH": f"{base / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    (base / "environment.json").write_text(json.dumps(environment))
