"""Backbone, pooling head, tokenizer and the saved model."""

# First, and whole: behind this import protloc's own models are registered, which imports the modules of this package.
import transformers.models.auto.modeling_auto  # noqa: F401
