"""A model folder as the archive that SageMaker unpacks in front of its container."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from protloc.model.folder import load_model
from protloc.sagemaker.source import pack
from protloc.sagemaker.store import files_of
from protloc.serving.bundle import write_inference_code


def model_archive(folder: Path) -> bytes:
    """The model, with the code that answers, as a tar.gz: the same bytes for the same model and package.

    Args:
        folder: `RUN/model`, or `RUN`.

    Raises:
        UserError: it is no model folder of protloc's.
    """
    load_model(folder)  # what does not load here will not load there
    model = folder if (folder / "config.json").is_file() else folder / "model"
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "model"
        shutil.copytree(model, copy)
        write_inference_code(copy)
        return pack({path.relative_to(copy).as_posix(): path.read_bytes() for path in files_of(copy)})
