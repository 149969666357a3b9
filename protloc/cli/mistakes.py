"""Hydra's and OmegaConf's exceptions as one line that says what to do."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, NoReturn

from protloc.config import no_option, typed
from protloc.errors import UserError

EXTRAS = {"submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Hydra's plugins, and the extra of protloc that installs each."""


def check_flags(arguments: list[str]) -> None:
    """Refuse unknown flags before Hydra prints its usage over several lines.

    Raises:
        UserError: for the first that Hydra does not know.
    """
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; options are given as name=value, see --help", exit_code=2)

    parser: argparse.ArgumentParser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args(arguments)


def mistake(error: BaseException) -> str | None:
    """One line for a mistake in the configuration; None where the exception is no such mistake.

    Args:
        error: what composing or converting the configuration raised.
    """
    from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException):
        return _no_config(error)
    if isinstance(error, OverrideParseException):
        name, found, value = str(error.override).partition("=")
        if found and not value.startswith(("[", "{", '"', "'")):
            return f"cannot read {error.override!r}: type {typed(name, value)}"
        return f"cannot read {error.override!r}: give name=value, and quote special characters: 'name=\"a, b\"'"
    if isinstance(error, ConfigCompositionException) and isinstance(error.__cause__, OmegaConfBaseException):
        error = error.__cause__
    if isinstance(error, OmegaConfBaseException):
        return _no_value(error)
    several = re.match(r"Ambiguous value for argument '(.+?)'\s", str(error))
    if several:
        return f"{several[1]!r} gives several values: add -m for a run with each, or write a list as [a,b]"
    if isinstance(error, HydraException) or type(error).__module__.startswith("yaml"):
        return " ".join(str(error).split())
    return None


def _no_config(error: Any) -> str:
    wanted = error.missing_cfg_file or ""
    options = [option for option in error.options or [] if not option.endswith("schema")]
    name = str(wanted).rpartition("/")[2]
    if name in EXTRAS:
        return f"{name} is not installed: pip install 'protloc[{EXTRAS[name]}]'"
    near = difflib.get_close_matches(name, options, 1)
    if near:
        return f"no config {wanted!r}; did you mean {near[0]!r}?"
    return f"no config {wanted!r}" + (f"; there are: {', '.join(options)}" if options else "")


def _no_value(error: Any) -> str:
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError, InterpolationKeyError, MissingMandatoryValue

    name = error.full_key or ""
    if isinstance(error, InterpolationKeyError):
        return f"{name}: {str(error).splitlines()[0]}"
    if isinstance(error, MissingMandatoryValue):
        return f"{name} is missing: give {name}=..." + _help(error)
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return no_option(name, [str(key) for key in error.parent_node or []])
    text = str(error).splitlines()[0]
    return f"{name}: {text[0].lower()}{text[1:]}" if name else text


def _help(error: Any) -> str:
    """The meaning of the option that is missing, in brackets."""
    fields = getattr(error.object_type, "__dataclass_fields__", {})
    text = fields[error.key].metadata.get("help", "") if error.key in fields else ""
    return f" ({text})" if text else ""
