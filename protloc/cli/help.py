"""`--help`, from the options themselves."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from protloc.config import (
    MISSING,
    ClusterConfig,
    DeployConfig,
    HostConfig,
    LaunchConfig,
    ModelConfig,
    Recipe,
    TrainConfig,
    TrainerConfig,
    TunerConfig,
)
from protloc.config.page import shown_value

USAGE = {
    "train": """Fine-tune a model that says where in the cell a protein lives.

  python train.py                                          the small default model on the demo data
  python train.py model=protbert trainer.gpus=8            a protein language model, on 8 GPUs
  python train.py data=deeploc data.path=FILE              DeepLoc's proteins
  python train.py data=fasta data.train=A.fa data.test=B.fa  your own FASTA, the location last in each header
  python train.py data=csv data.train=A.csv                your own table
  python train.py model=protbert tuning=frozen             its head alone: minutes in place of hours
  python train.py -m model=tiny,esm2_8m seed=1,2,3         a sweep: one run for each combination

Each run makes one folder, outputs/<date>_<time>/ (hydra.run.dir=FOLDER names it): model, figures, plots.""",
    "launch": """Run train.py on SageMaker, with the same words, and look after the job.

  python launch_sagemaker.py model=protbert cluster.role=ARN           one job, on the preset cluster=sagemaker
  python launch_sagemaker.py model=protbert dry_run=true               the request as JSON, the price; nothing is sent
  python launch_sagemaker.py cluster=sagemaker_spot cluster.instance_type=ml.g5.xlarge wait=true
  python launch_sagemaker.py job=NAME action=status                    or logs, download, stop
  python launch_sagemaker.py tune=true tuner.max_jobs=20               SageMaker's own search
  python train.py -m hydra/launcher=sagemaker seed=1,2,3               a sweep: one job for each run
  python launch_sagemaker.py action=deploy --help                      a model that answers: deploy, invoke, ...

From an account with nothing to a trained model: docs/sagemaker.md. What train.py takes: python train.py --help""",
    "deploy": """A model that answers on SageMaker.

  python launch_sagemaker.py action=deploy model=RUN/model endpoint=NAME cluster.role=ARN
  python launch_sagemaker.py action=deploy model=s3://.../model.tar.gz endpoint=NAME mode=serverless
  python launch_sagemaker.py action=invoke endpoint=NAME input=proteome.fasta output=locations.csv
  python launch_sagemaker.py action=transform model=RUN/model input=s3://.../fasta/ output=s3://.../tables wait=true
  python launch_sagemaker.py action=delete endpoint=NAME

action=deploy on an endpoint that is there gives it the new model, and it answers all the while. dry_run=true shows the
requests and sends nothing. The rest: docs/sagemaker.md""",
    "predict": """Predict where in the cell proteins live.

  python predict.py model_dir=outputs/RUN/model input=proteome.fasta
  python predict.py model_dir=RUN/model input=proteins.csv output=locations.parquet
  zcat proteome.fa.gz | python predict.py model_dir=RUN/model input=- output=-

One row a protein, in the order of the input: id, location, probability, the probability of each class, length,
residues read, warnings.""",
    "serving": """Answer over HTTP where in the cell proteins live, as predict.py would.

  python -m protloc.serving model_dir=outputs/RUN/model
  curl -s --data-binary @proteome.fasta -H 'Content-Type: text/x-fasta' http://127.0.0.1:8080/invocations
  curl -s -d '{"sequences": ["MKVLA"]}' -H 'Content-Type: application/json' http://127.0.0.1:8080/invocations

POST /invocations takes JSON, FASTA or CSV and answers JSON, CSV or JSON lines by its Accept header. GET /ping, /health,
/model, /metrics (Prometheus), /docs. SIGTERM ends it when the requests that it has taken are answered.""",
}
FOOT = """See every option with its value: --cfg job    every option explained: docs/configuration.md
Completion: eval "$(python {name} -sc install=bash)\""""
SCRIPTS = {"train": "train.py", "predict": "predict.py", "launch": "launch_sagemaker.py"}


CHOSEN = ("data", "tuning", "logger")
"""Groups whose choices have options of their own."""


def help_text(name: str, root: type, conf: Path, words: Sequence[str] = ()) -> str:
    """The page for one script: usages, the choices of each group, the options.

    Args:
        name: of its configuration.
        root: its options.
        conf: where the configurations lie.
        words: the command line: what it chooses is explained.
    """
    parts = [USAGE[name]]
    if name == "train":
        parts.append("Choices (group=name); with --help, what is chosen is explained:\n" + _table(_groups(conf)))
        parts.append(_section("", root))
        parts += [_chosen(group, conf, words) for group in CHOSEN]
        parts += [_section("trainer.", TrainerConfig), _section("model.", ModelConfig)]
    elif root is DeployConfig:
        parts += [_section("", root), _section("cluster.", HostConfig)]
    elif root is LaunchConfig:
        groups = _table(_groups(conf, ("cluster", "tuner")))
        parts.append(f"Choices (group=name), beside those of train.py:\n{groups}")
        parts.append(_section("", root, {f.name for f in dataclasses.fields(TrainConfig)}))
        parts += [_section("cluster.", ClusterConfig), _section("tuner.", TunerConfig)]
    else:
        parts.append(_section("", root))
    foot = FOOT.format(name=SCRIPTS[name]) if name in SCRIPTS else FOOT.splitlines()[0]
    return "\n\n".join([*filter(None, parts), foot])


def _groups(conf: Path, only: Collection[str] = ()) -> list[tuple[str, str]]:
    return [
        (group.name, ", ".join(sorted(file.stem for file in group.glob("*.yaml"))))
        for group in sorted(conf.iterdir())
        if group.is_dir() and group.name not in ("hydra", "hosting") and (not only or group.name in only)
    ]


def _chosen(group: str, conf: Path, words: Sequence[str]) -> str:
    """The options of a group as it is chosen on the command line, else by the script itself."""
    import yaml

    from protloc.config.schemas import SCHEMAS

    usual = {k: v for entry in yaml.safe_load((conf / "train.yaml").read_text())["defaults"] if isinstance(entry, dict)
             for k, v in entry.items()}  # fmt: skip
    chosen = [usual[group], *(word.partition("=")[2] for word in words if word.startswith(f"{group}="))]
    there = [choice for choice in chosen if (conf / group / f"{choice}.yaml").is_file()]
    file = conf / group / f"{there[-1]}.yaml"
    bases = [str(base).partition("@")[0] for base in yaml.safe_load(file.read_text())["defaults"]]
    schema = next(SCHEMAS[group, base] for base in bases if (group, base) in SCHEMAS)
    return _section(f"{group}.", schema, title=f"Options {group}.* of {group}={there[-1]}:")


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Names and their meanings side by side, in the width of the terminal."""
    indent = max(len(name) for name, _ in rows) + 4
    width = max(80, min(shutil.get_terminal_size((120, 50)).columns, 160))
    lines = (
        textwrap.fill(
            text, width, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent,
            break_long_words=False, break_on_hyphens=False,
        )
        for name, text in rows
    )  # fmt: skip
    return "\n".join(lines)


def _section(prefix: str, schema: Any, shown: Collection[str] = (), title: str = "") -> str:
    """The options of a dataclass; nothing where it has none."""
    recipe = {f.name for f in dataclasses.fields(Recipe)}
    rows = []
    shared = getattr(schema.__mro__[1], "__dataclass_fields__", {})
    for f in sorted(dataclasses.fields(schema), key=lambda f: f.name in shared):  # what is its own comes first
        text = f.metadata.get("help")
        if not text or f.name in shown:
            continue
        default = "" if f.default in (MISSING, dataclasses.MISSING) else f" [{shown_value(f.default)}]"
        if prefix == "trainer." and f.name in recipe:
            default = " [the model's recipe]"
        rows.append((prefix + f.name, f"{text}{_choices(f)}{default}"))
    return f"{title or f'Options {prefix}*:' if prefix else 'Options:'}\n{_table(rows)}" if rows else ""


def _choices(f: Any) -> str:
    return f": {'|'.join(f.metadata['choices'])}" if f.metadata.get("choices") else ""
