"""Runs: their folders, their processes, their devices, many of them side by side."""
