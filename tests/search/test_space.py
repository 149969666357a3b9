"""The words of a space, and the settings drawn from it."""

from __future__ import annotations

from typing import Any

import pytest

from protloc.errors import UserError
from protloc.search.space import (
    Choice,
    Interval,
    Space,
    drawn,
    examples,
    read_space,
    read_words,
    setting,
    without,
)

NESTED = {
    "trainer.batch_size": "choice(16, 32)",
    "tuning": {
        "full": {"model.freeze_layers": "range(0, 3)"},
        "frozen": {"trainer.learning_rate": "interval(0.1, 1.0)"},
    },
}
"""Options under a choice."""


def space_of(**params: Any) -> Space:
    return read_space({name.replace("__", "."): value for name, value in params.items()})[0]


def test_the_words_of_hydra() -> None:
    space, single = read_space(
        {
            "lr": "tag(log, interval(1e-5, 1e-3))",
            "layers": "interval(1, 4)",
            "epochs": "range(2, 10, 2)",
            "share": "range(0, 0.5, 0.1)",
            "pooling": "choice(mean, cls)",
            "crop": "middle,head",
            "size": 32,
            "compile": True,
        }
    )
    assert space == {
        "lr": Interval(1e-5, 1e-3, log=True),
        "layers": Interval(1, 4),
        "epochs": Interval(2, 8, step=2),
        "share": Interval(0.0, 0.4, step=0.1),
        "pooling": Choice(["mean", "cls"], ["mean", "cls"]),
        "crop": Choice(["middle", "head"], ["middle", "head"]),
    }
    assert single == {"size": "32", "compile": "true"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("interval(1", "cannot be read: give interval(0.1, 0.5)"),
        ("interval(0.5, 0.1)", "an interval goes up"),
        ("tag(log, interval(0, 1))", "begins above 0"),
        ("range(3, 4)", "holds 1 numbers; its end is not in it"),
    ],
)
def test_what_is_no_range_is_named(text: str, line: str) -> None:
    with pytest.raises(UserError, match=r"hydra\.sweeper\.params\.lr=") as error:
        read_space({"lr": text})
    assert line in str(error.value)
    assert error.value.exit_code == 2


def test_what_stands_on_the_command_line_counts() -> None:
    params = {**NESTED, "model.dropout": "interval(0, 0.5)", "seed": 3, "trainer.warmup": 0.1}
    space, words = read_words(
        params, ["data=demo", "model.dropout=0.2", "seed=1,2", "trainer.batch_size=range(8, 64, 8)"]
    )
    assert list(space) == ["tuning", "seed", "trainer.batch_size"]
    assert space["seed"] == Choice([1, 2], ["1", "2"])
    assert space["trainer.batch_size"] == Interval(8, 56, step=8)
    assert words == ["data=demo", "model.dropout=0.2", "trainer.warmup=0.1"]


def test_a_choice_that_is_made_leaves_what_stands_under_it() -> None:
    space, _ = read_space(NESTED)
    assert without(space, {"tuning": "frozen"}) == {
        "trainer.batch_size": space["trainer.batch_size"],
        "trainer.learning_rate": Interval(0.1, 1.0),
    }
    left = without(space, {"model.freeze_layers": "1"})["tuning"]
    assert isinstance(left, Choice)
    assert left.under == {"full": {}, "frozen": {"trainer.learning_rate": Interval(0.1, 1.0)}}
    space, _ = read_words(NESTED, ["tuning=frozen,full"])
    assert isinstance(space["tuning"], Choice)
    assert list(space["tuning"].under["full"]) == ["model.freeze_layers"]


def test_under_a_choice_stand_options_to_search() -> None:
    with pytest.raises(UserError, match=r"params\.tuning\.full=interval\(0, 1\): under a choice stand options"):
        space_of(tuning={"full": "interval(0, 1)"})
    with pytest.raises(UserError, match=r"params\.tuning\.full\.seed=3 is a single value"):
        space_of(tuning={"full": {"seed": 3}})


def test_examples_hold_each_value_of_each_choice() -> None:
    space, _ = read_space({**NESTED, "model": "choice(a, b, c)"})
    found = list(examples(space))
    assert len(found) == 3
    assert {word for words in found for word in words} == {
        "trainer.batch_size=16", "trainer.batch_size=32", "tuning=full", "tuning=frozen", "model.freeze_layers=0",
        "trainer.learning_rate=0.1", "model=a", "model=b", "model=c",
    }  # fmt: skip
    for words in found:
        assert ("tuning=full" in words) == ("model.freeze_layers=0" in words)
    assert list(examples({})) == []


def test_a_known_setting_as_parameters() -> None:
    space, _ = read_space(NESTED)
    given = {"trainer.batch_size": 32, "tuning": "full", "model.freeze_layers": 2, "trainer.learning_rate": 0.5}
    assert setting(space, given) == (
        {"trainer.batch_size": "32", "tuning": "full", "model.freeze_layers (tuning=full)": 2}, [],
    )  # fmt: skip
    given = {"trainer.batch_size": 24, "tuning": "full", "model.freeze_layers": 5}
    assert setting(space, given) == ({"tuning": "full"}, ["trainer.batch_size=24", "model.freeze_layers=5"])


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [
        (Interval(0.0, 0.5), [0, 0.25, 0.5], [-0.1, 0.6, True, None, "x"]),
        (Interval(1, 4), [1, 4, 2.0], [1.5, 5]),
        (Interval(2, 8, step=2), [2, 8], [3, 10]),
        (Interval(0.0, 0.4, step=0.1), [0.1, 0.30000000000000004], [0.25]),
    ],
)
def test_numbers_of_an_interval(values: Interval, inside: list[Any], outside: list[Any]) -> None:
    assert [value in values for value in inside] == [True] * len(inside)
    assert [value in values for value in outside] == [False] * len(outside)


def test_trials_draw_only_what_counts_for_them() -> None:
    optuna = pytest.importorskip("optuna", reason="needs the extra [sweep]")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, _ = read_space({**NESTED, "lr": "tag(log, interval(1e-5, 1e-3))", "layers": "range(1, 5)"})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set()
    for _ in range(20):
        trial = study.ask()
        words = list(drawn(trial, space))
        assert words == list(drawn(trial, space)), "a trial that has been drawn stays as it is"
        named = dict(word.split("=") for word in words)
        assert len(named["lr"].replace("e-0", "").replace(".", "").lstrip("0")) <= 5, "four digits"
        assert 1e-5 <= float(named["lr"]) <= 1e-3
        assert ("model.freeze_layers" in named) == (named["tuning"] == "full")
        assert ("trainer.learning_rate" in named) == (named["tuning"] == "frozen")
        seen |= set(trial.params)
        study.tell(trial, 0.0)
    assert seen == {
        "trainer.batch_size", "tuning", "model.freeze_layers (tuning=full)", "trainer.learning_rate (tuning=frozen)",
        "lr", "layers",
    }  # fmt: skip
