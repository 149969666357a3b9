"""Training with Hugging Face's Trainer, and the report of a run."""
