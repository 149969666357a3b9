"""A published file, downloaded once into the cache, and the same ever after."""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from protloc.data.parse import cache_folder, content_hash
from protloc.errors import UserError
from protloc.files import write_json

log = logging.getLogger(__name__)

TIMEOUT = 60
"""Seconds without a byte after which a download is given up."""


def downloaded(url: str, name: str, start: bytes, help: str, cache_dir: str | None) -> Path:
    """The file in the cache.

    Args:
        url: where it is published.
        name: of the file in the cache.
        start: its first bytes; something else is an error page.
        help: what a user can do instead, for messages.
        cache_dir: see `cache_folder`.

    Raises:
        UserError: it cannot be had, or has changed since.
    """
    target = cache_folder(cache_dir) / name
    record = target.with_suffix(".json")
    if not target.exists():
        _download(url, target, start, help)
        write_json(record, {"url": url, "sha256": content_hash(str(target))})
        log.info("downloaded %s to %s", url, target)
    expected = json.loads(record.read_text())["sha256"] if record.exists() else None
    found = content_hash(str(target))
    if expected is None:
        write_json(record, {"url": url, "sha256": found})
    elif found != expected:
        raise UserError(
            f"{target}: changed since it was downloaded (SHA-256 {found[:12]}…, was {expected[:12]}…): "
            "delete it to download it again"
        )
    return target


def _download(url: str, target: Path, start: bytes, help: str) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(temporary, "wb") as out, _bar() as bar:
            size = int(answer.headers.get("Content-Length") or 0) or None
            task = bar.add_task(f"downloading {target.name}", total=size)
            while block := answer.read(1 << 16):
                out.write(block)
                bar.advance(task, len(block))
        got = temporary.stat().st_size
        if size is not None and got != size:
            raise OSError(f"{got} of {size} bytes came")
        with open(temporary, "rb") as file:
            if file.read(len(start)) != start:
                raise OSError("what came is another kind of file")
        temporary.replace(target)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{target.name} could not be downloaded from {url} ({reason}): {help}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _bar() -> Progress:
    from rich.console import Console

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
