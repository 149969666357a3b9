"""The edge to Hydra: from words to checked options, and from exceptions to one line."""
