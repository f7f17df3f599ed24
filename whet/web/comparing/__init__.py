"""Compare: which keys of the recipe differ between runs, and what came of it."""
