"""Files that a recipe names: how they are found, and what they may hold."""
