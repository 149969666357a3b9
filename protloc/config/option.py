"""One option: a dataclass field that explains itself, and a check of its value."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass
from typing import Any

MISSING: Any = "???"  # Hydra's mark for "no honest default"; spelt out so that this package needs no OmegaConf


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A dataclass field that knows its meaning, its allowed values or its range (both ends included)."""
    metadata = {"help": help, "choices": choices, "least": least, "most": most}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def problems(config: Any, prefix: str = "") -> Iterator[str]:
    """One line for each value outside its choices or range, by its full name, as in `trainer.precision`."""
    for f in fields(config):
        value, name = getattr(config, f.name), f"{prefix}{f.name}"
        if is_dataclass(value):
            yield from problems(value, f"{name}.")
            continue
        choices, least, most = (f.metadata.get(key) for key in ("choices", "least", "most"))
        if isinstance(value, str) and choices and value not in choices:
            yield f"{name}={value}: choose one of {', '.join(choices)}" + (" or a number" if least is not None else "")
        if isinstance(value, int | float):
            if least is not None and value < least:
                yield f"{name}={value}: must be at least {least:g}"
            if most is not None and value > most:
                yield f"{name}={value}: must be at most {most:g}"


def no_option(name: str, there: list[str]) -> str:
    """`no option 'trainer.gpu'; did you mean trainer.gpus?`, from the full name and the names beside it."""
    parent, _, key = name.rpartition(".")
    prefix = f"{parent}." if parent else ""
    near = difflib.get_close_matches(key, there, 1)
    return f"no option {name!r}; " + (f"did you mean {prefix}{near[0]}?" if near else f"there are: {', '.join(there)}")


def typed(name: str, value: str) -> str:
    """An option as it is to be typed, in the quotes that the shell and Hydra want."""
    if re.fullmatch(r"[A-Za-z_./][\w./:+%@-]*", value) and value.lower() not in ("null", "true", "false", "nan", "inf"):
        return f"{name}={value}"
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value)
    return shlex.quote(f'{name}="{escaped}"')
