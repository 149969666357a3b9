"""What a run and a search that watches it say to each other, by two small files in the run's folder.

The run writes each epoch's validation figures. A search answers with the step that it has judged, and whether the run
stops there. A folder without an answer has nobody who watches: the run waits for none. So it is the same for a run in
the search's own process, in another one, and on another machine that sees the folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from protloc.config import maximized
from protloc.files import write_text

EPOCHS, VERDICT = "epochs.jsonl", "verdict.json"


class Verdict(NamedTuple):
    """What a search says.

    Attributes:
        step: the optimizer step that it has judged; 0: none yet.
        stop: whether the run ends there.
    """

    step: int
    stop: bool


def write_epochs(folder: Path, epochs: Iterable[Mapping[str, Any]]) -> None:
    """Write the epochs so far, one JSON object a line: `epoch`, `step`, the figures; what is not finite is null."""
    lines = [
        json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in epoch.items()})
        for epoch in epochs
    ]
    write_text(folder / EPOCHS, "".join(f"{line}\n" for line in lines))


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run so far; none where it has not written any."""
    try:
        return [json.loads(line) for line in (folder / EPOCHS).read_text().splitlines()]
    except FileNotFoundError:
        return []


def best_epoch(epochs: Sequence[Mapping[str, Any]], monitor: str) -> Mapping[str, Any]:
    """The one whose weights would be kept; of several that are alike, the first."""
    return max(epochs, key=lambda epoch: -math.inf if epoch[monitor] is None else maximized(monitor, epoch[monitor]))


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Say it; the first one, of step 0, says that the run is watched."""
    write_text(folder / VERDICT, json.dumps(verdict._asdict()) + "\n")


def read_verdict(folder: Path) -> Verdict | None:
    """What was said last; None where nobody watches."""
    try:
        return Verdict(**json.loads((folder / VERDICT).read_text()))
    except FileNotFoundError:
        return None


def pruned_metrics(epochs: Sequence[Mapping[str, Any]], monitor: str) -> dict[str, Any]:
    """What metrics.json says of a run that its search has stopped: no model was kept, no test protein seen."""
    best = best_epoch(epochs, monitor)
    figures = {name: value for name, value in best.items() if name not in ("epoch", "step")}
    return {"pruned": True, "validation": figures, "best_epoch": best["epoch"], "epochs": epochs[-1]["epoch"]}
