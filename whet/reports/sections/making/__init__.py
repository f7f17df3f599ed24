"""How the model was made: curves, rows, recipe, checks and machine."""
