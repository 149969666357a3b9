"""`python -m protloc.serving model_dir=RUN/model`, and in a container `python -m protloc.serving serve`."""

import os
import sys

from protloc.cli.main import serve
from protloc.errors import UserError
from protloc.serving.container import words

if sys.argv[1:2] == ["serve"]:
    try:
        sys.argv[1:] = [*words(os.environ), *sys.argv[2:]]
    except UserError as error:
        sys.exit(f"error: {error}")
serve()
