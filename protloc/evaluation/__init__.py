"""How good a model is: figures, intervals, pictures, the card."""
