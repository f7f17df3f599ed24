"""Texts made comparable, and numbers made readable."""
