"""The values that a search may give an option, in the words of Hydra's sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protloc.errors import UserError

SYNTAX = "give interval(0.1, 0.5), tag(log, interval(1e-5, 1e-3)) or choice(16, 32)"


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, whole ones where both are; `log`: their orders of magnitude count alike."""

    low: float
    high: float
    log: bool


def searched(name: str, text: str) -> Interval | list[Any]:
    """What `text` allows.

    Args:
        name: of the option.
        text: `interval(a, b)`, `tag(log, interval(a, b))`, `choice(a, b, ...)` or `range(a, b)`.

    Raises:
        UserError: it is none of these.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        value = OverridesParser.create().parse_override(f"{name}={text}").value()
    except HydraException as error:
        raise UserError(f"tuner.space.{name}={text} cannot be read: {SYNTAX}", exit_code=2) from error
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        return Interval(value.start, value.end, "log" in value.tags)
    if isinstance(value, ChoiceSweep):
        return list(value.list)
    if isinstance(value, RangeSweep):
        return list(value.range())
    raise UserError(f"tuner.space.{name}={text} is no range: {SYNTAX}", exit_code=2)
