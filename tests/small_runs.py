"""Small runs that are compared with each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.scripts import SMALL_TINY

STILL = ("model.dropout=0", "model.from_scratch.dropout=0", "model.from_scratch.substitution=0")
"""No random numbers in the model: each process would draw its own."""


def words(out: Path, *more: str) -> list[str]:
    """The command line of a small run."""
    return [
        "data=fasta", "data.train=train.fasta", "data.test=test.fasta", *SMALL_TINY, "trainer.precision=fp32",
        "trainer.gpus=0", "trainer.epochs=3", f"hydra.run.dir={out}", *more,
    ]  # fmt: skip


def figures(out: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics


def assert_same_figures(a: Path, b: Path) -> None:
    for split in ("validation", "test"):
        ours, theirs = figures(a)[split], figures(b)[split]
        assert ours["proteins"] == theirs["proteins"]
        assert ours["confusion_matrix"] == theirs["confusion_matrix"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)


def assert_same_weights(a: Path, b: Path, tolerance: float) -> None:
    ours, theirs = (load_file(out / "model" / "model.safetensors") for out in (a, b))
    for name, weight in ours.items():
        if name.endswith("scores.bias"):
            continue  # a softmax does not see it: its gradient is rounding, which Adam makes large
        np.testing.assert_allclose(weight, theirs[name], atol=tolerance, err_msg=name)
