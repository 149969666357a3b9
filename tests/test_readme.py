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


def test_the_tree_names_what_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    (tree,) = re.findall(r"```text\n(.*?)```", text, flags=re.S)
    named, stack = [], list[str]()
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        stack = [*stack[:depth], line.split()[0]]
        named.append("".join(stack))
    files = tracked()
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
    folders = {f"{file.split('/')[0]}/" for file in files if "/" in file}
    top = {file for file in files if "/" not in file} - {".gitignore", "README.md"}
    assert folders | top <= {*named, ".ci/"} | {name for name in named if name.startswith(".ci/")}
    modules = {f for f in files if f.startswith("protloc/") and f.endswith(".py") and "__init__" not in f}
    assert modules <= set(named)


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
