"""Run train.py on SageMaker: the command `protloc-launch` for a checkout."""

from protloc.cli.main import launch

if __name__ == "__main__":
    launch()
