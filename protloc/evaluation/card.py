"""The model card: what a stranger needs to know to use the model folder."""

from __future__ import annotations

from typing import Any

from protloc.model.configuration import ProteinClassifierConfig

HEAD = """---
library_name: transformers
pipeline_tag: text-classification
tags: [protein, subcellular-localization, protloc]
---

# Where in the cell: {backbone} tuned on {data}

Predicts one of {classes} locations for a protein from its sequence. Made by protloc {version}.

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


def model_card(config: ProteinClassifierConfig, metrics: dict[str, Any]) -> str:
    """Markdown for the model folder's README.md, with the figures of `metrics.json`."""
    reads = "any length, whole"
    if config.max_residues is not None:
        kept = {"middle": "both ends are", "head": "only the start is", "tail": "only the end is"}[config.crop]
        reads = f"up to {config.max_residues} residues whole; of longer ones {kept} read"
    head = HEAD.format(
        backbone=config.backbone_name,
        data=metrics["data"]["name"],
        classes=len(metrics["classes"]),
        version=metrics["versions"]["protloc"],
        reads=reads,
    )
    return head + "\n".join([*_summary(metrics), "", *_per_class(metrics), "", *_notes(metrics), ""])


def _summary(metrics: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "| split | proteins | accuracy (95 % interval) | MCC (95 % interval) | macro F1 |",
        "|---|---|---|---|---|",
    ]
    for split in ("validation", "test"):
        if split in metrics:
            m = metrics[split]
            (a, b), (c, d) = m["interval_95"]["accuracy"], m["interval_95"]["mcc"]
            lines.append(
                f"| {split} | {m['proteins']} | {m['accuracy']:.1%} ({a:.1%} to {b:.1%}) | {m['mcc']:.3f} "
                f"({c:.3f} to {d:.3f}) | {m['macro_f1']:.3f} |"
            )
    return lines


def _per_class(metrics: dict[str, Any]) -> list[str]:
    split = "test" if "test" in metrics else "validation"
    lines = [
        f"By class, on {split}:",
        "",
        "| location | proteins | precision | recall | F1 | MCC |",
        "|---|---|---|---|---|---|",
    ]
    for name, m in metrics[split]["per_class"].items():
        lines.append(
            f"| {name} | {m['support']} | {m['precision']:.2f} | {m['recall']:.2f} | {m['f1']:.2f} | {m['mcc']:.2f} |"
        )
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
