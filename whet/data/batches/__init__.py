"""Rows of tokens to batches: the forest, the loaders, the segments on disk."""
