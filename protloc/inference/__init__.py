"""Prediction for any number of proteins, in order."""
