"""Batches and loss of each method: what the loop holds."""
