"""Weights in four bits: how they are made and loaded."""
