"""The README's tree is the repository's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tracked() -> set[str]:
    """Files of the repository, from git, else from the disk."""
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("no git checkout: the tree cannot be told from what was built in it")
    return set(result.stdout.split())


def tree(page: Path) -> list[str]:
    """The paths that the last tree of a page names."""
    *_, block = re.findall(r"```text\n(.*?)```", page.read_text(), flags=re.S)
    named, stack = [], list[str]()
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        stack = [*stack[:depth], line.split()[0]]
        named.append("".join(stack))
    return named


def test_the_trees_name_what_is_there() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "design.md"):
        assert [name for name in tree(page) if not (ROOT / name).exists()] == [], page


def test_the_readme_names_every_folder_and_design_every_module() -> None:
    files, named = tracked(), set(tree(ROOT / "README.md"))
    top = {file.split("/")[0] + ("/" if "/" in file else "") for file in files} - {".gitignore", "README.md", ".ci/"}
    rooms = {
        "/".join(file.split("/")[:2]) + "/" for file in files if file.startswith("protloc/") and file.count("/") > 1
    }
    assert top | rooms <= named
    modules = {file for file in files if file.endswith(".py") and not file.startswith("tests/")}
    named_there = set(tree(ROOT / "docs" / "design.md"))
    assert {m for m in modules if "/" in m and not m.endswith(("__init__.py", "__main__.py"))} <= named_there


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
