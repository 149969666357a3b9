"""The command that goes on with a run, from the words that began it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protloc.cli.words import is_sweep
from protloc.errors import UserError
from protloc.runs.folder import CONFIG, END, OVERRIDES, PLACE, has_run

log = logging.getLogger(__name__)

FILES = ("data.path", "data.train", "data.validation", "data.test")
"""These may change too: the files may lie elsewhere by then, and each checkpoint holds their proteins' fingerprint."""


def overrides_to_resume(arguments: list[str]) -> list[str]:
    """The command line of a run that goes on: its first words, then what is said now.

    Args:
        arguments: of train.py; without `resume=` they come back as they are.

    Raises:
        UserError: the folder holds no run, or one that has come to its end; or it is no single run.
        SystemExit: code 0, where `resume=auto` finds a run at its end: a job that was restarted has nothing to do.
    """
    import yaml

    given = dict(word.split("=", 1) for word in arguments if "=" in word and not word.startswith("-"))
    wanted = given.get("resume", "null")
    if wanted == "null":
        return arguments
    if is_sweep(arguments):
        raise UserError("resume= goes on with one run: leave -m out and name the run's folder", exit_code=2)
    if wanted == "auto" and "hydra.run.dir" not in given:
        raise UserError("resume=auto needs hydra.run.dir=FOLDER, the same each time the job starts", exit_code=2)
    folder = Path(given["hydra.run.dir"] if wanted == "auto" else wanted)
    if not has_run(folder):
        if wanted == "auto":
            return arguments
        raise UserError(f"resume={folder}: no run of train.py was begun there (no {OVERRIDES})")
    if (folder / END).exists():
        if wanted == "auto":
            print(f"{folder}: the run has come to its end; nothing to do", file=sys.stderr)
            raise SystemExit(0)
        if json.loads((folder / END).read_text()).get("pruned"):
            raise UserError(f"resume={folder}: its search has stopped this run early; begin a new run with its words")
        raise UserError(f"resume={folder}: this run has come to its end; its model is in {folder / 'model'}")
    first = [word for word in yaml.safe_load((folder / OVERRIDES).read_text()) if word.split("=", 1)[0] not in given]
    now = [word for word in arguments if word.split("=", 1)[0] != "hydra.run.dir"]
    return [*first, *now, f"hydra.run.dir={folder}"]


def check_unused(run_dir: Path) -> None:
    """Refuse a folder that holds another run; one where nothing was trained may be used again.

    Raises:
        UserError: it holds what a run leaves: a table of predictions there may be what this run is to read.
    """
    for name in ("checkpoints", "model", "metrics.json", "predictions_test.csv", "mistakes_test.csv"):
        if (run_dir / name).exists():
            raise UserError(f"{run_dir} holds a run already ({name}): give another hydra.run.dir=, or remove it")


def check_same(run_dir: Path, resolved: Any) -> None:
    """Say which options differ from those that the run was begun with.

    Raises:
        UserError: one of them would make it another run.
    """
    import yaml

    before = dict(_flat(yaml.safe_load((run_dir / CONFIG).read_text())))
    now = dict(_flat(resolved))
    changed = [
        f"{name}={now.get(name)} (was {before.get(name)})"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and name != "resume"
    ]
    refused = [line for line in changed if not line.startswith((*PLACE, *FILES))]
    if refused:
        raise UserError(f"{run_dir} cannot go on with other options: {', '.join(refused)}; begin a new run with them")
    for line in changed:
        log.info("going on with %s", line)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
