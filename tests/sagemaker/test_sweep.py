"""hydra/launcher=sagemaker: a sweep's runs as jobs, with results that a real run has left."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.sagemaker.aws import BUCKET, REGION, ROLE, Aws, results
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


SEARCH = (
    "-m", "experiment=search", *LAUNCHER, *WORDS, "trainer.learning_rate=tag(log, interval(1e-5, 3e-3))",
    "hydra.sweeper.n_trials=2", "hydra.sweeper.pruner_options={n_startup_trials: 1, n_warmup_steps: 1}",
)  # fmt: skip


def trial_states() -> list[str]:
    with sqlite3.connect("sweep/search.db") as database:
        return [state for (state,) in database.execute("SELECT state FROM trials ORDER BY number")]


@pytest.fixture
def swept(aws: Aws, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished run, without a sweep; each job that is sent finds that run's results."""
    pytest.importorskip("optuna", reason="needs the extra [sweep]")
    shutil.rmtree(trained / "sweep", ignore_errors=True)
    monkeypatch.chdir(trained)
    aws.when_sent = results(trained)
    return trained


@pytest.mark.slow
def test_a_search_over_jobs_goes_on_with_those_that_were_sent(aws: Aws, swept: Path) -> None:
    result = run("train.py", *SEARCH, cwd=swept)
    assert result.returncode == 0, result.stderr
    names = [job["TrainingJobName"] for job in aws.sent("CreateTrainingJob")]
    assert len(names) == 2
    assert trial_states() == ["COMPLETE", "COMPLETE"]
    (swept / "sweep" / "1" / "metrics.json").unlink()  # as if it had been killed while it waited for the job
    with sqlite3.connect("sweep/search.db") as database:
        database.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 1")
        database.execute("DELETE FROM trial_values WHERE trial_id = 2")
    result = run("train.py", *SEARCH, cwd=swept)
    assert result.returncode == 0, result.stderr
    assert trial_states() == ["COMPLETE", "COMPLETE"]
    assert [job["TrainingJobName"] for job in aws.sent("CreateTrainingJob")] == names, "it was not sent again"
    assert f"#1 goes on: {names[1]}" in result.stdout
    assert (swept / "sweep" / "1" / "metrics.json").exists()


@pytest.mark.slow
def test_a_search_stops_a_hopeless_job(aws: Aws, swept: Path) -> None:
    """The second job is at work, its figures are on S3 and worse than the first one's."""
    import boto3
    from moto.sagemaker.models import sagemaker_backends

    put = results(swept)

    def epoch(mcc: float) -> bytes:
        return (json.dumps({"epoch": 1.0, "step": 7, "mcc": mcc, "accuracy": 0.5, "loss": 1.0}) + "\n").encode()

    def job(operation: str, sent: dict[str, Any]) -> None:
        put(operation, sent)
        first = aws.sent("CreateTrainingJob")[:1]
        if not first or "TrainingJobName" not in sent:
            return
        s3, name = boto3.client("s3"), sent["TrainingJobName"]
        if operation == "CreateTrainingJob":
            hopeless = name != first[0]["TrainingJobName"]
            bucket, _, folder = sent["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
            s3.put_object(Bucket=bucket, Key=f"{folder}/epochs.jsonl", Body=epoch(-1.0 if hopeless else 0.9))
        elif name in (jobs := sagemaker_backends["123456789012"][REGION].training_jobs):
            stops = [stop["TrainingJobName"] for stop in aws.sent("StopTrainingJob")]
            looks = [look for look in aws.sent("DescribeTrainingJob") if look == sent]
            if name in stops:
                jobs[name].training_job_status = "Stopped"
            elif name != first[0]["TrainingJobName"] or len(looks) < 10:
                jobs[name].training_job_status = "InProgress"
            else:
                jobs[name].training_job_status = "Completed"

    aws.when_sent = job
    result = run("train.py", *SEARCH, cwd=swept)
    assert result.returncode == 0, result.stderr
    assert trial_states() == ["COMPLETE", "PRUNED"]
    names = [job["TrainingJobName"] for job in aws.sent("CreateTrainingJob")]
    assert {stop["TrainingJobName"] for stop in aws.sent("StopTrainingJob")} == {names[1]}
    stopped = json.loads((swept / "sweep" / "1" / "metrics.json").read_text())
    assert (stopped["pruned"], stopped["epochs"], stopped["validation"]["mcc"]) == (True, 1.0, -1.0)
    with open(swept / "sweep" / "leaderboard.csv", newline="") as file:
        assert [row["pruned"] for row in csv.DictReader(file)] == ["", "yes"]


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
