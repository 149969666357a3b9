"""A published file, downloaded once into the cache, and the same ever after."""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from protloc.config import DeepLoc2Data, DeepLocData
from protloc.data.parse import cache_folder, content_hash
from protloc.errors import UserError
from protloc.files import write_json

log = logging.getLogger(__name__)

TIMEOUT = 60
"""Seconds without a byte after which a download is given up."""


def published(options: DeepLocData | DeepLoc2Data, name: str, start: bytes, origin: str) -> str:
    """The path of a data set's file: that of `options.path`, or of the published one in the cache.

    Args:
        options: with `path` and `url`.
        name: of the file in the cache.
        start: its first bytes; something else is an error page.
        origin: the file and the page that it is published on, for messages.

    Raises:
        UserError: it cannot be had, or has changed since.
    """
    if options.path is not None:
        return options.path
    url, target = options.url, cache_folder(options.cache_dir) / name
    help = f"get {origin} (services.healthtech.dtu.dk, Data) by other means and give data.path=FILE"
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
    return str(target)


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
