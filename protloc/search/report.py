"""What a search has found: the best setting as a command, what mattered, and one page of pictures."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protloc.config import SearchConfig, maximized
from protloc.files import write_text
from protloc.runs.folder import BEST
from protloc.search.page import Shown, page
from protloc.search.space import Space
from protloc.search.study import load_optuna

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

LEAST = 5
"""Trials that have to come to their end before the options' importance is more than noise."""


def write_report(
    study: Study, folder: Path, options: SearchConfig, monitor: str, words: Sequence[str], space: Space
) -> None:
    """Write `best.txt` for a person, and `search.html` with the pictures.

    Args:
        study: the search's.
        folder: of the sweep.
        options: `hydra.sweeper`.
        monitor: the figure that was searched for.
        words: that every run has.
        space: what was searched.
    """
    trials = [trial for trial in study.get_trials(deepcopy=False) if "words" in trial.user_attrs]
    weights = importances(study)
    lines = [f"search {options.study_name}: {_counted(trials)}"]
    best = _best(study)
    for trial in best:
        values = zip(options.objectives, trial.values, strict=True)
        said = ", ".join(_said(name, value, monitor) for name, value in values)
        lines.append(f"{'best' if len(best) == 1 else 'on the Pareto front'}: trial {trial.number}, {said}")
        lines.append(f"  {shlex.join(['python', 'train.py', *words, *trial.user_attrs['words']])}")
    if weights:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in weights.items())
        lines.append(f"what the differences come from (fANOVA): {shares}")
    lines.append(f"pictures: {folder / 'search.html'}; every run: {folder / 'leaderboard.csv'}")
    shown = [_shown(trial, options.objectives, monitor) for trial in trials]
    write_text(folder / "search.html", page(options.study_name, monitor, options.objectives, shown, weights, space))
    write_text(folder / BEST, "\n".join(lines) + "\n")


def importances(study: Study) -> dict[str, float]:
    """Share of the variance of the first objective that each option explains, by fANOVA, the largest first.

    Options under a choice are not in it: not every trial has them. Empty while there are too few trials.
    """
    optuna = load_optuna()
    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(done) < LEAST or len({trial.values[0] for trial in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(
            optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                target=lambda trial: trial.values[0],
            )
        )


def _best(study: Study) -> list[FrozenTrial]:
    """The best trial, or those of the Pareto front; none while none has come to its end."""
    states = load_optuna().trial.TrialState
    done = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    if not done:
        return []
    return [study.best_trial] if len(study.directions) == 1 else study.best_trials


def _counted(trials: Sequence[FrozenTrial]) -> str:
    counts = Counter(trial.state.name for trial in trials)
    kinds = {"COMPLETE": "to their end", "PRUNED": "stopped early", "FAIL": "failed", "RUNNING": "not at their end"}
    parts = [f"{counts[name]} {text}" for name, text in kinds.items() if counts[name]]
    return f"{len(trials)} trials" + (f", {', '.join(parts)}" if parts else "")


def _said(name: str, value: float, monitor: str) -> str:
    if name == "figure":
        return f"validation {monitor} {maximized(monitor, value):.4f}"
    return f"{value:,.0f} {name}"


def _shown(trial: FrozenTrial, objectives: Sequence[str], monitor: str) -> Shown:
    values: list[Any] = list(trial.values or [])
    if objectives[0] == "figure" and values:
        values[0] = maximized(monitor, values[0])
    return Shown(
        trial.number, trial.state.name.lower(), values, trial.user_attrs["words"], dict(trial.params),
        trial.user_attrs.get("error", ""), len(trial.intermediate_values),
    )  # fmt: skip
