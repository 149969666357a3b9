"""hydra/launcher=sagemaker: a sweep's runs as jobs, with results that a real run has left."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.sagemaker.aws import BUCKET, ROLE, Aws, results
from tests.scripts import SMALL_TINY, run

WORDS = ("data=fasta", "data.train=train.fasta", *SMALL_TINY, "trainer.epochs=1")
LAUNCHER = (
    "hydra/launcher=sagemaker", f"hydra.launcher.cluster.role={ROLE}", f"hydra.launcher.cluster.bucket={BUCKET}",
    "hydra.launcher.poll=0.2", "hydra.sweep.dir=sweep",
)  # fmt: skip


def test_two_runs_as_jobs(aws: Aws, trained: Path) -> None:
    aws.when_sent = results(trained)
    shutil.rmtree(trained / "sweep", ignore_errors=True)
    result = run("train.py", "-m", *LAUNCHER, *WORDS, "seed=1,2", "model.dropout=0.3", cwd=trained)
    assert result.returncode == 0, result.stderr
    sent = aws.sent("CreateTrainingJob")
    assert [json.loads(job["HyperParameters"]["overrides"])[-3:-1] for job in sent] == [
        ["seed=1", "model.dropout=0.3"], ["seed=2", "model.dropout=0.3"],
    ]  # fmt: skip
    assert len({job["TrainingJobName"] for job in sent}) == 2
    with open(trained / "sweep" / "leaderboard.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    figure = json.loads((trained / "run" / "metrics.json").read_text())["validation"]["mcc"]
    assert (row["runs"], row["error"]) == ("2", "")
    assert float(row["validation_mcc_mean"]) == pytest.approx(figure, abs=1e-5)
    assert (trained / "sweep" / "1" / "model" / "model.safetensors").exists()
    assert (trained / "sweep" / "1" / "job.txt").read_text().strip() == sent[1]["TrainingJobName"]


@pytest.mark.slow
def test_optuna_searches_over_jobs(aws: Aws, trained: Path) -> None:
    pytest.importorskip("optuna", reason="needs the extra [sweep]")
    aws.when_sent = results(trained)
    shutil.rmtree(trained / "sweep", ignore_errors=True)
    result = run("train.py", "-m", "experiment=search", *LAUNCHER, *WORDS, "hydra.sweeper.n_trials=2", cwd=trained)
    assert result.returncode == 0, result.stderr
    assert len(aws.sent("CreateTrainingJob")) == 2
    assert len(list((trained / "sweep").glob("*/metrics.json"))) == 2


@pytest.mark.slow
def test_a_run_that_cannot_work_is_a_row_and_the_others_go_on(aws: Aws, trained: Path) -> None:
    aws.when_sent = results(trained)
    shutil.rmtree(trained / "sweep", ignore_errors=True)
    result = run("train.py", "-m", *LAUNCHER, *WORDS, "trainer.gpus=auto,9", cwd=trained)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == "error: trainer.gpus=9, but ml.g5.12xlarge has 4"
    assert len(aws.sent("CreateTrainingJob")) == 1
    assert (trained / "sweep" / "1" / "error.txt").read_text() == "trainer.gpus=9, but ml.g5.12xlarge has 4\n"
