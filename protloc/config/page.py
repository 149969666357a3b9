"""docs/configuration.md, from the options themselves: `python -m protloc.config.page > docs/configuration.md`."""

from __future__ import annotations

import dataclasses
from typing import Any

from protloc.config import (
    MISSING,
    ClusterConfig,
    CsvData,
    DataConfig,
    DeepLoc2Data,
    DeepLocData,
    DemoData,
    DeployConfig,
    FastaData,
    HostConfig,
    LaunchConfig,
    ModelConfig,
    PredictConfig,
    Recipe,
    SearchConfig,
    ServeConfig,
    TrainConfig,
    TrainerConfig,
    TunerConfig,
    TuningConfig,
    WandbLogger,
)

HEAD = """# Configuration

Written by `python -m protloc.config.page` from protloc/config/; do not edit it by hand.

Every option is given as `name=value`. `python train.py --cfg job` shows all of them with the values that would be used,
`--cfg job --resolve` also what comes from the model's recipe. A list of values and `-m` make a sweep:
`python train.py -m model=tiny,esm2_8m seed=1,2,3`. `null` means none. Quote what the shell or Hydra would read
otherwise: `'data.label_pattern="loc=(?P<label>\\w+)"'`.

A group is a folder under `conf/`: `model=protbert` takes `conf/model/protbert.yaml`. A file of your own beside them is
a choice like any other. `experiment=NAME` takes `conf/experiment/NAME.yaml`, which may set anything.
"""

SECTIONS: list[tuple[str, str, str, Any, Any]] = [
    ("train.py", "", "What every run has.", TrainConfig, None),
    ("data", "data.", "What every data set takes. How the files look: [data-formats.md](data-formats.md).", DataConfig,
     None),
    ("data=demo", "data.", DemoData.__doc__ or "", DemoData, DataConfig),
    ("data=deeploc", "data.", DeepLocData.__doc__ or "", DeepLocData, DataConfig),
    ("data=deeploc2", "data.", DeepLoc2Data.__doc__ or "", DeepLoc2Data, DataConfig),
    ("data=fasta", "data.", FastaData.__doc__ or "", FastaData, DataConfig),
    ("data=csv", "data.", CsvData.__doc__ or "", CsvData, DataConfig),
    ("model", "model.", ModelConfig.__doc__ or "", ModelConfig, None),
    ("model.recipe", "model.recipe.", "Training options that suit the backbone; `trainer.*` starts from them.", Recipe,
     None),
    ("tuning", "tuning.", TuningConfig.__doc__ or "", TuningConfig, None),
    ("trainer", "trainer.", "The recipe's names under `trainer.`, and:", TrainerConfig, Recipe),
    ("logger=wandb", "logger.", WandbLogger.__doc__ or "", WandbLogger, None),
    ("hydra/sweeper=search", "hydra.sweeper.", SearchConfig.__doc__ or "", SearchConfig, None),
    ("predict.py", "", "", PredictConfig, None),
    ("protloc.serving", "", "", ServeConfig, None),
    ("launch_sagemaker.py", "", "Beside everything that train.py takes:", LaunchConfig, TrainConfig),
    ("cluster", "cluster.", "For launch_sagemaker.py; as `hydra.launcher.cluster.*` for a sweep.", ClusterConfig, None),
    ("tuner", "tuner.", TunerConfig.__doc__ or "", TunerConfig, None),
    ("launch_sagemaker.py action=deploy", "", "Also for action=transform, invoke and delete.", DeployConfig, None),
    ("cluster, where a model answers", "cluster.", "", HostConfig, None),
]  # fmt: skip
"""Title, prefix, text, options, and the options that another section shows already."""

FOOT = """
## trainer.args

Any other option of `transformers.TrainingArguments` by its own name, checked against the installed version:
`trainer.args.adam_beta2=0.98`, `trainer.args.max_steps=1000`. What is given here has the last word, also
over protloc's own words.
"""


def page() -> str:
    """The page, as it is written to docs/configuration.md."""
    return "\n".join([HEAD, *(_section(*section) for section in SECTIONS)]) + FOOT


def _section(title: str, prefix: str, text: str, schema: Any, shown: Any) -> str:
    known = {f.name: f.default for f in dataclasses.fields(shown)} if shown else {}
    new = [f for f in dataclasses.fields(schema) if f.name not in known or f.default != known[f.name]]
    fields = [f for f in new if f.metadata.get("help")]
    head = [f"## {title}", "", *([text, ""] if text else [])]
    if not fields:
        return "\n".join(head)
    rows = [f"| `{prefix}{f.name}` | {default(f)} | {_meaning(f)} |" for f in fields]
    return "\n".join([*head, "| option | default | meaning |", "|---|---|---|", *rows, ""])


def default(f: dataclasses.Field[Any]) -> str:
    """The default as a user would type it."""
    if dataclasses.is_dataclass(f.type) or f.default is dataclasses.MISSING or f.default is MISSING:
        return ""
    return f"`{shown_value(f.default)}`"


def shown_value(value: Any) -> str:
    """A value as a user would type it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value) or "''"


def _meaning(f: dataclasses.Field[Any]) -> str:
    choices, least, most = (f.metadata.get(key) for key in ("choices", "least", "most"))
    parts = [f.metadata["help"].replace("|", "\\|")]
    if choices:
        more = " or a number" if least is not None else ""
        parts.append("one of " + ", ".join(f"`{choice}`" for choice in choices) + more)
    elif least is not None:
        parts.append(f"at least {least:g}" + (f", at most {most:g}" if most is not None else ""))
    return "; ".join(parts)


if __name__ == "__main__":
    print(page(), end="")
