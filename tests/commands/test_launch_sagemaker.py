"""launch_sagemaker.py against AWS on loopback: the requests as they were sent."""

from __future__ import annotations

import io
import json
import tarfile
from importlib.metadata import version
from pathlib import Path

import boto3
import pytest

from tests.sagemaker.aws import BUCKET, REGION, ROLE, WHERE, Aws, assert_refused, launch, request
from tests.scripts import ROOT, fasta, run

IMAGE = (
    f"763104351884.dkr.ecr.{REGION}.amazonaws.com/huggingface-pytorch-training:"
    "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fasta(tmp_path / "train.fasta", 30)
    return tmp_path


def test_a_job_as_users_send_it(aws: Aws, folder: Path) -> None:
    result = run(
        "launch_sagemaker.py", "data=fasta", "data.train=train.fasta", "model=esm2_8m", "seed=3", *WHERE, cwd=folder
    )
    assert result.returncode == 0, result.stderr
    (sent,) = aws.sent("CreateTrainingJob")
    name = sent["TrainingJobName"]
    assert name.startswith("protloc-esm2-8m-fasta-")
    assert sent["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert sent["ResourceConfig"] == {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 1, "VolumeSizeInGB": 100}
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert sent["RoleArn"] == ROLE
    (channel,) = sent["InputDataConfig"]
    assert (channel["ChannelName"], channel["InputMode"]) == ("data_train", "File")
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert uri.startswith(f"s3://{BUCKET}/protloc/data/")
    assert sent["CheckpointConfig"] == {
        "S3Uri": f"s3://{BUCKET}/protloc/jobs/{name}/checkpoints", "LocalPath": "/opt/ml/checkpoints",
    }  # fmt: skip
    hyperparameters = {key: json.loads(value) for key, value in sent["HyperParameters"].items()}
    assert hyperparameters["overrides"] == [
        "data=fasta", "model=esm2_8m", "seed=3", "data.train='${oc.env:SM_CHANNEL_DATA_TRAIN}/train.fasta'",
    ]  # fmt: skip
    assert hyperparameters["sagemaker_torch_distributed_enabled"] is True
    assert hyperparameters["sagemaker_program"] == "sagemaker_entry.py"
    assert sent["Environment"] == {}
    assert f"job: {name}: on 1 x ml.g5.12xlarge, at most $170.16 (an estimate, 2026-07" in result.stdout
    assert f"next: python launch_sagemaker.py job={name} action=status" in result.stdout
    assert f"https://{REGION}.console.aws.amazon.com/sagemaker/home?region={REGION}#/jobs/{name}" in result.stdout
    assert "protloc/commands/train.py" in result.stdout  # the list of what was packed
    assert list(folder.iterdir()) == [folder / "train.fasta"]  # nothing is left here


def test_what_is_uploaded_and_that_it_is_uploaded_once(aws: Aws, folder: Path) -> None:
    backbone = folder / "backbone"
    backbone.mkdir()
    (backbone / "config.json").write_text("{}")
    words = ("data=fasta", "data.train=train.fasta", "model.name_or_path=backbone", *WHERE)
    sent = request(aws, *words)
    s3 = boto3.client("s3")
    address = json.loads(sent["HyperParameters"]["sagemaker_submit_directory"])
    key = address.removeprefix(f"s3://{BUCKET}/")
    packed = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = archive.getnames()
        requirements = archive.extractfile("requirements.txt").read().decode().splitlines()  # type: ignore[union-attr]
        assert archive.extractfile("train.py").read() == (ROOT / "train.py").read_bytes()  # type: ignore[union-attr]
    assert {Path(name).parts[0] for name in names} == {
        "conf", "protloc", "requirements.txt", "sagemaker_entry.py", "train.py",
    }  # fmt: skip
    assert {Path(name).suffix for name in names} == {".py", ".yaml", ".html", ".txt"}
    expected = [p for p in (ROOT / "protloc").rglob("*.py") if "__pycache__" not in p.parts]
    assert {str(p.relative_to(ROOT)) for p in expected} <= set(names)
    assert f"transformers=={version('transformers')}" in requirements
    assert not [line for line in requirements if line.startswith(("torch", "pytest", "p-scldata"))]
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in sent["InputDataConfig"]}
    data = s3.list_objects_v2(Bucket=BUCKET, Prefix=channels["data_train"].removeprefix(f"s3://{BUCKET}/"))["Contents"]
    (stored,) = (s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in data)
    assert stored == (folder / "train.fasta").read_bytes()
    assert "model.name_or_path='${oc.env:SM_CHANNEL_MODEL_NAME_OR_PATH}'" in sent["HyperParameters"]["overrides"]
    assert len(aws.s3) == 3  # source, proteins, backbone
    aws.s3.clear()
    again = request(aws, *words)
    assert aws.s3 == []
    assert again["InputDataConfig"] == sent["InputDataConfig"]
    assert (
        again["HyperParameters"]["sagemaker_submit_directory"] == sent["HyperParameters"]["sagemaker_submit_directory"]
    )
    (folder / "train.fasta").write_text(">p Golgi\nMK\n")
    other = request(aws, *words)
    assert len(aws.s3) == 1
    assert other["InputDataConfig"] != sent["InputDataConfig"]


def test_data_that_are_on_s3_stay_there(aws: Aws, folder: Path) -> None:
    sent = request(aws, "data=fasta", "data.train=s3://other/a/b.fasta", "cluster.input_mode=FastFile", *WHERE)
    (channel,) = sent["InputDataConfig"]
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://other/a/b.fasta"
    assert channel["InputMode"] == "FastFile"
    assert "data.train='${oc.env:SM_CHANNEL_DATA_TRAIN}/b.fasta'" in sent["HyperParameters"]["overrides"]


PRESETS: dict[str, tuple[str, int, str]] = {
    "sagemaker": ("ml.g5.12xlarge", 1, "sagemaker_torch_distributed_enabled"),
    "sagemaker_p4d": ("ml.p4d.24xlarge", 1, "sagemaker_torch_distributed_enabled"),
    "sagemaker_p5": ("ml.p5.48xlarge", 1, "sagemaker_torch_distributed_enabled"),
    "sagemaker_spot": ("ml.g5.12xlarge", 1, "sagemaker_torch_distributed_enabled"),
    "sagemaker_smddp": ("ml.p4d.24xlarge", 2, "sagemaker_distributed_dataparallel_enabled"),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset(aws: Aws, folder: Path, preset: str) -> None:
    own = ["cluster.image_uri=123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1"] if "smddp" in preset else []
    sent = request(aws, f"cluster={preset}", *own, *WHERE)
    instance, count, launcher = PRESETS[preset]
    assert (sent["ResourceConfig"]["InstanceType"], sent["ResourceConfig"]["InstanceCount"]) == (instance, count)
    assert sent["HyperParameters"][launcher] == "true"
    assert sent.get("EnableManagedSpotTraining", False) is (preset == "sagemaker_spot")
    assert sent["StoppingCondition"].get("MaxWaitTimeInSeconds") == (172800 if preset == "sagemaker_spot" else None)
    assert json.loads(sent["HyperParameters"]["overrides"]) == (["trainer.backend=smddp"] if own else [])


def test_every_field(aws: Aws, folder: Path) -> None:
    sent = request(
        aws, *WHERE, "cluster.instance_count=2", "cluster.max_run=3600", "cluster.retries=3", "cluster.keep_alive=600",
        "cluster.volume_size=50", "cluster.subnets=[subnet-1,subnet-2]", "cluster.security_groups=[sg-1]",
        "cluster.kms_key=key-1", "cluster.encrypt_between_nodes=true", "cluster.tags.project=protloc",
        "cluster.environment.HF_HUB_OFFLINE='1'", "cluster.wandb_secret=wandb", "logger=wandb",
        "cluster.job_name=mine-1", "cluster.checkpoints=s3://other/run", "cluster.debugger=true",
        "cluster.profiler=true", "cluster.image_uri=example.com/pytorch-training:2.10.0-mine",
        "cluster.network_isolation=true",
    )  # fmt: skip
    assert sent["TrainingJobName"] == "mine-1"
    assert sent["ResourceConfig"] == {
        "InstanceType": "ml.g5.12xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50, "VolumeKmsKeyId": "key-1",
        "KeepAlivePeriodInSeconds": 600,
    }  # fmt: skip
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert sent["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert sent["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert sent["OutputDataConfig"] == {"S3OutputPath": f"s3://{BUCKET}/protloc/jobs", "KmsKeyId": "key-1"}
    assert sent["EnableInterContainerTrafficEncryption"] is True
    assert sent["EnableNetworkIsolation"] is True
    assert sent["Tags"] == [{"Key": "project", "Value": "protloc"}]
    assert sent["Environment"] == {"HF_HUB_OFFLINE": "1", "PROTLOC_WANDB_SECRET": "wandb"}
    assert sent["CheckpointConfig"]["S3Uri"] == "s3://other/run"
    assert sent["AlgorithmSpecification"]["TrainingImage"] == "example.com/pytorch-training:2.10.0-mine"
    assert [rule["RuleParameters"]["rule_to_invoke"] for rule in sent["DebugRuleConfigurations"]] == [
        "LossNotDecreasing", "Overfit",
    ]  # fmt: skip
    assert sent["DebugHookConfig"]["S3OutputPath"] == f"s3://{BUCKET}/protloc/jobs/debugger"
    assert sent["ProfilerRuleConfigurations"][0]["RuleParameters"]["rule_to_invoke"] == "ProfilerReport"
    assert sent["ProfilerConfig"]["ProfilingIntervalInMilliseconds"] == 500
    assert "DebugHookConfig" not in request(aws, *WHERE)


def test_tensorboard_goes_to_s3(aws: Aws, folder: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra [tensorboard]")
    assert request(aws, *WHERE, "logger=tensorboard")["TensorBoardOutputConfig"] == {
        "S3OutputPath": f"s3://{BUCKET}/protloc/jobs/tensorboard", "LocalPath": "/opt/ml/checkpoints/tensorboard",
    }  # fmt: skip


def test_a_dry_run_needs_neither_account_nor_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sagemaker", reason="needs the extra [sagemaker]")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # nobody answers there
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = run(
        "launch_sagemaker.py", "dry_run=true", "data=fasta", "data.train=train.fasta", "cluster=sagemaker_spot",
        "cluster.instance_count=2", cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["request"]["ResourceConfig"]["InstanceCount"] == 2
    assert shown["request"]["AlgorithmSpecification"]["TrainingImage"] == shown["image"]
    assert shown["inputs"] == {"data.train": "train.fasta"}
    assert "protloc/sagemaker/container.py" in shown["source"]
    assert shown["command"].startswith("torchrun --nnodes 2 --nproc_per_node 4 sagemaker_entry.py")
    assert shown["cost"]["us_dollars_at_most"] == pytest.approx(7.09 * 2 * 24, abs=0.01)
    assert shown["cost"]["us_dollars_at_least"] == pytest.approx(7.09 * 2 * 24 * 0.1, abs=0.01)
    assert list(folder.iterdir()) == [folder / "train.fasta"]


REFUSED: dict[str, str] = {
    "clster.role=x": "no option 'clster'; did you mean cluster?",
    "trainer.gpu=8": "no option 'trainer.gpu'; did you mean trainer.gpus?",
    "model=protbret": "no config 'model/protbret'; did you mean 'protbert'?",
    "cluster.distribution=mpi": "cluster.distribution=mpi: choose one of torch_distributed, smddp, none",
    "cluster.distribution=smddp": "cluster.distribution=smddp runs on ml.p4d.24xlarge alone, not on ml.g5.12xlarge; ",
    "cluster=sagemaker_smddp": "cluster.distribution=smddp: no public image has both SageMaker's library",
    "cluster.instance_type=ml.m5.xlarge": "cluster.distribution=torch_distributed starts a process a GPU, and ml.m5",
    "cluster.instance_type=ml.g5.9xlarge": "cluster.instance_type=ml.g5.9xlarge is not in protloc's table of eu-west-1",
    "cluster.instance_type=p4d": "cluster.instance_type=p4d is no instance of SageMaker's",
    "cluster.spot=true": "cluster.spot=true needs cluster.max_wait=SECONDS",
    "cluster=sagemaker_spot cluster.max_wait=100": "cluster.max_wait=100 is below cluster.max_run=86400",
    "cluster.max_wait=90000": "cluster.max_wait=90000 is for spot machines",
    "cluster=sagemaker_spot cluster.keep_alive=60": "cluster.keep_alive is not for spot machines",
    "cluster.role=admin": "cluster.role=admin is no role's ARN",
    f"cluster.job_name={'x' * 64}": f"cluster.job_name={'x' * 64} has 64 characters: SageMaker takes 63",
    "trainer.args.adam_beta3=0.9": "no option 'trainer.args.adam_beta3'; did you mean trainer.args.adam_beta2?",
    "model.from_scratch.filter=8": "no option 'model.from_scratch.filter'; did you mean model.from_scratch.filters?",
    "trainer.gpus=8": "trainer.gpus=8, but ml.g5.12xlarge has 4",
    "cluster.environment.WANDB_API_KEY=1": "cluster.environment.WANDB_API_KEY looks like a secret",
    "logger=wandb": "logger=wandb needs a key in the container: cluster.wandb_secret=NAME",
    "cluster.network_isolation=true": "cluster.network_isolation=true keeps pip and the hub away",
    "data=fasta data.train=gone.fasta": "data.train=gone.fasta: no such file here",
    "resume=auto": "resume= is for train.py; here cluster.checkpoints=s3://...",
    "cluster.pytorch_version=2.8.0": "cluster.transformers_version, cluster.pytorch_version and cluster.py_version go",
    "cluster.transformers_version=4.56.2 cluster.pytorch_version=2.8.0 cluster.py_version=py312": (
        "the image has PyTorch 2.8.0, and protloc needs 2.9 or newer"
    ),
    "cluster=slurm": "cluster=slurm is for train.py; here cluster=sagemaker",
    "action=status": "action=status needs job=NAME",
    "cluster.bucket=gone": "the bucket gone does not exist",
    "tune=true tuner.space.seed=7": "tuner.space.seed=7 is no range: give interval(0.1, 0.5)",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_sent(aws: Aws, folder: Path, words: str) -> None:
    assert_refused(aws, launch(*WHERE, *words.split()), REFUSED[words])


def test_an_unknown_machine_is_sent_where_told(aws: Aws, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = request(aws, *WHERE, "cluster.instance_type=ml.g9.xlarge", "cluster.force=true")
    assert sent["ResourceConfig"]["InstanceType"] == "ml.g9.xlarge"
    assert "note: ml.g9.xlarge in eu-west-1 is not in protloc's table" in capsys.readouterr().out


def test_the_bucket_is_made_where_none_is_given(aws: Aws, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = request(aws, f"cluster.role={ROLE}")
    assert sent["OutputDataConfig"]["S3OutputPath"] == f"s3://sagemaker-{REGION}-123456789012/protloc/jobs"
    assert f"bucket: sagemaker-{REGION}-123456789012 was created" in capsys.readouterr().out


def test_a_role_is_needed_outside_studio(aws: Aws, folder: Path) -> None:
    code, line = launch(f"cluster.bucket={BUCKET}")
    assert (code, line) == (1, "cluster.role= is needed: the ARN of the role that it runs as (docs/sagemaker.md)")


def test_without_credentials_a_line_says_so(aws: Aws, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, line = launch(*WHERE)
    assert code == 1
    assert line.startswith(f"look at the bucket {BUCKET}: no AWS credentials were found; run `aws configure`")


def test_the_tuner(aws: Aws, folder: Path) -> None:
    words = ("tune=true", "tuner.max_jobs=6", "tuner.strategy=Hyperband", "trainer.monitor=loss", "trainer.epochs=9")
    assert launch(*WHERE, *words, "+tuner.space.seed='choice(1, 2)'") == (0, "")
    (sent,) = aws.sent("CreateHyperParameterTuningJob")
    config = sent["HyperParameterTuningJobConfig"]
    assert config["Strategy"] == "Hyperband"
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Minimize", "MetricName": "objective"}
    ranges = config["ParameterRanges"]
    assert ranges["ContinuousParameterRanges"][0] == {
        "Name": "trainer__learning_rate", "MinValue": "1e-05", "MaxValue": "0.001", "ScalingType": "Logarithmic",
    }  # fmt: skip
    assert {r["Name"]: r["Values"] for r in ranges["CategoricalParameterRanges"]} == {
        "trainer__batch_size": ['"16"', '"32"', '"64"'], "seed": ['"1"', '"2"'],
    }  # fmt: skip
    definition = sent["TrainingJobDefinition"]
    assert "objective" in [m["Name"] for m in definition["AlgorithmSpecification"]["MetricDefinitions"]]
    assert json.loads(definition["StaticHyperParameters"]["overrides"]) == ["trainer.monitor=loss", "trainer.epochs=9"]
    name = sent["HyperParameterTuningJobName"]
    assert len(name) <= 32
    assert launch(f"job={name}", "action=status") == (0, "")
    assert launch(f"job={name}", "action=stop") == (0, "")
    assert aws.sent("StopHyperParameterTuningJob") == [{"HyperParameterTuningJobName": name}]
