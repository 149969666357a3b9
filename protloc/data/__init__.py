"""From files to proteins, labels, splits, token ids and batches, and back to files."""
