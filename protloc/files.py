"""Small files, written whole or not at all; and where the configurations lie."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a small file; it is there complete, or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, NaN refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def same_file(output: str | Path, source: str | Path) -> bool:
    """Whether two names lead to one regular file, by links too; `-` is standard output, and standard input."""
    try:
        ours = os.fstat(1) if str(output) == "-" else os.stat(output)
        theirs = os.fstat(0) if str(source) == "-" else os.stat(source)
    except (OSError, ValueError):  # one of them is not there; whoever opens it says so
        return False
    return stat.S_ISREG(ours.st_mode) and os.path.samestat(ours, theirs)


def conf_dir() -> Path:
    """The configuration files: inside the installed package, else the checkout's."""
    package = Path(__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"
