"""protloc itself, to run elsewhere: its files, and its requirements at the versions that are installed here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from protloc.errors import UserError
from protloc.files import conf_dir

PACKAGE = Path(__file__).resolve().parents[1]

SUFFIXES = (".py", ".yaml", ".html")
"""What the package and the configurations are made of; anything else that lies about there stays."""


def package_files() -> dict[str, bytes]:
    """The package's files by their place in an archive (`protloc/...`), without the configurations."""
    conf = f"protloc/{conf_dir().name}/"  # inside the package where it is installed
    return {name: content for name, content in _below(PACKAGE, "protloc").items() if not name.startswith(conf)}


def conf_files() -> dict[str, bytes]:
    """The configurations by their place in an archive (`conf/...`)."""
    return _below(conf_dir(), "conf")


def _below(folder: Path, name: str) -> dict[str, bytes]:
    """The files in a folder by their place below `name`; no hidden ones, no caches."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()}
    return {
        f"{name}/{inside.as_posix()}": path.read_bytes()
        for inside, path in sorted(found.items())
        if not any(part.startswith((".", "__pycache__")) for part in inside.parts)
    }


def pinned(*extras: str, without: tuple[str, ...] = ("torch",)) -> list[str]:
    """Lines of a requirements.txt, so that another machine runs what runs here.

    Args:
        extras: of protloc, beside what it always needs.
        without: packages that the other machine has, in a build of its own.

    Raises:
        UserError: a package of one of the extras is not installed here, so that its version is not known.
    """
    from packaging.requirements import Requirement

    lines = []
    for requirement in map(Requirement, requires("protloc") or []):
        marker = requirement.marker
        if requirement.name in without or (marker and not any(marker.evaluate({"extra": e}) for e in ("", *extras))):
            continue
        try:
            lines.append(f"{requirement.name}=={version(requirement.name).partition('+')[0]}")
        except PackageNotFoundError:
            wanted = next((e for e in extras if marker and marker.evaluate({"extra": e})), "")
            raise UserError(
                f"{requirement.name} is not installed here: pip install 'protloc[{wanted}]', so that the job gets "
                "the same version"
            ) from None
    return sorted(lines)
