"""A search over options: Optuna chooses, runs answer with their validation figure, hopeless ones stop early."""
