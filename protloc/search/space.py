"""The values that a search may give an option, in the words of Hydra's sweeps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from protloc.errors import UserError

if TYPE_CHECKING:
    from optuna.trial import Trial

SYNTAX = "give interval(0.1, 0.5), tag(log, interval(1e-5, 1e-3)), choice(16, 32) or range(1, 5)"


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included, whole ones where both are.

    `log`: their orders of magnitude count alike. `step`: only `low`, `low + step`, and so on.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    def numbers(self) -> list[float]:
        """All of them, where there is a step."""
        assert self.step
        return [self.low + self.step * i for i in range(round((self.high - self.low) / self.step) + 1)]

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        step = self.step or (1 if self.whole else 0)
        return not step or math.isclose(value, self.low + step * round((value - self.low) / step))


@dataclass(frozen=True)
class Choice:
    """Some values.

    Attributes:
        values: as Python has them.
        words: as they stand behind `NAME=`.
        under: by word, the options that are searched where it is chosen, and nowhere else.
    """

    values: Sequence[Any]
    words: Sequence[str]
    under: Mapping[str, Space] = field(default_factory=dict)


Space = Mapping[str, Interval | Choice]
"""What may be tried, by the names of the options."""


def searched(name: str, text: str, where: str) -> Interval | Choice | None:
    """What `text` allows; None where it is a single value.

    Args:
        name: of the option.
        text: `interval(a, b)`, `tag(log, interval(a, b))`, `choice(a, b, ...)`, `a, b, ...` or `range(a, b, step)`.
        where: it was given, for messages.

    Raises:
        UserError: it cannot be read.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"{name}={text}")
    except HydraException as error:
        raise UserError(f"{where}{name}={text} cannot be read: {SYNTAX}", exit_code=2) from error
    value = override.value()
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        if not value.start < value.end or ("log" in value.tags and value.start <= 0):
            raise UserError(
                f"{where}{name}={text}: an interval goes up, and one of orders of magnitude begins above 0", exit_code=2
            )
        return Interval(value.start, value.end, "log" in value.tags)
    if isinstance(value, ChoiceSweep):
        words = [str(word) for word in override.sweep_string_iterator()]
        return Choice([plain(item) for item in value.list], words)
    if isinstance(value, RangeSweep):
        numbers = [float(f"{number:.10g}") if isinstance(number, float) else number for number in value.range()]
        if len(numbers) < 2:
            raise UserError(f"{where}{name}={text} holds {len(numbers)} numbers; its end is not in it", exit_code=2)
        return Interval(min(numbers), max(numbers), step=abs(value.step))
    return None


def plain(item: Any) -> Any:
    """A parsed element as Python has it."""
    from hydra.core.override_parser.types import Override

    return Override._convert_value(item)


def read_space(params: Mapping[str, Any], where: str = "hydra.sweeper.params.") -> tuple[Space, dict[str, str]]:
    """The options to search, and those that have a single value, with its word.

    Args:
        params: values by the options' names. A mapping is a choice of its keys, each with the params that count there.
        where: they were given, for messages.

    Raises:
        UserError: a value cannot be read, or what stands under a choice is no options to search.
    """
    space: dict[str, Interval | Choice] = {}
    single = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            space[name] = _choice_with_params(name, value, where)
        elif (values := searched(name, word(value), where)) is not None:
            space[name] = values
        else:
            single[name] = word(value)
    return space, single


def _choice_with_params(name: str, value: Mapping[Any, Any], where: str) -> Choice:
    under = {}
    for key, params in value.items():
        inside = f"{where}{name}.{word(key)}"
        if not isinstance(params, Mapping | None):
            raise UserError(
                f"{inside}={params}: under a choice stand options to search, or nothing ({{}})", exit_code=2
            )
        under[word(key)], single = read_space(params or {}, f"{inside}.")
        for option, text in single.items():
            raise UserError(f"{inside}.{option}={text} is a single value: {SYNTAX}", exit_code=2)
    return Choice(list(value), list(under), under)


def read_words(params: Mapping[str, Any], arguments: Sequence[str]) -> tuple[Space, list[str]]:
    """What is searched, and the words that every run has; what stands on the command line counts.

    Args:
        params: `hydra.sweeper.params`.
        arguments: of the command line.

    Raises:
        UserError: a value cannot be read.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    said: dict[str, Any] = {}
    words = []
    for argument in arguments:
        name, _, text = argument.partition("=")
        if parser.parse_override(argument).is_sweep_override():
            said[name] = searched(name, text, "")
        else:
            words.append(argument)
    space, single = read_space(params)
    given = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    for name, values in said.items():
        if isinstance(values, Choice) and isinstance(before := space.get(name), Choice):
            said[name] = replace(values, under={chosen: before.under.get(chosen, {}) for chosen in values.words})
    space = {**without(space, {**single, **given, **dict.fromkeys(said, "")}), **said}
    first = [f"{name}={text}" for name, text in single.items() if name not in {**given, **said}]
    return space, [*words, *first]


def without(space: Space, given: Mapping[str, str]) -> Space:
    """The space where some options have got a single value; what stands under a choice that was made is searched.

    Args:
        space: of the search.
        given: words by the options' names.
    """
    left: dict[str, Interval | Choice] = {}
    for name, values in space.items():
        if isinstance(values, Choice):
            if name in given:
                left |= without(values.under.get(given[name], {}), given)
                continue
            values = replace(values, under={chosen: without(inner, given) for chosen, inner in values.under.items()})
        if name not in given:
            left[name] = values
    return left


def word(value: Any) -> str:
    """A value of YAML's as it stands behind `NAME=`."""
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def drawn(trial: Trial, space: Space, under: str = "") -> Iterator[str]:
    """The words of a trial's setting, chosen where the trial does not have them yet.

    Args:
        trial: Optuna's; its parameters are named as the options, with the choices that they stand under in brackets.
        space: of the search.
        under: the choices made so far.
    """
    for name, values in space.items():
        if isinstance(values, Interval):
            yield f"{name}={_number(trial, _parameter(name, under), values)}"
            continue
        chosen = str(trial.suggest_categorical(_parameter(name, under), list(values.words)))
        yield f"{name}={chosen}"
        yield from drawn(trial, values.under.get(chosen, {}), _and(under, f"{name}={chosen}"))


def _parameter(name: str, under: str) -> str:
    """`model.dropout`, or `model.dropout (tuning=full)` under a choice: elsewhere it may have other values."""
    return f"{name} ({under})" if under else name


def _and(under: str, chosen: str) -> str:
    return f"{under}, {chosen}" if under else chosen


def _number(trial: Trial, key: str, values: Interval) -> str:
    if values.whole:
        step = int(values.step or 1)
        return str(trial.suggest_int(key, int(values.low), int(values.high), step=step, log=values.log))
    number = trial.suggest_float(key, values.low, values.high, log=values.log, step=values.step)
    short = f"{number:.4g}"  # what a person types and reads; the database has all digits
    return short if values.low <= float(short) <= values.high else repr(number)


def setting(space: Space, given: Mapping[str, Any], under: str = "") -> tuple[dict[str, Any], list[str]]:
    """A known setting as Optuna's parameters, and the words in it that the space does not hold.

    Args:
        space: of the search.
        given: values by the options' names; those that are missing are left to the sampler.
        under: the choices made so far.
    """
    found: dict[str, Any] = {}
    outside: list[str] = []
    for name, values in space.items():
        if name not in given:
            continue
        value = given[name]
        chosen = word(value)
        if isinstance(values, Interval) and value in values:
            found[_parameter(name, under)] = value
        elif isinstance(values, Choice) and chosen in values.words:
            found[_parameter(name, under)] = chosen
            inner, more = setting(values.under.get(chosen, {}), given, _and(under, f"{name}={chosen}"))
            found |= inner
            outside += more
        else:
            outside.append(f"{name}={chosen}")
    return found, outside


def examples(space: Space) -> Iterator[list[str]]:
    """Settings in which each value of each choice stands once at least: what composes with them composes always."""
    rounds = [list(_examples(name, values)) for name, values in space.items()]
    for i in range(max(map(len, rounds), default=0)):
        yield list(itertools.chain.from_iterable(words[i % len(words)] for words in rounds))


def _examples(name: str, values: Interval | Choice) -> Iterator[list[str]]:
    if isinstance(values, Interval):
        yield [f"{name}={values.low}"]
        return
    for chosen in values.words:
        for inner in list(examples(values.under.get(chosen, {}))) or [[]]:
            yield [f"{name}={chosen}", *inner]
