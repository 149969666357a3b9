"""`python -m protloc.serving model_dir=RUN/model`."""

from protloc.cli import serve

serve()
