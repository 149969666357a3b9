"""protloc: from protein sequences to a trustworthy model of where in the cell each protein lives."""

__version__ = "0.1.0"
