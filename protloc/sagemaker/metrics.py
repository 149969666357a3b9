"""What SageMaker reads of a job's log: figures by regular expressions that match what train.py says."""

from __future__ import annotations

from protloc.tasks.choose import TASKS

NUMBER = r"(-?[0-9.]+)"

OBJECTIVE = "objective"
"""The figure that chose the kept weights: what a search looks at."""

FIGURES = {figure.name: figure.words for task in TASKS.values() for figure in task.headline}
"""Of every task, as the log has them."""

METRICS = {
    "train:loss": rf"epoch [0-9.]+ of [0-9.]+: training loss {NUMBER}",
    "validation:loss": rf"epoch .*validation loss {NUMBER}",
    **{f"validation:{name}": rf"epoch .*{words} {NUMBER}" for name, words in FIGURES.items()},
    **{f"test:{name}": rf" test: .*{words} {NUMBER}" for name, words in FIGURES.items()},
    OBJECTIVE: rf"kept the weights with validation \w+ {NUMBER}",
}


def metric_definitions() -> list[dict[str, str]]:
    """As CreateTrainingJob takes them."""
    return [{"Name": name, "Regex": regex} for name, regex in METRICS.items()]
