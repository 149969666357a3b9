"""The layers: nothing imports what stands above it, and heavy packages come late."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "protloc"

LAYERS = [
    {"errors", "files"},
    {"config"},
    {"tasks"},
    {"runs"},
    {"search"},
    {"data"},
    {"model"},
    {"evaluation"},
    {"training", "inference"},
    {"serving"},
    {"sagemaker"},
    {"commands"},
    {"cli"},
]
"""From the ground up; a folder imports itself, those beside it and those before it."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

HYDRA = ("cli", "config/schemas.py", "runs/sweeps.py", "search/space.py", "search/sweep.py", "sagemaker/sweep.py")
"""Who may know Hydra."""


def imports(file: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether it does so inside a function."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        for child in ast.iter_child_nodes(node):
            inside = isinstance(node, ast.FunctionDef)
            if isinstance(child, ast.Import):
                found += [(alias.name, inside) for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                found.append((child.module or "", inside))
    return found


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_its_place() -> None:
    there = {room(file) for file in PACKAGE.rglob("*.py")} - {"__init__"}
    assert there == set(LEVEL)
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "errors", "files"}


def test_no_module_imports_a_higher_layer() -> None:
    seen = 0
    for file in sorted(PACKAGE.rglob("*.py")):
        if room(file) == "__init__" or file.name == "__main__.py":
            continue  # a __main__ is a script, like train.py
        for name, _ in imports(file):
            if not name.startswith("protloc."):
                continue
            seen += 1
            assert LEVEL[name.split(".")[1]] <= LEVEL[room(file)], f"{file} imports {name}"
    assert seen > 50


def test_training_and_inference_do_not_know_each_other() -> None:
    for ours, theirs in (("training", "inference"), ("inference", "training")):
        for file in (PACKAGE / ours).rglob("*.py"):
            assert not any(name.startswith(f"protloc.{theirs}") for name, _ in imports(file)), file


def test_the_edge_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "evaluate", "hydra", "omegaconf", "numpy", "protloc.commands")
    light = [*PACKAGE.glob("*.py"), *(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "config").glob("*.py")]
    light += [PACKAGE / "runs" / name for name in ("__init__.py", "folder.py", "processes.py")]
    for file in light:
        for imported, inside in imports(file):
            assert inside or not imported.startswith(heavy), f"{file} imports {imported}"


def test_only_the_edge_knows_hydra() -> None:
    for file in PACKAGE.rglob("*.py"):
        if not file.relative_to(PACKAGE).as_posix().startswith(HYDRA):
            assert not any(name.split(".")[0] in ("hydra", "omegaconf") for name, _ in imports(file)), file
