"""A model folder that Hugging Face's inference images can serve as it is: the code that answers, beside the weights."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

from protloc.errors import UserError
from protloc.files import write_text
from protloc.runs.package import package_files

NEEDS = ("numpy", "safetensors", "tokenizers", "transformers")
"""What answering imports, beside torch: an image has that, in the build that suits its machine."""

SHIM = """import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent{folder}))
from protloc.serving.handler import {names}
"""


def write_inference_code(model_dir: Path) -> None:
    """Put `handler.py` and `code/` into a model folder; it stays what it is to predict.py.

    The same package gives the same files. They are there whole or not at all; those of an earlier call are replaced.

    Args:
        model_dir: a model folder.

    Raises:
        UserError: it is no model folder, or has a `handler.py` or a `code` of somebody else.
    """
    if not (model_dir / "config.json").is_file():
        raise UserError(f"{model_dir} has no config.json: it is no model folder")
    code, handler = model_dir / "code", model_dir / "handler.py"
    text = SHIM.format(folder=" / 'code'", names="EndpointHandler")
    _check_ours(code, handler, text)
    fresh, old = model_dir / ".code.tmp", model_dir / ".code.old"
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    for name, content in code_files().items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_bytes(content)
    if code.exists():
        code.rename(old)
    fresh.rename(code)
    shutil.rmtree(old, ignore_errors=True)
    write_text(handler, text)  # last: it needs the code


def code_files() -> dict[str, bytes]:
    """The files of `code/` by their place in it: the package, its pins, and what the toolkits import."""
    pins = "".join(f"{name}=={version(name)}\n" for name in NEEDS)
    shim = SHIM.format(folder="", names="input_fn, model_fn, output_fn, predict_fn")
    return package_files() | {"requirements.txt": pins.encode(), "inference.py": shim.encode()}


def _check_ours(code: Path, handler: Path, text: str) -> None:
    ours = {"protloc", "inference.py", "requirements.txt"}
    if code.exists() and not (code.is_dir() and {path.name for path in code.iterdir()} <= ours | {"__pycache__"}):
        raise UserError(f"{code} is there already and not protloc's: move it away")
    if handler.exists() and handler.read_bytes() != text.encode():
        raise UserError(f"{handler} is there already and not protloc's: move it away")
