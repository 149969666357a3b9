"""What SageMaker reads of a job's log: figures by regular expressions that match what train.py says."""

from __future__ import annotations

NUMBER = r"(-?[0-9.]+)"

OBJECTIVE = "objective"
"""The figure that chose the kept weights: what a search looks at."""

METRICS = {
    "train:loss": rf"epoch [0-9.]+ of [0-9.]+: training loss {NUMBER}",
    "validation:loss": rf"epoch .*validation loss {NUMBER}",
    "validation:accuracy": rf"epoch .*accuracy {NUMBER}",
    "validation:mcc": rf"epoch .*MCC {NUMBER}",
    "test:accuracy": rf"test: accuracy {NUMBER}",
    "test:mcc": rf"test: accuracy .*MCC {NUMBER}",
    OBJECTIVE: rf"kept the weights with validation \w+ {NUMBER}",
}


def metric_definitions() -> list[dict[str, str]]:
    """As CreateTrainingJob takes them."""
    return [{"Name": name, "Regex": regex} for name, regex in METRICS.items()]
