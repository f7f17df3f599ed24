"""Versions of named models: made live, compared with each other, traced to what they came from, pruned. Torch-free."""
