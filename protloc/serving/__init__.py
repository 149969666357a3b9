"""One predictor behind HTTP."""
