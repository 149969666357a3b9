"""protloc's own requirements, at the versions that are installed here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from protloc.errors import UserError


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
