"""Attention over a forest, over padded rows, and its kernels."""
