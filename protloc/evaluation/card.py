"""The model card: what a stranger needs to know to use the model folder."""

from __future__ import annotations

from typing import Any

from protloc.model.configuration import ProteinClassifierConfig
from protloc.tasks.task import Figure, Task

HEAD = """---
library_name: transformers
pipeline_tag: text-classification
tags: [protein, subcellular-localization, protloc]
---

# Where in the cell: {backbone} tuned on {data}

Predicts {what} for a protein from its sequence. Made by protloc {version}.

## Use

```
python predict.py model_dir=THIS_FOLDER input=proteins.fasta output=locations.csv
```

```python
import protloc  # makes the Auto classes know the model
from transformers import pipeline

pipeline("text-classification", model="THIS_FOLDER")("MKTAYIAKQR...")  # plain residues, no spaces
```

## What it reads

Proteins of {reads}. The letters U, Z, O, B and J are read as X unless the backbone knows them.

## Measured
"""


WHAT = {"single": "one of {} locations", "multilabel": "one or more of {} locations"}
MEMBRANE = ", and whether it is bound to a membrane,"


def model_card(config: ProteinClassifierConfig, task: Task, metrics: dict[str, Any]) -> str:
    """Markdown for the model folder's README.md, with the figures of `metrics.json`."""
    reads = "any length, whole"
    if config.max_residues is not None:
        kept = {"middle": "both ends are", "head": "only the start is", "tail": "only the end is"}[config.crop]
        reads = f"up to {config.max_residues} residues whole; of longer ones {kept} read"
    head = HEAD.format(
        backbone=config.backbone_name,
        data=metrics["data"]["name"],
        what=WHAT[task.name].format(len(task.labels)) + (MEMBRANE if task.has_membrane else ""),
        version=metrics["versions"]["protloc"],
        reads=reads,
    )
    return head + "\n".join([*_summary(task, metrics), "", *_per_class(task, metrics), "", *_notes(metrics), ""])


def _summary(task: Task, metrics: dict[str, Any]) -> list[str]:
    heads = [f"{figure.words} (95 % interval)" for figure in task.headline]
    lines = ["", f"| split | proteins | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for split in ("validation", "test"):
        if split in metrics:
            figures = metrics[split]
            cells = [_with_interval(figures, figure) for figure in task.headline]
            lines.append(f"| {split} | {figures['proteins']} | {' | '.join(cells)} |")
    for split in ("validation", "test"):
        if "membrane" in metrics.get(split, {}):
            bound = metrics[split]["membrane"]
            lines += ["", f"Membrane, on {split}: {bound['accuracy']:.1%} of {bound['proteins']} proteins right, MCC "
                          f"{bound['mcc']:.3f}."]  # fmt: skip
    return lines


def _with_interval(figures: dict[str, Any], figure: Figure) -> str:
    low, high = figures["interval_95"][figure.name]
    return f"{figures[figure.name]:{figure.format}} ({low:{figure.format}} to {high:{figure.format}})"


def _per_class(task: Task, metrics: dict[str, Any]) -> list[str]:
    split = "test" if "test" in metrics else "validation"
    heads = [name.replace("_", " ").replace("mcc", "MCC").replace("f1", "F1") for name in task.per_class]
    lines = [
        f"By class, on {split}:",
        "",
        f"| location | proteins | {' | '.join(heads)} |",
        "|---" * (len(heads) + 2) + "|",
    ]
    for name, row in metrics[split]["per_class"].items():
        cells = " | ".join(f"{row[key]:.2f}" for key in task.per_class)
        lines.append(f"| {name} | {row['support']} | {cells} |")
    return lines


def _notes(metrics: dict[str, Any]) -> list[str]:
    best = metrics["best_epoch"]
    return [
        f"Trained on {metrics['counts']['train']} proteins, seed {metrics['seed']}, data fingerprint "
        f"`{metrics['data']['fingerprint'][:16]}`; weights of epoch {best:g}, chosen on validation."
        if best is not None
        else f"Trained on {metrics['counts']['train']} proteins, seed {metrics['seed']}.",
        "The probabilities are the model's own and not calibrated.",
    ]
