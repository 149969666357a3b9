"""The process that serves: one model, one address, until it is told to end."""

from __future__ import annotations

import ipaddress
import logging
import math
import socket
import sys
from contextlib import suppress

from protloc.config import ServeConfig
from protloc.errors import Stopped, UserError

BACKLOG = 2048
"""Connections that may wait for the server to take them."""


def serve(config: ServeConfig) -> None:
    """Answer requests until SIGTERM or Ctrl-C; what has been taken by then is finished.

    Raises:
        UserError: the extra is not installed, the address is taken, the model cannot be read, or other machines could
            reach the server without a token.
    """
    try:
        import uvicorn

        from protloc.serving.app import create_app
    except ImportError as error:
        raise UserError(f"serving needs {error.name}: pip install 'protloc[serve]'") from error
    from transformers.utils import logging as hf_logging

    from protloc.inference.predictor import Predictor
    from protloc.model.folder import load_model

    check_address(config)
    hf_logging.disable_progress_bar()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    with listening(config.host, config.port) as listener:
        saved = load_model(config.model_dir)
        predictor = Predictor(saved, device=config.device, precision=config.precision, batch_tokens=config.batch_tokens)
        settings = saved.model.config
        card = {
            "backbone": settings.backbone_name, "pooling": settings.pooling, "max_residues": settings.max_residues,
            "crop": settings.crop, "device": str(predictor.forward.device), "precision": predictor.forward.precision,
        }  # fmt: skip
        app = create_app(predictor, config, card)
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False,
                timeout_graceful_shutdown=math.ceil(config.timeout) + 1,  # an answer that is never fetched ends here
            )
        )  # fmt: skip
        host, port = listener.getsockname()[:2]
        listener.listen(BACKLOG)  # before the line below: who has read it may connect
        print(f"protloc serves {config.model_dir} on http://{host}:{port} (API: /docs)", file=sys.stderr, flush=True)
        with suppress(Stopped, KeyboardInterrupt):  # uvicorn ends in order, then raises the signal again
            server.run(sockets=[listener])


def check_address(config: ServeConfig) -> None:
    """Refuse to be reached by other machines without a token, unless told.

    Raises:
        UserError: as it says.
    """
    try:
        inside = config.host == "localhost" or ipaddress.ip_address(config.host).is_loopback
    except ValueError:
        inside = False
    if not inside and not config.token and not config.open_to_all:
        raise UserError(
            f"host={config.host} can be reached by other machines: give token=SECRET, which clients send as a bearer "
            "token, or open_to_all=true"
        )


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        UserError: the address is taken, or is none of this machine.
    """
    try:
        family, kind, protocol = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][:3]
        # With the protocol's number, without which asyncio leaves Nagle's algorithm on: 40 ms for every answer.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise UserError(f"host={host} port={port}: {error.strerror or error}") from error
    return listener
