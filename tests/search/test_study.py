"""The study and its database: by name, with seeds, old ones refused, known settings first."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from protloc.config import SearchConfig
from protloc.errors import UserError
from protloc.search.space import drawn, read_space

optuna = pytest.importorskip("optuna", reason="needs the extra [sweep]")

from protloc.search.study import enqueue, open_study  # noqa: E402


def options(folder: Path, **more: Any) -> SearchConfig:
    return SearchConfig(**{"storage": f"sqlite:///{folder / 'search.db'}", **more})


def test_ours_by_default(tmp_path: Path) -> None:
    study = open_study(options(tmp_path))
    assert isinstance(study.sampler, optuna.samplers.TPESampler)
    assert (study.sampler._multivariate, study.sampler._group, study.sampler._constant_liar) == (True, True, True)
    assert isinstance(study.pruner, optuna.pruners.MedianPruner)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE"]


def test_by_name_with_options(tmp_path: Path) -> None:
    study = open_study(
        options(
            tmp_path, sampler="cmaes", sampler_options={"n_startup_trials": 7}, pruner="HyperbandPruner",
            pruner_options={"reduction_factor": 4},
        )
    )  # fmt: skip
    assert isinstance(study.sampler, optuna.samplers.CmaEsSampler)
    assert study.sampler._n_startup_trials == 7
    assert isinstance(study.pruner, optuna.pruners.HyperbandPruner)
    assert study.pruner._reduction_factor == 4
    study = open_study(options(tmp_path, pruner=None, objectives=["figure", "seconds"], study_name="two"))
    assert isinstance(study.pruner, optuna.pruners.NopPruner)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"sampler": "tpa"}, "hydra.sweeper.sampler=tpa: there are bruteforce, cmaes, gp"),
        ({"pruner": "none"}, "hydra.sweeper.pruner=none: there are hyperband, median"),
        ({"sampler_options": {"sed": 1}}, "hydra.sweeper.sampler=tpe: "),
        ({"pruner": "percentile"}, "hydra.sweeper.pruner=percentile: "),
        (
            {"storage": "sqlite:////nowhere/at/all.db"},
            "hydra.sweeper.storage=sqlite:////nowhere/at/all.db cannot be opened",
        ),
        ({"storage": "nothing"}, "hydra.sweeper.storage=nothing cannot be opened"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, more: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as error:
        open_study(options(tmp_path, **more))
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_without_optuna_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"a search needs Optuna: pip install 'protloc\[sweep\]'"):
        open_study(options(tmp_path))


def test_a_database_of_the_old_version_is_refused(tmp_path: Path) -> None:
    """With the schema's name and version as Optuna 2.10.1 writes them, which is what Optuna looks at."""
    config = options(tmp_path)
    open_study(config)
    with sqlite3.connect(tmp_path / "search.db") as database:
        database.execute("UPDATE version_info SET library_version = '2.10.1'")
        database.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    with pytest.raises(UserError, match="an older Optuna, and its search cannot go on: begin a new one") as error:
        open_study(config)
    assert "\n" not in str(error.value)


def test_another_command_draws_other_settings(tmp_path: Path) -> None:
    """The seed is the command's with the trials that are there: else it would begin with the same ones again."""
    space, _ = read_space({"x": "interval(0.0, 1.0)"})

    def draw(folder: Path, commands: int) -> list[list[str]]:
        folder.mkdir(exist_ok=True)
        found = []
        for _ in range(commands):
            study = open_study(options(folder, sampler="random"))
            trial = study.ask()
            found.append(list(drawn(trial, space)))
            study.tell(trial, 0.0)
        return found

    first = draw(tmp_path / "a", 3)
    assert len({tuple(words) for words in first}) == 3
    assert draw(tmp_path / "b", 3) == first


def test_several_searches_in_one_database_and_other_objectives_refused(tmp_path: Path) -> None:
    open_study(options(tmp_path)).enqueue_trial({"x": 1})
    assert open_study(options(tmp_path, study_name="other")).trials == []
    assert len(open_study(options(tmp_path)).trials) == 1
    with pytest.raises(UserError, match=r"the search protloc has the objectives \[figure\]; give them, or another"):
        open_study(options(tmp_path, objectives=["seconds"]))


def test_known_settings_come_first_and_once(tmp_path: Path) -> None:
    space, _ = read_space({"lr": "interval(0.0, 1.0)", "tuning": {"full": {"layers": "range(0, 3)"}, "frozen": {}}})
    study = open_study(options(tmp_path))
    recipe = {"lr": 0.25, "tuning": "full", "layers": 7}
    for _ in range(2):
        assert enqueue(study, ["recipe", {"lr": 0.75, "tuning": "frozen"}], recipe, space) == ["layers=7"]
    words = [list(drawn(study.ask(), space)) for _ in range(2)]
    assert words[0][:2] == ["lr=0.25", "tuning=full"]
    assert words[1] == ["lr=0.75", "tuning=frozen"]
    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("recipes", "hydra.sweeper.enqueue: recipes is neither recipe nor {option: value}"),
        ({"lr": 2.0}, "hydra.sweeper.enqueue: lr=2.0: not in hydra.sweeper.params"),
        ({"lt": 0.5}, "hydra.sweeper.enqueue: lt: not in hydra.sweeper.params"),
    ],
)
def test_a_setting_outside_the_space_is_refused(tmp_path: Path, given: Any, line: str) -> None:
    space, _ = read_space({"lr": "interval(0.0, 1.0)"})
    with pytest.raises(UserError) as error:
        enqueue(open_study(options(tmp_path)), [given], {}, space)
    assert str(error.value) == line
