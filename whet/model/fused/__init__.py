"""Kernels: a decoder layer's forward and backward passes written out, for speed and memory.

Each file holds one idea with its mathematics: products (linear layers and adapters), pointwise (norm, rotary, gate),
spans and attention (over a forest), layer (the two halves as autograd functions), install (which layers, and proof).
"""
