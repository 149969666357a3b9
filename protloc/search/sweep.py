"""hydra/sweeper=search: trials are asked of Optuna, sent through Hydra's launcher, and told to Optuna when they end.

A trial is a run in the folder of its number. What has happened is read from that folder and from the database, never
from this process's memory: killed at any moment, the same command goes on with the trials that were begun.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from protloc.config import SearchConfig, problems
from protloc.config.schemas import options_of
from protloc.errors import UserError
from protloc.files import write_json
from protloc.runs.epochs import VERDICT
from protloc.runs.folder import PLACE, SEARCH, alone, has_run, is_at_work
from protloc.runs.objectives import check_objectives, objective
from protloc.search.report import write_report
from protloc.search.space import drawn, examples, read_words
from protloc.search.study import enqueue, load_optuna, names, open_study
from protloc.search.watch import Ended, Watch, ended

if TYPE_CHECKING:
    from optuna.trial import Trial

log = logging.getLogger(__name__)

SHOWN = 500
"""Characters of what a launcher says of a job that was killed, logs and all."""


def search(context: HydraContext, config: DictConfig, launcher: Launcher, arguments: Sequence[str]) -> None:
    """Search, or go on with a search, to its end.

    Args:
        context: Hydra's.
        config: the sweep's configuration.
        launcher: Hydra's, set up.
        arguments: the words of the command line; some may have several values.

    Raises:
        UserError: an option is wrong, the database cannot be used, or too many runs have failed.
    """
    options = options_of(config.hydra.sweeper, "hydra.sweeper.")
    wrong = list(problems(options, "hydra.sweeper."))
    if wrong:
        raise UserError("; ".join(wrong), exit_code=2)
    check_objectives(options.objectives)
    load_optuna()
    folder = Path(config.hydra.sweep.dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / ".search.lock", f"the search in {folder}"):
        Search(context, config, launcher, arguments, options, folder).run()


class Search:
    """One command's part in a search; arguments as for `search`.

    Args:
        options: `hydra.sweeper`.
        folder: of the sweep.
    """

    def __init__(
        self, context: HydraContext, config: DictConfig, launcher: Launcher, arguments: Sequence[str],
        options: SearchConfig, folder: Path,
    ) -> None:  # fmt: skip
        self.context, self.config, self.launcher = context, config, launcher
        self.options, self.folder = options, folder
        self.space, self.words = read_words(options.params, arguments)
        base = self._composed(self.words)
        self.monitor: str = base.trainer.monitor
        for words in examples(self.space):
            self._composed([*self.words, *words])  # a typo ends here, and not trial after trial
        self.study = open_study(options)
        self._check_same()
        for word in enqueue(self.study, options.enqueue, self._recipe(base), self.space):
            log.info("the recipe's %s is not in the search's space: the sampler chooses there", word)
        self.stops = options.pruner is not None and len(options.objectives) == 1
        if options.pruner is not None and not self.stops:
            log.info("runs are not stopped early: with several objectives none of them says which are hopeless")
        write_json(folder / SEARCH, {"objectives": list(options.objectives)})  # for the leaderboard
        self.failures: list[Exception | str] = []
        self.run_here = 0
        self.exhausted = False

    def _composed(self, words: Sequence[str]) -> DictConfig:
        return self.context.config_loader.load_sweep_config(self.config, list(words))

    def _recipe(self, base: DictConfig) -> dict[str, Any]:
        """What a run without the search has for the options that are searched."""
        found = {}
        for name in names(self.space):
            key = name.lstrip("+")
            chosen = base.hydra.runtime.choices.get(key)
            found[name] = chosen if chosen is not None else OmegaConf.select(base, key)
        return found

    def _check_same(self) -> None:
        """Refuse a study whose runs were given other words.

        Raises:
            UserError: see above.
        """
        words = [word for word in self.words if not word.startswith(PLACE)]
        before = self.study.user_attrs.get("words", words)
        if set(before) != set(words):
            changed = sorted(set(before) ^ set(words))
            raise UserError(
                f"{self.options.storage}: the search {self.options.study_name} was begun with other words "
                f"({', '.join(changed)}): give the same, or another hydra.sweeper.study_name="
            )
        self.study.set_user_attr("words", words)

    def run(self) -> None:
        """Trial after trial, or some at a time, until there are enough."""
        began = time.monotonic()
        begun = list(self._begun_before())
        if begun:
            log.info("going on with %d trials that were begun", len(begun))
        try:
            while begun or (self.options.timeout is None or time.monotonic() - began < self.options.timeout):
                batch, begun = begun[: self.options.n_jobs], begun[self.options.n_jobs :]
                batch = batch or list(self._new())
                if not batch:
                    break
                self._run(batch)
                self._check_failures()
        finally:
            write_report(self.study, self.folder, self.options, self.monitor, self.words, self.space)

    def _begun_before(self) -> Iterator[Trial]:
        """Trials of this folder that an earlier command has begun and not brought to their end."""
        optuna = load_optuna()
        states = (optuna.trial.TrialState.RUNNING,)
        trials = self.study.get_trials(states=states)
        if any("sweep" not in trial.user_attrs for trial in trials):
            time.sleep(2)  # one that another search asks for right now, or one whose search was killed then
            trials = self.study.get_trials(states=states)
        for trial in trials:
            sweep = trial.user_attrs.get("sweep")
            if sweep is None or Path(sweep) == self.folder or not Path(sweep).exists():  # moved
                yield optuna.trial.Trial(self.study, trial._trial_id)

    def _new(self) -> Iterator[Trial]:
        """As many new trials as are run together, or as are left."""
        states = load_optuna().trial.TrialState
        there = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != states.WAITING]
        for _ in range(0 if self.exhausted else min(self.options.n_jobs, self.options.n_trials - len(there))):
            trial = self.study.ask()
            trial.set_user_attr("sweep", str(self.folder))
            self._words(trial)  # before the next one is asked for: it keeps apart from this one
            yield trial

    def _words(self, trial: Trial) -> list[str]:
        """The words of a trial's setting."""
        words: list[str] | None = trial.user_attrs.get("words")
        if words is None:
            try:
                words = list(drawn(trial, self.space))
            except ValueError as error:
                raise UserError(
                    f"{self.options.storage}: the search {self.options.study_name} has other values to choose from "
                    f"({error}): give the same, or another hydra.sweeper.study_name="
                ) from error
            trial.set_user_attr("words", words)
        return words

    def _run(self, batch: Sequence[Trial]) -> None:
        """Bring some trials to their end, side by side if the launcher does so."""
        trials = {self.folder / str(trial.number): trial for trial in batch}
        known = {trial.number: set(trial.intermediate_values) for trial in self.study.get_trials(deepcopy=False)}
        watched = trials if len(self.options.objectives) == 1 else {}  # Optuna takes no epochs with several
        watch = Watch(watched, self.monitor, {f: known[t.number] for f, t in watched.items()}, self.stops)
        results: dict[Path, JobReturn] = {}
        broken: Exception | None = None
        with watch.watching():
            _wait_for(trials)  # a job may have outlived the search that sent it
            todo = [folder for folder in trials if ended(folder) is None]
            try:
                if todo:
                    jobs = [self._job(folder, trials[folder]) for folder in todo]
                    returned = self.launcher.launch(jobs, initial_job_idx=trials[todo[0]].number)
                    results = dict(zip(todo, returned, strict=True))
            except Exception as error:  # of the launcher: a job was killed, say; the others may go on
                broken = error
            _wait_for(trials)
        for folder, trial in trials.items():
            end = ended(folder) or self._without_figures(folder, results.get(folder), broken)
            if end is not None:
                self._tell(folder, trial, end, results.get(folder))
        if broken is not None and any(ended(folder) is None and not has_run(folder) for folder in trials):
            raise broken  # it never came so far as to begin them; the same command tries again

    def _job(self, folder: Path, trial: Trial) -> list[str]:
        again = ["resume=auto"] if has_run(folder) else []
        return [*self.words, *self._words(trial), *again, f"hydra.sweep.subdir={folder.name}"]

    def _without_figures(self, folder: Path, result: JobReturn | None, broken: Exception | None) -> Ended | None:
        """How a run has ended that left neither figures nor an error; None where it has not begun."""
        value = result._return_value if result is not None else None
        if result is not None and result.status == JobStatus.FAILED:
            return Ended(None, f"{type(value).__name__}: {value}")
        if isinstance(value, float) and self.options.objectives == ["figure"]:  # its folder is on another machine
            return Ended({"value": value})
        if result is not None:
            return Ended(None, "its launcher came back without figures: a search waits for its runs")
        if broken is not None and has_run(folder):
            return Ended(None, " ".join(str(broken).split())[:SHOWN] or type(broken).__name__)
        return None

    def _tell(self, folder: Path, trial: Trial, end: Ended, result: JobReturn | None) -> None:
        states = load_optuna().trial.TrialState
        self.run_here += 1
        values, state = None, states.PRUNED if end.pruned else states.COMPLETE
        if end.metrics is None:
            state = states.FAIL
            value = result._return_value if result is not None else None
            self.failures.append(value if isinstance(value, Exception) else end.error)
            trial.set_user_attr("error", end.error)
            log.warning("trial %d failed: %s", trial.number, end.error)
        elif state == states.COMPLETE:
            values = [end.metrics["value"]] if "value" in end.metrics else [
                objective(name, end.metrics, self.monitor) for name in self.options.objectives
            ]  # fmt: skip
        try:
            self.study.tell(trial, values, state=state)
        except RuntimeError as error:
            if "Study.stop" not in str(error):
                raise
            self.exhausted = True  # a sampler that has tried everything
        (folder / VERDICT).unlink(missing_ok=True)

    def _check_failures(self) -> None:
        """End the search where too many runs of this command have failed.

        Raises:
            Exception: the last failure.
        """
        if len(self.failures) <= max(1, self.options.max_failure_rate * self.run_here):
            return
        last = self.failures[-1]
        if isinstance(last, Exception) and not isinstance(last, UserError):
            raise last  # ours: with its traceback
        raise UserError(
            f"{len(self.failures)} of {self.run_here} runs have failed, more than hydra.sweeper.max_failure_rate="
            f"{self.options.max_failure_rate:g}: {last}; the same command goes on"
        )


def _wait_for(folders: Mapping[Path, Any]) -> None:
    """Go on when no process works on one of these runs."""
    while any(is_at_work(folder) for folder in folders):
        time.sleep(0.2)
