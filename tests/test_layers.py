"""The layers: nothing imports what stands above it, and heavy packages come late."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "protloc"

LAYERS = [
    {"errors", "files"},
    {"config", "mistakes"},
    {"schema", "options", "help", "registration", "resume", "launch", "leaderboard", "devices", "space", "package"},
    {"data"},
    {"model"},
    {"training", "inference"},
    {"commands", "serving", "cloud"},
    {"sweeps", "sagemaker_sweep"},
    {"cli"},
    {"container"},
]
"""From the ground up; a module imports its own layer and those before it."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

LATE = [
    ("registration", "model"),  # inside functions, behind the import of transformers
]


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


def test_no_module_imports_a_higher_layer() -> None:
    seen = 0
    for file in sorted(PACKAGE.rglob("*.py")):
        if room(file) in ("__init__", "conf") or file.name == "__main__.py":
            continue  # a __main__ is a script, like train.py
        for name, inside in imports(file):
            if not name.startswith("protloc."):
                continue
            target = name.split(".")[1]
            seen += 1
            if inside and (room(file), target) in LATE:
                continue
            assert LEVEL[target] <= LEVEL[room(file)], f"{file} imports {name}"
    assert seen > 50


def test_training_and_inference_do_not_know_each_other() -> None:
    for ours, theirs in (("training", "inference"), ("inference", "training")):
        for file in (PACKAGE / ours).rglob("*.py"):
            assert not any(name.startswith(f"protloc.{theirs}") for name, _ in imports(file)), file


def test_the_edge_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "evaluate", "hydra", "omegaconf", "numpy", "protloc.commands")
    light = ["__init__", "cli", "errors", "files", "help", "launch", "mistakes", "options", "registration", "resume"]
    for file in [*(PACKAGE / f"{name}.py" for name in light), *(PACKAGE / "config").glob("*.py")]:
        for imported, inside in imports(file):
            assert inside or not imported.startswith(heavy), f"{file} imports {imported}"


def test_only_the_edge_knows_hydra() -> None:
    for file in PACKAGE.rglob("*.py"):
        if room(file) not in ("cli", "schema", "mistakes", "space", "sweeps", "sagemaker_sweep"):
            assert not any(name.split(".")[0] in ("hydra", "omegaconf") for name, _ in imports(file)), file
