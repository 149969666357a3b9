"""`serve`, the one word with which SageMaker starts a container, as the server's options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from protloc.errors import UserError


def words(environment: Mapping[str, str]) -> list[str]:
    """The server's command line inside a container.

    It listens to everybody: the platform, or `docker run --publish`, says who can reach the container. It opens the one
    port that SageMaker names, so SAGEMAKER_SAFE_PORT_RANGE, for further ones, is not needed.

    Args:
        environment: SM_MODEL_DIR names the model folder (/opt/ml/model), SAGEMAKER_BIND_TO_PORT the port (8080), and
            PROTLOC_OPTIONS holds further options, as on a command line; they come last, so that they win.

    Raises:
        UserError: a quotation in PROTLOC_OPTIONS has no end.
    """
    folder = environment.get("SM_MODEL_DIR", "/opt/ml/model").replace("\\", "\\\\").replace("'", "\\'")
    port = environment.get("SAGEMAKER_BIND_TO_PORT", "8080")
    try:
        more = shlex.split(environment.get("PROTLOC_OPTIONS", ""))
    except ValueError as error:
        raise UserError(f"PROTLOC_OPTIONS={environment['PROTLOC_OPTIONS']}: {error}") from error
    return [f"model_dir='{folder}'", "host=0.0.0.0", f"port={port}", "open_to_all=true", *more]
