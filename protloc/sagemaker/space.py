"""The values that SageMaker's own search may give an option."""

from __future__ import annotations

from typing import Any

from protloc.errors import UserError
from protloc.search import space
from protloc.search.space import SYNTAX, Interval


def searched(name: str, text: str) -> Interval | list[Any]:
    """What `text` allows: numbers in between, or some values.

    Args:
        name: of the option.
        text: `interval(a, b)`, `tag(log, interval(a, b))`, `choice(a, b, ...)` or `range(a, b)`.

    Raises:
        UserError: it is none of these.
    """
    values = space.searched(name, text, "tuner.space.")
    if values is None:
        raise UserError(f"tuner.space.{name}={text} is no range: {SYNTAX}", exit_code=2)
    if isinstance(values, Interval):
        return values.numbers() if values.step else values
    return list(values.values)
